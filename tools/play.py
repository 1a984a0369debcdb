"""``make play``: plays a file or the example music, and checks the output of a virtual device.

The environment variable ``VOICECOIL_PLAY_FILE`` names the file; ``make`` sets it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from voicecoil.conversion import as_source, converted, read_all
from voicecoil.drivers.choose import get_driver
from voicecoil.drivers.protocol import CapturingDriver
from voicecoil.testing.simulator_library import ENVIRONMENT

sys.path.insert(0, str(Path(__file__).parent))
import simulator

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
MUSIC = BUILD / "music.wav"
HEARD = BUILD / "heard.wav"


def compare(source: Path) -> int:
    """Prints whether the output of the device equals the source, sample for sample."""
    heard_source = as_source(HEARD)
    heard = read_all(heard_source)
    wanted = read_all(converted(as_source(source), heard_source.samplerate, heard.shape[1]))
    if np.array_equal(heard, wanted):
        name = HEARD.relative_to(ROOT)
        print(f"{name} equals the source: {len(heard)} frames, {heard.shape[1]} channels")
        return 0
    if heard.shape == wanted.shape:
        frame, channel = np.argwhere(heard != wanted)[0]
        print(f"DIFFERENT: first at frame {frame}, channel {channel}")
    else:
        print(f"DIFFERENT: heard {heard.shape}, the source has {wanted.shape}")
    return 1


def main() -> int:
    BUILD.mkdir(exist_ok=True)
    name = os.environ.get("VOICECOIL_PLAY_FILE", "")
    source = Path(name).expanduser() if name else MUSIC
    if not name and not fresh(MUSIC):
        print("examples/music.py renders its music", flush=True)
        example = ROOT / "examples" / "music.py"
        code = subprocess.run([sys.executable, str(example), str(MUSIC)]).returncode
        if code:
            return code
    if os.environ.get("VOICECOIL_DRIVER") == "coreaudio-simulated":
        os.environ.setdefault(ENVIRONMENT, str(simulator.build()))
    # get_driver prints a message if it returns a substitute. The command then gets this driver by
    # name and does not print the message again.
    driver = get_driver()
    os.environ.setdefault("VOICECOIL_DRIVER", driver.name)
    virtual = isinstance(driver, CapturingDriver)
    command = [sys.executable, "-m", "voicecoil", "play"]
    code = run([*command, *(["--heard", str(HEARD)] if virtual else []), "--", str(source)])
    return code or (compare(source) if virtual else 0)


def fresh(music: Path) -> bool:
    """Returns whether the rendered file is newer than the example and the library."""
    stamp = Path(sys.prefix) / "package.stamp"  # written by tools/environment.py
    makers = [ROOT / "examples" / "music.py", stamp]
    return (
        music.exists()
        and all(maker.exists() for maker in makers)
        and music.stat().st_mtime > max(maker.stat().st_mtime for maker in makers)
    )


def run(command: list[str]) -> int:
    """Runs a command and returns its exit code. On Ctrl-C, the command handles the signal, and
    this function waits for the command to end.
    """
    process = subprocess.Popen(command)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
