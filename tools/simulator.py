"""Builds the simulated CoreAudio if its sources have changed, and prints the library's path.

python3 tools/simulator.py [--sanitize address,undefined]

VOICECOIL_SANITIZE is the default of --sanitize.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = (ROOT / "simulator", ROOT / "src" / "coreaudio_abi")
NAME = "libcoreaudio_simulated.so"


def newest_source() -> float:
    files = (p for folder in SOURCES for p in folder.rglob("*") if p.suffix in (".c", ".h"))
    return max(path.stat().st_mtime for path in files)


def build(sanitize: str = "") -> Path:
    """Builds the library if necessary and returns its path. Several processes may call this at
    once.
    """
    folder = ROOT / "build" / ("simulator" + ("-" + sanitize.replace(",", "-") if sanitize else ""))
    library = folder / NAME
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not library.exists() or library.stat().st_mtime < newest_source():
            command = ["make", "-C", str(ROOT / "simulator"), f"BUILD={folder}", str(library)]
            if sanitize:
                command.append(f"SANITIZE={sanitize}")
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                sys.exit(f"the simulator does not build:\n{done.stdout}{done.stderr}")
            os.utime(library)
    return library


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sanitize", default=os.environ.get("VOICECOIL_SANITIZE", ""))
    print(build(parser.parse_args().sanitize))
