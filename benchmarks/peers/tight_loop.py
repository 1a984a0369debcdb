"""Measures the cost of one block in each library. A stand-in for JACK calls the callbacks without
pauses and without a server.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import clients
import measuring
from measure import counting, in_a_process

ALONE = """
import sys, time, types
import numpy

def empty(block):
    pass

def fill(block):
    block.output[:] = 0.1

callback = {"empty": empty, "fill": fill}[sys.argv[1]]
block = types.SimpleNamespace(output=numpy.zeros((64, 2), numpy.float32))
blocks, until = 0, time.monotonic() + float(sys.argv[2])
began = time.process_time()
while time.monotonic() < until:
    for _ in range(1000):
        callback(block)
    blocks += 1000
print((time.process_time() - began) / blocks * 1e6)
"""


def alone(fill: bool, seconds: float) -> float:
    """Returns the time that the same callback takes without any audio library, us."""
    return float(in_a_process(ALONE, "fill" if fill else "empty", str(seconds)))


def cost(
    name: str, built: dict[str, Path], frames: int, seconds: float, fill: bool, count: bool = False
) -> tuple[float, float] | str:
    """Returns the processor time of the IO thread (us) and its allocations for one block, or the
    reason why there is no result.
    """
    with tempfile.NamedTemporaryFile("r") as report:
        environment = {
            "LD_LIBRARY_PATH": str(built["stand_in"]),
            "PEERS_NATIVE": str(built["native"]),
            "JACK_STAND_IN_FRAMES": str(frames),
            "JACK_STAND_IN_REPORT": report.name,
        }
        if count:  # Counting takes time, so a run measures either allocations or time.
            environment |= counting(built["count"])
        options = ["--server", "jack", "--frames", frames, "--seconds", seconds]
        seen = measuring.run(name, environment, *options, *(["--fill"] if fill else []))
        words = report.read().split()
    if seen.failed or not words:
        return seen.failed or "nothing was reported"
    blocks, ns, allocations = map(int, words)
    return ns / blocks / 1e3, allocations / blocks


def table(built: dict[str, Path], seconds: float, runs: int) -> list[list[str]]:
    rows = [["", "where", "64, empty", "64, one NumPy fill", "1024, empty", "allocations a block"]]
    cases: list[dict[str, Any]] = [
        {"frames": 64, "fill": False},
        {"frames": 64, "fill": True},
        {"frames": 1024, "fill": False},
    ]
    names = [name for name, kind in clients.ALL.items() if "jack" in kind.servers]
    # Each round measures every library once, so that a change of the machine's speed affects all.
    seen: dict[tuple[str, int], list[float]] = {}
    failed: dict[str, str] = {}
    by_itself: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(runs):
        for fill, times in by_itself.items():
            times.append(alone(fill, seconds))
        for name in names:
            for number, case in enumerate(cases):
                answer = cost(name, built, seconds=seconds, **case)
                if isinstance(answer, str):
                    failed[name] = answer
                else:
                    seen.setdefault((name, number), []).append(answer[0])
    cells = [f"{measuring.median(by_itself[fill]):.2f}" for fill in (False, True)]
    rows.append(["the callback alone", "Python, no library", *cells, "", ""])
    for name in names:
        kind = clients.ALL[name]
        if name in failed:
            rows.append([kind.name, kind.home, failed[name], "", "", ""])
            continue
        cells = [f"{measuring.median(seen[name, number]):.2f}" for number in range(len(cases))]
        if kind.home == "C, no user code":
            cells[1] = ""
        counted = [
            cost(name, built, frames=64, seconds=seconds, fill=fill, count=True)
            for fill in (False, True)
        ]
        both = [f"{answer[1]:.0f}" for answer in counted if not isinstance(answer, str)]
        rows.append([kind.name, kind.home, *cells, " / ".join(both)])
    return rows
