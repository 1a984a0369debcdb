"""Opening a stream on a device: its rate, buffer, streams and latencies.

All functions run on the call thread. Setting a property is only a request. It is done when the
new value can be read back.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from voicecoil.drivers.call_thread import QUEUE_S
from voicecoil.drivers.coreaudio import devices
from voicecoil.drivers.coreaudio.devices import DeviceStream
from voicecoil.drivers.coreaudio.hal import INPUT, OUTPUT, Hal, Range
from voicecoil.drivers.coreaudio.status import DEAD
from voicecoil.drivers.protocol import Latency, OpenedFormat, OpenRequest
from voicecoil.errors import DriverError

__all__ = ["Opened", "Timeouts", "rate_is", "really_runs_at", "restore_rate", "set_up"]

_log = logging.getLogger("voicecoil.coreaudio")
POLL_NS = 1_000_000
RESTORING_TRIES = 2  # a rate that is set while the device still changes its rate can be lost
CRYSTAL_ERROR = 1e-3  # greater than any crystal's error, less than the step between two rates
MAX_LATENCY_FRAMES = 1 << 24  # a device's driver that reports more is faulty
MAX_BUFFER_FRAMES = 65_536
ChannelPlace = tuple[int, int]  # AudioBuffer, channel in it


@dataclass(frozen=True)
class Timeouts:
    """Time limits, s.

    Attributes
    ----------
    queue_s : float
        For the wait until a call begins, behind the calls of other streams. The other limits count
        from the beginning of the call.
    call_s : float
        For a call of CoreAudio that does not have to wait.
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


@dataclass(frozen=True)
class Opened:
    """A device that is ready to be started."""

    device: int
    streams: dict[int, list[DeviceStream]]  # by scope (input, output)
    places: dict[int, list[ChannelPlace]]  # by scope: the place of each channel of the stream
    latencies: dict[int, Latency]  # by scope
    opened_format: OpenedFormat
    reported_rate: float  # the nominal rate after opening; some devices run at another one

    def used(self, scope: int) -> list[bool]:
        """For each AudioStream of the device, whether this stream uses it."""
        buffers = {buffer for buffer, _ in self.places[scope]}
        return [stream.buffer in buffers for stream in self.streams[scope]]

    def connector_frames(self, scope: int) -> int:
        """Frames between CoreAudio's time stamps and the connector."""
        way = self.latencies.get(scope)
        return way.device_frames + way.stream_frames if way is not None else 0


def set_up(
    hal: Hal,
    device: int,
    request: OpenRequest,
    timeouts: Timeouts,
    in_use: bool,
    remember_rate: Callable[[float], None],
) -> Opened:
    """Sets the device up, as close to the request as possible.

    Parameters
    ----------
    in_use : bool
        Another stream of this process uses the device, so its rate and buffer are not changed.
    remember_rate : callable
        If another rate is set, it is called with the old rate of the device, Hz. See
        `restore_rate`.
    """
    maps = {INPUT: request.input_map, OUTPUT: request.output_map}
    rate, note = _choose_rate(hal, device, request, timeouts, in_use, remember_rate)
    buffer_frames = _choose_buffer(hal, device, request.block_frames, timeouts, in_use)
    found = {scope: devices.streams(hal, device, scope) for scope in (INPUT, OUTPUT)}
    places = {scope: _places(hal, device, found[scope], maps[scope]) for scope in found}
    varies = hal.has(device, "vfsz")
    longest = max(buffer_frames, hal.u32_or(device, "vfsz", 0)) if varies else buffer_frames
    latencies = {
        scope: _latency(hal, device, scope, found[scope], places[scope], buffer_frames, rate)
        for scope in found
        if maps[scope]
    }
    opened_format = OpenedFormat(
        samplerate=rate,
        period_frames=None if varies else buffer_frames,
        max_period_frames=min(longest, MAX_BUFFER_FRAMES),
        latency=lambda direction: latencies[INPUT if direction == "input" else OUTPUT],
        rate_note=note,
    )
    return Opened(device, found, places, latencies, opened_format, hal.f64(device, "nsrt"))


def _wait(hal: Hal, comes_true: Callable[[], bool], timeout_s: float) -> bool:
    """Waits until `comes_true`, in CoreAudio's host time, so that it works with a simulated one."""
    until = hal.library.now_ns() + int(timeout_s * 1e9)
    while not comes_true():
        if hal.library.now_ns() >= until:
            return False
        hal.library.wait_ns(POLL_NS)
    return True


# ---- rate ----


