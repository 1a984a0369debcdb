"""The time limits of calls to CoreAudio, and the wait until a property has changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from voicecoil.drivers.call_thread import QUEUE_S
from voicecoil.drivers.coreaudio.hal import Hal

__all__ = ["Timeouts", "wait_until"]

POLL_NS = 1_000_000


@dataclass(frozen=True)
class Timeouts:
    """Time limits, s.

    Attributes
    ----------
    queue_s : float
        For the wait until a call begins, behind the calls of other streams. The other limits count
        from the beginning of the call.
    call_s : float
        For a call to CoreAudio that does not have to wait.
    start_s : float
        For AudioDeviceStart. Bluetooth devices take several seconds.
    first_cycle_s : float
        For the time from the start to the first IO cycle, and between two IO cycles.
    rate_s, buffer_s : float
        For the time until a new rate or buffer size can be read back.
    """

    queue_s: float = QUEUE_S
    call_s: float = 10.0
    start_s: float = 15.0
    first_cycle_s: float = 5.0
    rate_s: float = 5.0
    buffer_s: float = 1.0


def wait_until(hal: Hal, comes_true: Callable[[], bool], timeout_s: float) -> bool:
    """Waits until `comes_true()`. Returns false if that takes longer than `timeout_s`.

    The time is CoreAudio's host time, which a simulated CoreAudio can control.
    """
    until = hal.library.now_ns() + int(timeout_s * 1e9)
    while not comes_true():
        if hal.library.now_ns() >= until:
            return False
        hal.library.wait_ns(POLL_NS)
    return True
