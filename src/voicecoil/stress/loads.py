"""Loads: work of the rest of a program while it plays.

The benchmarks use these loads, too, so that ``json`` means the same in a benchmark of this library
and in ``voicecoil stress``.
"""

from __future__ import annotations

import gc
import json
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
}
JSON_S = 0.020
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
        "json": lambda: _beside(_json()),
        "gc": lambda: _beside(_gc()),
        "cores": lambda: _cores,
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


def _json() -> Work:
    row: dict[str, object] = {"name": "a" * 20, "values": list(range(20))}
    rows = [row] * 100
    while _taken_s(rows) < JSON_S:
        rows = rows + [row] * 100

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
