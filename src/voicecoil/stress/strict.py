"""The virtual device, made as hard as a sound card."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from voicecoil.drivers.protocol import Driver
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver
from voicecoil.stress.homes import open_home

__all__ = ["running_device"]

PRIORITY = 50  # of SCHED_FIFO


@contextlib.contextmanager
def running_device(uid: str, samplerate: float, frames: int) -> Iterator[tuple[Driver, bool]]:
    """A virtual device that runs; and whether its thread has real-time priority.

    The usual one waits half a second for a cycle that is late, and then catches up. This one loses
    the frames of cycles that begin more than a cycle late. Its thread gets the priority that those
    of sound cards have, where the system lets us: a busy machine is not what is measured.
    """
    device = VirtualDevice(
        "Virtual Device",
        uid=uid,
        samplerate=samplerate,
        frames=frames,
        loopback=False,
        tolerance_s=frames / samplerate,
    )
    driver = VirtualDriver([device])
    others = _threads()
    # Its first stream starts the thread, and this one starts no other.
    first, _ = open_home("native", driver=driver, samplerate=samplerate, blocksize=frames)
    with first:
        urgent = [_hurry(thread) for thread in _threads() - others]
        yield driver, bool(urgent) and all(urgent)
        first.abort()


def _threads() -> set[int]:
    try:
        return {int(thread) for thread in os.listdir("/proc/self/task")}
    except OSError:  # no Linux
        return set()


def _hurry(thread: int) -> bool:
    try:
        os.sched_setscheduler(thread, os.SCHED_FIFO, os.sched_param(PRIORITY))
    except OSError:
        return False
    return True
