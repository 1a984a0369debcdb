"""Measures the cost of a mixer's block by sounding and by scheduled voices."""

from __future__ import annotations

import statistics
import time

import numpy as np
from measure import free_device

import voicecoil as vc
from voicecoil.drivers.virtual.driver import VirtualDriver

NEVER = 10**13  # a frame that the free-running device does not reach


def block_us(sounding: int, scheduled: int, seconds: float, rate: float = 1.0) -> float:
    """Returns the processor time of one block of 64 frames in stereo, us, with all of the device's
    and the engine's work: while `sounding` voices repeat a sound, and `scheduled` ones wait.
    """
    sound = vc.Sound(np.full((48_000, 2), 0.001, np.float32), 48_000)
    with vc.Mixer(driver=VirtualDriver([free_device()])) as mixer:
        for number in range(scheduled):
            mixer.play(sound, at_frame=NEVER + number)
        for _ in range(sounding):
            mixer.play(sound, loops=0, rate=rate)
        while mixer.sounding < sounding:
            time.sleep(0.001)
        time.sleep(seconds / 4)  # until the scheduled voices have been taken
        before, used = mixer.stream.statistics().blocks, time.process_time()
        time.sleep(seconds)
        while (blocks := mixer.stream.statistics().blocks) < before + 10:  # a busy machine
            time.sleep(0.001)
        cost = (time.process_time() - used) / (blocks - before) * 1e6
        mixer.close(0)
    return cost


def clip_ns(seconds: float, runs: int, rate: float = 1.0) -> list[float]:
    """Returns what one more sounding voice costs in a block of 64 frames, ns: from 1 to 10 voices,
    from 10 to 100, and from 100 to 1,000.
    """
    counts = (1, 10, 100, 1000)
    seen = [[block_us(count, 0, seconds, rate) for count in counts] for _ in range(runs)]
    costs = [statistics.median(column) for column in zip(*seen, strict=True)]
    pairs = zip(costs, costs[1:], counts, counts[1:], strict=False)
    return [(after - before) / (more - fewer) * 1e3 for before, after, fewer, more in pairs]


def scheduled_us(seconds: float, runs: int) -> list[float]:
    """Returns the cost of a block of 64 frames with 1, 100 and 10,000 scheduled voices, us."""
    counts = (1, 100, 10_000)
    seen = [[block_us(0, count, seconds) for count in counts] for _ in range(runs)]
    return [statistics.median(column) for column in zip(*seen, strict=True)]
