"""Measures players, recorders and mixers: writing, clearing, memory, and waiting tasks."""

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
from measure import ROOT, compile_c, counting, in_a_process

import voicecoil as vc
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver

CHUNK_S = 0.02
ROUND = 80  # chunks that the queue takes before the device plays them
COUNTED = (Path(__file__).parent / "peers" / "count_allocations.c").read_text()
LIVE_MEMORY = ROOT / "tests" / "lives" / "live_memory.py"
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
elif kind == "Mixer":
    live = vc.Mixer(driver=driver)
    live.start()
    sound = vc.Sound(np.full((1000, 2), 0.001, np.float32), 48_000)
    group = live.group()
    voices = [
        group.play(sound, at_frame=live.frame + 640 * n, rate=1 + n % 2, loops=1 + n % 3, pan=0.5)
        for n in range(2000)
    ]
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
    """Returns the calls of malloc on all threads but Python's during `cycles` IO cycles of a
    "Player", "Recorder" or "Mixer". None if this system cannot count them, or if another library,
    such as that of a sanitizer, counts them already.
    """
    if platform.libc_ver()[0] != "glibc" or "LD_PRELOAD" in os.environ:
        return None
    counter = compile_c(COUNTED, folder)
    environment = counting(counter._name)
    return int(in_a_process(ALLOCATIONS, kind, str(cycles), environment=environment))


def growth_bytes(seconds: float) -> int | None:
    """Returns the growth of the memory of a program with a player, a recorder and a mixer, in the
    second half of some seconds of virtual time. None if this system has no /proc.
    """
    if not Path("/proc/self/statm").exists():
        return None
    half, end = in_a_process(LIVE_MEMORY.read_text(), str(seconds)).split()
    return int(end) - int(half)


def wake_ms(frames: int, blocks: int) -> tuple[float, float, float]:
    """Returns the time from the end of a block's last frame until its task runs, ms: the median and
    the 95th percentile of many blocks of one IO cycle; and the duration of the cycle.
    """

    async def measure() -> list[float]:
        device = VirtualDevice("Benchmark", frames=frames)
        late_ms = []
        async with vc.Recorder(driver=VirtualDriver([device]), blocksize=frames) as recorder:
            async for block in recorder:
                end_ns = (block.time.host_ns or 0) + round(frames / recorder.samplerate * 1e9)
                late_ms.append((device.now_ns() - end_ns) / 1e6)
                if len(late_ms) == blocks:
                    return late_ms
        raise AssertionError("the recording has ended")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", vc.SilentInputWarning)
        late_ms = sorted(asyncio.run(measure()))
    return statistics.median(late_ms), late_ms[len(late_ms) * 95 // 100], frames / 48


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
