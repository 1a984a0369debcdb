"""Plays through sounddevice and through voicecoil.sounddevice while the program is busy, and counts
what is heard.

    python benchmarks/peers/drop_in.py [SECONDS]

Each cell is a process of its own on a PulseAudio server. A program of the server records the sink.
The number is the share of the time between the first and the last sound that is not silent, %.
docs/sounddevice.md has the table.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from servers.pulse import Monitor, PulseServer  # noqa: E402

LOADS = ["idle", "main", "thread", "json", "gc"]
PROGRAM = """
import sys
import sounddevice as sd
from voicecoil.stress.loads import prepare

def callback(outdata, frames, time, status):
    outdata[:] = 0.25

load = prepare(sys.argv[1])
with sd.OutputStream(48_000, channels=2, latency=sys.argv[2], callback=callback):
    load(float(sys.argv[3]))
"""
WAYS = {"sounddevice": [], "voicecoil": ["-m", "voicecoil", "run", "--as-sounddevice"]}


def heard(words: list[str], load: str, latency: str, seconds: float) -> str:
    """Returns the share of the sound that is heard, %."""
    server = PulseServer()
    try:
        return heard_on(server, words, load, latency, seconds)
    finally:
        server.close()


def heard_on(server: PulseServer, words: list[str], load: str, latency: str, seconds: float) -> str:
    monitor = Monitor(server)
    program = server.processes.folder / "program.py"
    program.write_text(PROGRAM)
    command = [sys.executable, *words, str(program), load, latency, str(seconds)]
    environment = {**server.processes.env, **server.env, "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        return f"failed: {done.stderr.splitlines()[-1:]}"
    frames = monitor.heard()
    return f"{100 * np.count_nonzero(frames[:, 0]) / max(1, len(frames)):.1f}"


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 4.0
    print("| library | latency |", " | ".join(LOADS), "|")
    print("|---" * (len(LOADS) + 2) + "|")
    for latency in ("high", "low"):
        for name, words in WAYS.items():
            cells = [heard(words, load, latency, seconds) for load in LOADS]
            print(f"| {name} | {latency} |", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
