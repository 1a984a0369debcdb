"""Loads: work of the rest of a program while it plays.

The benchmarks use these loads, too, so that ``json`` means the same in a benchmark of this library
and in ``voicecoil stress``.
"""

from __future__ import annotations

import gc
import json
import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable

__all__ = ["WORDS", "prepare"]

WORDS = {
    "idle": "idle",
    "main": "a pure-Python loop on the main thread",
    "thread": "a pure-Python loop on a worker thread",
    "json": "json.dumps, about 20 ms each",
    "gc": "gc.collect() of 600,000 objects",
    "cores": "all cores busy, other processes",
    "json110": "json.dumps of about 60,000 small records, about 110 ms each",
}
JSON_S = 0.020
LONG_JSON_S = 0.110
OBJECTS = 600_000
BUSY = "import time\nuntil = time.monotonic() + {}\nwhile time.monotonic() < until: pass"

Work = Callable[[float], None]


def prepare(load: str) -> Work:
    """Prepare a load and return a function that runs it for a number of seconds.

    The returned function must be called on the main thread and blocks until the load ends. Most
    loads do their work on another thread.
    """
    make: dict[str, Callable[[], Work]] = {
        "idle": lambda: time.sleep,
        "main": lambda: _loop,
        "thread": lambda: _beside(_loop),
        "json": lambda: _beside(_json(JSON_S)),
        "gc": lambda: _beside(_gc()),
        "cores": lambda: _cores,
        "json110": lambda: _beside(_records(LONG_JSON_S)),
    }
    return make[load]()


def _loop(seconds: float) -> None:
    until = time.monotonic() + seconds
    number = 0
    while time.monotonic() < until:
        for _ in range(20_000):
            number += 1


def _beside(work: Work) -> Work:
    def run(seconds: float) -> None:
        thread = threading.Thread(target=work, args=(seconds,), name="load")
        thread.start()
        thread.join()

    return run


def _json(duration_s: float) -> Work:
    return _dumps([{"name": "a" * 20, "values": list(range(20))}] * 100, duration_s)


def _records(duration_s: float) -> Work:
    return _dumps([{"id": i, "name": f"record {i}"} for i in range(2_000)], duration_s)


def _dumps(some: list[dict[str, object]], duration_s: float) -> Work:
    """Return work that converts so many copies of `some` at a time that it takes `duration_s`."""
    copies = max(1, math.ceil(duration_s / max(1e-6, _taken_s(some))))
    rows = some * copies
    while _taken_s(rows) < duration_s:
        rows = rows + rows[: len(rows) // 8 + 1]

    def work(seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            json.dumps(rows)

    return work


def _taken_s(rows: list[dict[str, object]]) -> float:
    times = []
    for _ in range(3):
        began = time.perf_counter()
        json.dumps(rows)
        times.append(time.perf_counter() - began)
    return min(times)


def _gc() -> Work:
    keep = [[i] for i in range(OBJECTS)]

    def work(seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            gc.collect()
        keep.clear()

    return work


def _cores(seconds: float) -> None:
    command = [sys.executable, "-c", BUSY.format(seconds)]
    others = [subprocess.Popen(command) for _ in range(os.cpu_count() or 1)]
    for other in others:
        other.wait(seconds + 10)
