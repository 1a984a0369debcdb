"""``make bench-long``: ten minutes of ``voicecoil play`` on PulseAudio while all cores are busy.

python benchmarks/peers/long_play.py [--minutes 10] [--output FILE]

Every frame of the file encodes its number. The recording of the sink's monitor is compared with the
file.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from measure import machine
from numpy.typing import NDArray
from tables import markdown, show

from servers.pulse import Monitor, PulseServer

RATE = 48_000
# The left channel counts the frames up to this number and begins again. The right channel counts
# how often the left one has begun again.
LOW = 4096
BUSY = "while True: pass"
ABOUT = """\
`voicecoil play` of a file on PulseAudio's null sink, with the default latency, beside one busy
process for each core. The server has a real-time priority if the user may give it one. The
output is recorded from the sink's monitor, and every frame encodes its number. The load is that
of the machine, over five minutes.
"""


def coded_at(frame: NDArray[np.int64]) -> NDArray[np.float32]:
    """Returns frames that encode their numbers exactly in float32. None of them is silence."""
    parts = (frame % LOW + 1) / (2 * LOW), (frame // LOW + 1) / (4 * LOW)
    return np.stack(parts, axis=1).astype(np.float32)


def write(path: Path, frames: int) -> None:
    with soundfile.SoundFile(path, "w", RATE, 2, "FLOAT") as file:
        for first in range(0, frames, RATE):
            file.write(coded_at(np.arange(first, min(first + RATE, frames))))


@dataclass(frozen=True)
class Heard:
    """The frames of the file that were heard, lost or repeated.

    Attributes
    ----------
    lost, repeated : int
        Frames of the file that were never heard, and that were heard again.
    silent : int
        Frames of silence between its first and its last one.
    foreign : int
        Frames that are neither silence nor frames of the file.
    """

    lost: int
    repeated: int
    silent: int
    foreign: int


def compare(recorded: NDArray[np.float32], frames: int) -> Heard:
    loud = recorded.any(axis=1)
    between = np.flatnonzero(loud)
    if not len(between):
        return Heard(frames, 0, 0, 0)
    recorded = recorded[between[0] : between[-1] + 1]
    times = np.zeros(frames, np.uint8)
    silent = foreign = 0
    for first in range(0, len(recorded), RATE):
        part = recorded[first : first + RATE]
        low, high = (np.rint(part * (2 * LOW, 4 * LOW)).astype(np.int64) - 1).T
        frame = high * LOW + low
        quiet = ~part.any(axis=1)
        known = ~quiet & (frame >= 0) & (frame < frames)
        known[known] = (part[known] == coded_at(frame[known])).all(axis=1)
        np.add.at(times, frame[known], 1)
        silent += int(quiet.sum())
        foreign += int((~known & ~quiet).sum())
    return Heard(int((times == 0).sum()), int((times > 1).sum()), silent, foreign)


def played(server: PulseServer, path: Path, seconds: float) -> tuple[dict[str, object], float]:
    """Plays the file. Returns the program's output and the machine's load while the file plays."""
    command = [sys.executable, "-m", "voicecoil", "play", str(path), "--json"]
    command += ["--driver", "miniaudio:pulse"]
    done = subprocess.run(
        command,
        env={**os.environ, **server.env},
        capture_output=True,
        text=True,
        timeout=2 * seconds + 60,
    )
    if done.returncode:
        raise SystemExit(f"voicecoil play ended with {done.returncode}: {done.stderr}")
    return json.loads(done.stdout), os.getloadavg()[1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument(
        "--output", type=Path, default=Path(__file__).resolve().parent.parent / "LONG_PLAY.md"
    )
    options = parser.parse_args()
    frames = round(options.minutes * 60 * RATE)
    server = PulseServer()
    busy: list[subprocess.Popen[bytes]] = []
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "coded.wav"
            write(path, frames)
            monitor = Monitor(server)
            busy = [
                subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(os.cpu_count() or 1)
            ]
            began = time.monotonic()
            said, load = played(server, path, frames / RATE)
            took_s = time.monotonic() - began
        monitor.wait(2 * RATE)
        heard = compare(np.fromfile(monitor.path, np.float32).reshape(-1, 2), frames)
    finally:
        for process in busy:
            process.kill()
            process.wait()
        server.close()
    table = [
        ["played", "lost", "repeated", "silent between", "foreign", "told as lost", "load"],
        [
            f"{frames} frames in {took_s:.0f} s",
            *map(str, (heard.lost, heard.repeated, heard.silent, heard.foreign)),
            f"{said['starved_frames']}",
            f"{load:.1f}",
        ],
    ]
    show("A long file on PulseAudio, all cores busy", table)
    options.output.write_text(
        f"# A long file while all cores are busy\n\n{machine()}; Python "
        f"{platform.python_version()}; `make bench-long`.\n\n"
        + ABOUT
        + "\n"
        + markdown(table)
        + "\n"
    )
    return 1 if heard.lost or heard.silent else 0


if __name__ == "__main__":
    sys.exit(main())
