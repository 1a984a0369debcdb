"""``make bench-hostile``: measures how much sound is played while other code of the program
disturbs it.

python benchmarks/peers/run_hostile.py [--quick] [--output FILE]
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import build
import clients
import measuring
import sound_servers
from measure import machine
from tables import markdown, show

from voicecoil.stress import loads

ABOUT = """\
Each cell has the share of the blocks requested by the clock that came, %; the xruns that the
server counted since the client came (on the virtual device, the library counted them); how much
later than one period after the previous block each block began, and how long the callback took
(median / 99 % / max, us). Each cell runs in a process of its own for {seconds:g} s. "C client"
is the limit: the result of a C program at that moment on this machine, which has no real-time
scheduling.

With a lead ("safe": 60 ms, and 0.2 s), several blocks are made at a time and ahead of the
device. The share is that of the frames that the device got, and "later" does not describe what
is heard. The lead of "safe" grows after an xrun that the program has caused. "n more" is the
number of such xruns after the first three, with each lead.

"""


LEARNING_XRUNS = 3  # after these, a lead that grows is long enough


def cell(seen: measuring.Seen, frames: int) -> str:
    if seen.failed:
        return seen.failed
    words = f"{seen.share(frames) * 100:.1f}"
    xruns = seen.values["xruns"] if seen.xruns is None else seen.xruns
    if xruns is not None:
        words += f", {xruns}"
    if (program := seen.values["program_xruns"]) is not None:
        words += f", {max(0, program - LEARNING_XRUNS)} more"
    if late := seen.late_us(frames):
        words += f" ({measuring.spread(late)}; {measuring.spread(seen.took_us())})"
    return words


def table(
    server: str,
    environment: dict[str, str],
    xruns: Callable[[], int | None],
    frames: int,
    seconds: float,
    wanted: list[str],
) -> list[list[str]]:
    """Returns one row for each library and home, and one column for each load. The function `xruns`
    returns the number of xruns that the server has counted so far.
    """
    rows = [["", *wanted]]
    for name, kind in clients.ALL.items():
        if server not in kind.servers:
            continue
        options = ["--server", server, "--frames", frames, "--seconds", seconds, "--times"]
        cells = [
            cell(measuring.run_counting(xruns, name, environment, *options, "--load", load), frames)
            for load in wanted
        ]
        rows.append([kind.name, *cells])
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="for a moment only; writes nothing")
    parser.add_argument(
        "--output", type=Path, default=Path(__file__).resolve().parent.parent / "HOSTILE.md"
    )
    options = parser.parse_args()
    seconds, sizes = (0.5, (256,)) if options.quick else (2.0, (64, 256, 1024))
    wanted = ["idle", "json"] if options.quick else list(loads.WORDS)
    python = f"Python {platform.python_version()}"
    parts = [f"# Under hostile load\n\n{machine()}; {python}; `make bench-hostile`.\n\n"]
    parts.append(ABOUT.format(seconds=seconds))
    parts.append("\n".join(f"- {name}: {words}" for name, words in loads.WORDS.items()) + "\n")
    with tempfile.TemporaryDirectory() as folder:
        built = build.all_of_it(Path(folder))
        for server in ("jack", "virtual"):
            for frames in sizes:
                with sound_servers.running(server, frames) as (environment, xruns):
                    environment["PEERS_NATIVE"] = str(built["native"])
                    rows = table(server, environment, xruns, frames, seconds, wanted)
                title = f"{sound_servers.TITLES[server]}, {frames} frames"
                show(title, rows)
                parts.append(f"## {title}\n\n{markdown(rows)}\n")
    if not options.quick:
        options.output.write_text("\n".join(parts))
    return 0


if __name__ == "__main__":
    sys.exit(main())
