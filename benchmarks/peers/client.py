"""Measures one library once, in a process of its own, and prints the result as JSON.

python client.py NAME --server jack --frames 64 --seconds 5 [--fill] [--times] [--load json]
"""

from __future__ import annotations

import argparse
import ctypes
import importlib
import json
import math
import os
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import clients

from voicecoil.stress import loads

OPENING_S = 10.0


def threads() -> dict[int, int]:
    """Returns the processor time of every thread of this process, ns (Linux)."""
    taken = {}
    for task in Path("/proc/self/task").iterdir():
        try:
            taken[int(task.name)] = int((task / "schedstat").read_text().split()[0])
        except OSError:
            continue
    return taken


def not_audio() -> set[int]:
    """Returns the ids of the threads that play no sound: those that Python started, except the
    thread named "audio".
    """
    known = [t for t in threading.enumerate() if not isinstance(t, threading._DummyThread)]
    return {t.native_id for t in known if t.native_id and t.name != "audio"}


def resident_kib() -> int:
    """Returns the resident memory of this process without shared memory. A client of JACK maps
    100 MiB of the server's memory, which would count otherwise.
    """
    status = Path("/proc/self/status").read_text()
    return sum(int(status.split(name)[1].split()[0]) for name in ("RssAnon:", "RssFile:"))


def wait_for_first(client: clients.Client, times: clients.Times) -> int:
    """Returns the time of the first block, ns.

    This function polls, because a callback that wakes another thread would cost more time.
    """
    until = time.monotonic() + OPENING_S
    while time.monotonic() < until:
        if times.blocks:
            return int(times.began_ns[0])
        if client.blocks():
            return time.perf_counter_ns()
        time.sleep(0.0005)
    raise RuntimeError(f"no block within {OPENING_S:g} s")


def after_connecting_ns(times: clients.Times, connected_ns: int) -> float:
    """Returns the time of the first block that began after the library reported that it
    plays, ns.
    """
    known = times.began_ns[: min(times.blocks, times.capacity)]
    return next((began_ns for began_ns in known if began_ns >= connected_ns), math.nan)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    capacity = int((options.seconds + 20) * clients.RATE / options.frames) + 1000
    times = clients.Times(capacity) if options.times else None
    setting = SimpleNamespace(
        server=options.server,
        frames=options.frames,
        fill=options.fill,
        times=times,
        native=ctypes.CDLL(os.environ["PEERS_NATIVE"]),
    )
    work = loads.prepare(options.load)
    kind = clients.ALL[options.name]
    for module in kind.modules:
        importlib.import_module(module)
    began_ns = time.perf_counter_ns()
    client = kind(setting)
    connected_ns = time.perf_counter_ns()
    if times is None:
        work(options.seconds)
        client.close()
        return {}
    first_ns = wait_for_first(client, times)
    time.sleep(0.3)  # the server needs this time to adapt to the client
    before, blocks = threads(), client.blocks() or times.blocks
    counted = client.counted()
    started_ns = time.perf_counter_ns()
    work(options.seconds)
    after, last = threads(), client.blocks() or times.blocks
    taken_s = (time.perf_counter_ns() - started_ns) / 1e9
    ours = not_audio() | {os.getpid()}
    audio_ns = max((after[t] - before.get(t, 0) for t in after if t not in ours), default=0)
    kib = resident_kib()
    counts = [after - before for before, after in zip(counted, client.counted(), strict=True)]
    client.close()
    seen = slice(blocks, min(last, times.capacity))
    return {
        "opened_ms": (first_ns - began_ns) / 1e6,
        "connected_ms": (after_connecting_ns(times, connected_ns) - began_ns) / 1e6,
        "seconds": taken_s,
        "blocks": last - blocks,
        "xruns": counts[0] if counts else None,
        "frames": counts[1] if counts[1:] else None,
        "lost_frames": counts[2] if counts[1:] else None,
        "program_xruns": counts[3] if counts[3:] else None,
        "audio_us_per_block": audio_ns / 1e3 / max(1, last - blocks),
        "resident_kib": kib,
        "began_ns": times.began_ns[seen] if times.blocks else [],
        "ended_ns": times.ended_ns[seen] if times.blocks else [],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=list(clients.ALL))
    parser.add_argument("--server", default="jack")
    parser.add_argument("--frames", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--fill", action="store_true")
    parser.add_argument("--times", action="store_true")
    parser.add_argument("--load", choices=list(loads.WORDS), default="idle")
    options = parser.parse_args()
    result = measure(options)
    sys.stdout.write(json.dumps(result) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
