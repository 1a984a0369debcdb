"""Measures players and recorders: writing, clearing, allocations, and waiting tasks."""

from __future__ import annotations

import asyncio
import math
import os
import platform
import statistics
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from measure import compile_c, in_a_process

import voicecoil as vc
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver

CHUNK_S = 0.02
ROUND = 80  # chunks that the queue takes before the device plays them
COUNTED = (Path(__file__).parent / "peers" / "count_allocations.c").read_text()
ALLOCATIONS = """
import ctypes, sys
import numpy as np
import voicecoil as vc
from voicecoil.testing import VirtualDevice, VirtualDriver

kind, cycles = sys.argv[1], int(sys.argv[2])
others = ctypes.CDLL(None).allocations_of_other_threads
others.restype = ctypes.c_uint64
device = VirtualDevice(clock="stepped", frames=64)
driver = VirtualDriver([device])
if kind == "Player":
    live = vc.Player(driver=driver, channels=2, buffer_s=60)
    live.start()
    for number in range(100):
        live.mark(number)
        live.write(np.full((480, 2), 0.1, np.float32))
    live.write(np.zeros((48_000 * 58, 2), np.float32))
else:
    live = vc.Recorder(driver=driver, buffer_s=10).start()
device.step(200)
before = others()
device.step(cycles)
print(others() - before)
live.close()
"""


def stepped(**wanted: Any) -> tuple[VirtualDevice, VirtualDriver]:
    device = VirtualDevice(clock="stepped", frames=64, **wanted)
    return device, VirtualDriver([device])


def write_us(rounds: int, *, dtype: str = "float32", rate: float = 48_000) -> tuple[float, float]:
    """Returns the duration of ``Player.write`` of 20 ms in stereo without waiting, and that of a
    copy of the same chunk into a buffer of the same size, us: medians.

    The device plays the queue between the rounds. The first round is not counted, because the
    memory of the queue is new then.
    """
    device, driver = stepped()
    chunk = np.zeros((int(CHUNK_S * rate), 2), dtype)
    slots = np.zeros((ROUND, *chunk.shape), dtype)
    player = vc.Player(driver=driver, samplerate=rate, channels=2, dtype=dtype, buffer_s=2.0)
    player.start()
    writes, copies = [], []
    for _ in range(1 + rounds):
        for slot in slots:
            began = time.perf_counter_ns()
            player.write(chunk)
            written = time.perf_counter_ns()
            np.copyto(slot, chunk)
            copies.append(time.perf_counter_ns() - written)
            writes.append(written - began)
        device.step(math.ceil(ROUND * CHUNK_S * 48_000 / 64))
    player.close()
    return statistics.median(writes[ROUND:]) / 1e3, statistics.median(copies[ROUND:]) / 1e3


def clear_frames(fade_s: float) -> int:
    """Returns the frames that sound after ``Player.clear`` between two blocks, exactly."""
    device, driver = stepped(latency_frames=(0, 0))
    device.capture()
    player = vc.Player(driver=driver, channels=2)
    player.start()
    player.write(np.full((48_000, 2), 0.5, np.float32))
    device.step(100)
    before = len(device.heard())
    player.clear(fade_s)
    device.step(50)
    after = device.heard()[before:]
    player.close()
    return int(np.flatnonzero(after.any(axis=1)).max(initial=-1)) + 1


def allocations(kind: str, cycles: int, folder: Path) -> int | None:
    """Returns the calls of malloc on all threads but the main one during `cycles` IO cycles of a
    "Player" or "Recorder". None if this system cannot count them, or if another library, such as
    that of a sanitizer, counts them already.
    """
    if platform.libc_ver()[0] != "glibc" or "LD_PRELOAD" in os.environ:
        return None
    counter = compile_c(COUNTED, folder)
    environment = {"LD_PRELOAD": str(counter._name), "PYTHONMALLOC": "malloc"}
    return int(in_a_process(ALLOCATIONS, kind, str(cycles), environment=environment))


def waiting_percent(objects: int, seconds: float, runs: int) -> tuple[float, float]:
    """Returns the processor time of half as many players and recorders each on one device in real
    time, in percent of a core: without waiting tasks, and with one waiting task for each. No task
    gets a mark or a block during this time.
    """

    async def percent() -> float:
        began, used = time.perf_counter(), time.process_time()
        await asyncio.sleep(seconds)
        return 100 * (time.process_time() - used) / (time.perf_counter() - began)

    async def measure() -> tuple[float, float]:
        driver = VirtualDriver([VirtualDevice("Benchmark", frames=512)])
        players = [vc.Player(driver=driver, channels=1) for _ in range(objects // 2)]
        recorders = [
            vc.Recorder(driver=driver, block_s=60, buffer_s=120) for _ in range(objects // 2)
        ]
        for each in (*players, *recorders):
            each.start()
        shares = []
        for _ in range(runs):  # in turn, so that a change of the machine's speed affects both
            alone = await percent()
            tasks = [asyncio.ensure_future(anext(aiter(player.marks()))) for player in players]
            tasks += [asyncio.ensure_future(anext(aiter(recorder))) for recorder in recorders]
            await asyncio.sleep(0.1)  # their beginning is not measured
            shares.append((alone, await percent()))
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for each in (*players, *recorders):
            each.close()
        alone, waiting = map(statistics.median, zip(*shares, strict=True))
        return alone, waiting

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", vc.SilentInputWarning)
        return asyncio.run(measure())
