"""The sample rate of a device: set for a stream, checked, and restored afterwards.

All functions run on the call thread.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from voicecoil.drivers.coreaudio import devices
from voicecoil.drivers.coreaudio.hal import INPUT, OUTPUT, Hal, Range
from voicecoil.drivers.coreaudio.status import DEAD
from voicecoil.drivers.coreaudio.timeouts import Timeouts, wait_until
from voicecoil.drivers.protocol import OpenedFormat, OpenRequest
from voicecoil.errors import DriverError

__all__ = ["RESTORING_TRIES", "choose_rate", "rate_is", "really_runs_at", "restore_rate"]

_log = logging.getLogger("voicecoil.coreaudio")
RESTORING_TRIES = 2  # a rate that is set while the device still changes its rate can be lost
# Two rates that differ by less than this share are the same rate. The error of a crystal is smaller
# than this, and two standard rates differ by more.
CRYSTAL_ERROR = 1e-3


def rate_is(hal: Hal, device: int, rate: float) -> bool:
    """Whether the device runs at that rate.

    It is enough if either the nominal rate or the format of a stream has that rate, because the two
    do not change at the same time.
    """
    if hal.f64(device, "nsrt") == rate:
        return True
    for scope in (OUTPUT, INPUT):
        if hal.has(device, "stm#", scope):
            for stream in hal.ids(device, "stm#", scope)[:1]:
                if hal.format(stream).samplerate == rate:
                    return True
    return False


def really_runs_at(hal: Hal, device: int, rate: float) -> bool:
    """Whether the device measures `rate` as its actual rate, whatever its nominal rate is."""
    if not hal.has(device, "asrt"):
        return False
    return abs(hal.f64(device, "asrt") / rate - 1.0) < CRYSTAL_ERROR


def _sane_rate(hal: Hal, device: int) -> float:
    rate = hal.f64(device, "nsrt")
    if not 1.0 <= rate <= 10_000_000.0:
        raise DriverError(
            f"{hal.name_of(device)} says that it runs at {rate!r} Hz; choose another device",
            call="AudioObjectGetPropertyData",
        )
    return rate


def restore_rate(
    hal: Hal, device: int, rate: float, expected: Sequence[float], timeouts: Timeouts
) -> None:
    """Sets the rate that the device had before a stream set another one.

    The rate of a device applies to the whole system. Without this, a short sound at 44.1 kHz left
    all other programs with that rate. The function waits until the rate has changed, so that the
    next stream finds the restored rate. If the device is gone or refuses, nothing changes. If the
    device reports a rate that is not in `expected`, another program has set that rate, and it is
    kept. An empty `expected` stands for any rate.
    """
    try:
        if expected and hal.f64(device, "nsrt") not in expected:
            return
        for _ in range(RESTORING_TRIES):
            hal.set_f64(device, "nsrt", rate)
            if wait_until(hal, lambda: hal.f64(device, "nsrt") == rate, timeouts.buffer_s):
                return
    except DriverError as error:
        if error.code not in DEAD:
            _log.warning("%s keeps another rate: %s", hal.name_of(device), error)


def choose_rate(
    hal: Hal,
    device: int,
    request: OpenRequest,
    timeouts: Timeouts,
    in_use: bool,
    remember_rate: Callable[[float], None],
) -> tuple[float, str]:
    """Returns (the rate that the device has now, why it is not the requested one)."""
    rate = _sane_rate(hal, device)
    note = OpenedFormat.rate_note
    if request.samplerate is None or rate == request.samplerate or in_use:
        return rate, note
    offered = devices.rates(hal, device)
    if offered and not any(request.samplerate in one for one in offered):
        return rate, f"and offers {_in_words(offered)} Hz: choose one of these, or samplerate=None"
    target = request.samplerate

    def changed() -> bool:
        # Some devices report the old rate for a long time after a change, some for ever.
        return rate_is(hal, device, target) or really_runs_at(hal, device, target)

    # The last stream has just restored another rate, and the device may still be changing to it. It
    # loses a rate that is set meanwhile. If nothing has changed, the rate is set a second time.
    first_s = min(timeouts.buffer_s, timeouts.rate_s)
    for wait_s in (first_s, timeouts.rate_s - first_s):
        if hal.f64(device, "nsrt") == rate:
            try:
                hal.set_f64(device, "nsrt", target)
            except DriverError as error:
                if error.code in DEAD:
                    raise
                return rate, f"and refused another rate ({error})"
            remember_rate(rate)
        if wait_until(hal, changed, wait_s):
            return target, note
    return _sane_rate(hal, device), (
        f"and did not change within {timeouts.rate_s:g} s: use samplerate=None, or end what "
        "else uses the device"
    )


def _in_words(offered: Sequence[Range]) -> str:
    return ", ".join(
        f"{one.low:g}" if one.low == one.high else f"{one.low:g} to {one.high:g}" for one in offered
    )
