"""``make bench-peers``: this library and others on the same servers in one run.

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
Each measurement is a process of its own; the libraries take turns, so that all meet the same
machine. "C client" is a program on JACK without any library: the floor. Two channels, 48 kHz.

Where it does not lead, and why:

- An empty callback costs JACK-Client little, and a long block no more than a short one: it is
  handed a number and no arrays. It pays when it asks for them, as the fill shows.
- With JACK the first block of the C client, and of JACK-Client, comes as soon as it is a client,
  before it is connected; this library's first block is one that is heard.
- On a server most of the IO thread's time is its wake-up: what takes about the same differs by
  chance.
- JACK-Client is smaller by 3 MiB: it has no other sound system, and no engine.
- An isolated stream makes an interpreter and imports NumPy there before its first block.
- PortAudio (sounddevice, rtmixer) opens faster: it looks for devices when it is imported, before
  the clock starts. So does no other here; this library finds the device that was asked for while
  it opens, and with JACK it is a client only while it plays.
- On PulseAudio PortAudio goes through ALSA's plugin, and spends less on a long block.
- Blocks of `latency="safe"` (60 ms) and 0.2 s are made ahead, several at a time: "late" says little
  of them, and what came is counted by the frames that the device got.
- More than 100 %: the library fills the server's buffer before it plays.
"""
TIGHT = """\
A JACK API without a server calls back to back (`benchmarks/peers/jack_stand_in.c`): processor time
of the IO thread for one block, us, and what was allocated on it (empty / with the NumPy fill).
"The callback alone" is what Python takes for the same function in a loop: how fast the machine was.
With a lead the worker fills the ring at the same time, as fast as it is emptied.
"""
LATE = """\
Blocks that came of those that the server's clock asked for; how much later than one period after
the block before a block began; what the IO thread took (with the wake-up); how long from opening
to the first block, and to the first one after the library said that it plays; resident memory.
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
        f"# Beside the others\n\n{machine()}; Python {platform.python_version()}; "
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
