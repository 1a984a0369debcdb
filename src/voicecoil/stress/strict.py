"""A virtual device that loses late cycles, as a sound card does."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from voicecoil.drivers.protocol import Driver
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver
from voicecoil.stress.homes import open_home

__all__ = ["running_device"]

PRIORITY = 50  # priority in SCHED_FIFO


@contextlib.contextmanager
def running_device(uid: str, samplerate: float, frames: int) -> Iterator[tuple[Driver, bool]]:
    """Yield the driver of a running virtual device, and whether its thread is real-time.

    The default virtual device tolerates a cycle that is up to half a second late, and then catches
    up. This device loses the frames of cycles that begin more than one cycle late. If the system
    permits it, its thread gets a real-time priority like the threads of sound cards, because a busy
    machine must not affect the measurement.
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
    # The first stream on a device starts the device's thread. A native callback starts no other
    # thread, so that each new thread belongs to the device.
    first, _ = open_home("native", driver=driver, samplerate=samplerate, blocksize=frames)
    with first:
        urgent = [_hurry(thread) for thread in _threads() - others]
        yield driver, bool(urgent) and all(urgent)
        first.abort()


def _threads() -> set[int]:
    try:
        return {int(thread) for thread in os.listdir("/proc/self/task")}
    except OSError:  # the system is not Linux
        return set()


def _hurry(thread: int) -> bool:
    try:
        os.sched_setscheduler(thread, os.SCHED_FIFO, os.sched_param(PRIORITY))
    except OSError:
        return False
    return True