def rate_is(hal: Hal, device: int, rate: float) -> bool:
    """Whether the device runs at that rate.

    It is enough that the nominal rate or the format of a stream says so, because they do not change
    at the same time.
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
    """Whether the rate that the device measures is `rate`, whatever it reports as nominal."""
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

    The rate of a device holds for the whole system. Without this, a short sound at 44.1 kHz left
    all other programs with that rate. The function waits until the rate has changed, so that the
    next stream does not open with the old one. If the device is gone or refuses, nothing changes.
    If the device reports a rate that is not in `expected`, another program has set it, and it is
    kept. An empty `expected` stands for any rate.
    """
    try:
        if expected and hal.f64(device, "nsrt") not in expected:
            return
        for _ in range(RESTORING_TRIES):
            hal.set_f64(device, "nsrt", rate)
            if _wait(hal, lambda: hal.f64(device, "nsrt") == rate, timeouts.buffer_s):
                return
    except DriverError as error:
        if error.code not in DEAD:
            _log.warning("%s keeps another rate: %s", hal.name_of(device), error)


def _choose_rate(
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
    try:
        hal.set_f64(device, "nsrt", target)
    except DriverError as error:
        if error.code in DEAD:
            raise
        return rate, f"and refused another rate ({error})"
    remember_rate(rate)

    def changed() -> bool:
        # Some devices report the old rate for a long time after a change, some for ever.
        return rate_is(hal, device, target) or really_runs_at(hal, device, target)

    if _wait(hal, changed, timeouts.rate_s):
        return target, note
    return _sane_rate(hal, device), (
        f"and did not change within {timeouts.rate_s:g} s: use samplerate=None, or end what "
        "else uses the device"
    )


def _in_words(offered: Sequence[Range]) -> str:
    return ", ".join(
        f"{one.low:g}" if one.low == one.high else f"{one.low:g} to {one.high:g}" for one in offered
    )


# ---- buffer size ----


def _choose_buffer(
    hal: Hal, device: int, block_frames: int | None, timeouts: Timeouts, in_use: bool
) -> int:
    """Sets the frames per cycle, and returns those that the device has now.

    The size is written even if it does not change, because some devices run no cycles before.
    """
    now = _buffer(hal, device)
    if in_use or not hal.settable(device, "fsiz"):
        return now
    target = now
    if block_frames is not None:
        limits = hal.range(device, "fsz#") if hal.has(device, "fsz#") else Range(now, now)
        # A whole number of blocks, so that blocks end with cycles.
        blocks = max(1, -int(-limits.low // block_frames)) if limits.low > 0 else 1
        target = int(min(max(blocks * block_frames, limits.low), limits.high, MAX_BUFFER_FRAMES))
        target = max(1, target)
    try:
        hal.set_u32(device, "fsiz", target)
    except DriverError as error:
        if error.code in DEAD:
            raise
        return now  # the device refuses another buffer size
    _wait(hal, lambda: _buffer(hal, device) == target, timeouts.buffer_s)
    return _buffer(hal, device)


def _buffer(hal: Hal, device: int) -> int:
    frames = hal.u32(device, "fsiz")
    if not 1 <= frames <= MAX_BUFFER_FRAMES:
        raise DriverError(
            f"{hal.name_of(device)} says that its buffer has {frames} frames; choose another "
            "device",
            call="AudioObjectGetPropertyData",
        )
    return frames


# ---- channels and latencies ----


def _places(
    hal: Hal, device: int, streams: list[DeviceStream], channels: Sequence[int]
) -> list[ChannelPlace]:
    places = []
    for channel in channels:
        for stream in streams:
            if 0 <= channel - stream.first_channel < stream.format.channels:
                places.append((stream.buffer, channel - stream.first_channel))
                break
        else:
            raise DriverError(
                f"{hal.name_of(device)} has no channel {channel} any more; list the devices again",
                call="AudioObjectGetPropertyData",
            )
    return places


def _latency(
    hal: Hal,
    device: int,
    scope: int,
    streams: list[DeviceStream],
    places: list[ChannelPlace],
    buffer_frames: int,
    rate: float,
) -> Latency:
    buffers = {buffer for buffer, _ in places}
    values = {
        "device": hal.u32_or(device, "ltnc", 0, scope),
        "stream": max((s.latency_frames for s in streams if s.buffer in buffers), default=0),
        "safety": hal.u32_or(device, "saft", 0, scope),
    }
    for name, frames in values.items():
        if frames > MAX_LATENCY_FRAMES:
            raise DriverError(
                f"{hal.name_of(device)} says that its {name} latency is {frames} frames; choose "
                "another device",
                call="AudioObjectGetPropertyData",
            )
    return Latency(
        device_frames=values["device"],
        stream_frames=values["stream"],
        safety_frames=values["safety"],
        buffer_frames=buffer_frames,
        samplerate=rate,
    )
