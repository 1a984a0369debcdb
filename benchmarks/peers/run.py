"""``make bench-peers``: measures voicecoil and other libraries on the same servers in one run.

python benchmarks/peers/run.py [--quick] [--output FILE]
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import build
import on_servers
import sound_servers
import tight_loop
from measure import machine
from tables import markdown, show


@dataclass(frozen=True)
class Effort:
    """The durations of the measurements."""

    tight_s: float
    tight_runs: int
    server_s: float
    runs: int
    frames: tuple[int, ...]


FULL = Effort(0.5, 9, 1.0, 5, (64, 256, 1024))
QUICK = Effort(0.2, 1, 0.5, 1, (256,))

ABOUT = """\
Each measurement runs in a process of its own. The libraries take turns, so that a change of the
machine's speed affects all of them. "C client" is a program that uses JACK without any library,
and is the lower limit. Two channels, 48 kHz.

Rows in which voicecoil is not the best one, and the reasons:

- An empty callback costs JACK-Client little, and a long block costs no more than a short one,
  because the callback gets a number and no arrays. With the fill, the callback requests arrays.
- With JACK, the first block of the C client and of JACK-Client comes when the client exists,
  before it is connected. The first block of voicecoil is one that is heard.
- On a server, most of the IO thread's time is its wake-up. Small differences are random.
- JACK-Client is smaller by 3 MiB, because it has no other sound system and no engine.
- An isolated stream makes an interpreter and imports the callback's module there before its
  first block.
- PortAudio (sounddevice, rtmixer) opens faster, because it lists devices when it is imported,
  before the measurement. The others do not. voicecoil finds the device while it opens the
  stream, and with JACK it is a client only while it plays.
- On PulseAudio, PortAudio uses ALSA's plugin, and spends less time on a long block.
- With `latency="safe"` (60 ms) and 0.2 s, several blocks are made at a time and ahead of the
  device. "late" has little meaning for them. The share of blocks is that of the frames that the
  device got.
- More than 100 %: the library fills the server's buffer before it plays.
"""
TIGHT = """\
A JACK API without a server calls without pauses (`benchmarks/peers/jack_stand_in.c`). The
numbers are the processor time of the IO thread for one block, us, and the allocations on it
(empty / with the NumPy fill). "The callback alone" is the time that Python takes for the same
function in a loop, which shows the speed of the machine. With a lead, the worker fills the ring
at the same time, as fast as it is emptied.
"""
LATE = """\
The columns: the share of the blocks requested by the server's clock that came; how much later
than one period after the previous block each block began; the time of the IO thread, with its
wake-up; the time from opening to the first block, and to the first block after the library
reported that it plays; resident memory.
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="for a moment only; writes nothing")
    parser.add_argument(
        "--output", type=Path, default=Path(__file__).resolve().parent.parent / "PEERS.md"
    )
    options = parser.parse_args()
    effort = QUICK if options.quick else FULL
    parts = [
        f"# Comparison with other libraries\n\n{machine()}; Python {platform.python_version()}; "
        "`make bench-peers`.\n\n" + ABOUT
    ]

    def part(title: str, table: list[list[str]], words: str = "") -> None:
        show(title, table)
        parts.append(f"## {title}\n\n{words}\n{markdown(table)}\n")

    with tempfile.TemporaryDirectory() as folder:
        built = build.all_of_it(Path(folder))
        part(
            "One block in a tight loop",
            tight_loop.table(built, effort.tight_s, effort.tight_runs),
            TIGHT,
        )
        with sound_servers.running("pulse", 1024) as (environment, _):
            part("Import", on_servers.import_table(2 * effort.runs + 1, environment))
        for server in ("jack", "pulse"):
            for frames in effort.frames:
                with sound_servers.running(server, frames) as (environment, xruns):
                    environment["PEERS_NATIVE"] = str(built["native"])
                    rows = on_servers.table(
                        server, environment, xruns, frames, effort.server_s, effort.runs
                    )
                part(f"{sound_servers.TITLES[server]}, {frames} frames", rows, LATE)
    if not options.quick:
        options.output.write_text("\n".join(parts))
    return 0


if __name__ == "__main__":
    sys.exit(main())
