"""What the rest of a program does while it plays."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable

WORDS = {
    "idle": "idle",
    "main": "a pure-Python loop on the main thread",
    "thread": "a pure-Python loop on a worker thread",
    "json": "json.dumps, about 20 ms each",
    "gc": "gc.collect() of 600,000 objects",
    "cores": "all cores busy, other processes",
}


def run(load: str, seconds: float) -> None:
    """Does that on or beside the main thread for so long."""
    {
        "idle": time.sleep,
        "main": _loop,
        "thread": lambda s: _beside(_loop, s),
        "json": lambda s: _beside(_json, s),
        "gc": lambda s: _beside(_gc, s),
        "cores": _cores,
    }[load](seconds)


def _loop(seconds: float) -> None:
    until = time.monotonic() + seconds
    number = 0
    while time.monotonic() < until:
        for _ in range(20_000):
            number += 1


def _beside(work: Callable[[float], None], seconds: float) -> None:
    thread = threading.Thread(target=work, args=(seconds,), name="load")
    thread.start()
    thread.join()


def _json(seconds: float) -> None:
    row = {"name": "a" * 20, "values": list(range(20))}
    rows = [row] * 100
    while _taken(json.dumps, rows) < 0.02:  # about 20 ms on this machine
        rows = rows + [row] * 100
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        json.dumps(rows)


def _taken(work: Callable[[object], object], argument: object) -> float:
    times = []
    for _ in range(3):
        began = time.perf_counter()
        work(argument)
        times.append(time.perf_counter() - began)
    return min(times)


def _gc(seconds: float) -> None:
    keep = [[i] for i in range(600_000)]
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        gc.collect()
    del keep


def _cores(seconds: float) -> None:
    program = (
        f"import time\nuntil = time.monotonic() + {seconds}\nwhile time.monotonic() < until: pass"
    )
    others = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(os.cpu_count() or 1)]
    for other in others:
        other.wait(seconds + 10)
