"""Opening a stream on a device: its rate, its buffer, its streams, its latencies.

On the control thread. What is set is a request; it has come true when it can be read back.
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
from voicecoil.drivers.protocol import Got, Latency, Wanted
from voicecoil.errors import DriverError

__all__ = ["Opened", "Timeouts", "rate_is", "really_runs_at", "restore_rate", "set_up"]

_log = logging.getLogger("voicecoil.coreaudio")
POLL_NS = 1_000_000
RESTORING_TRIES = 2  # a rate that is set while the device still changes to another one can be lost
CRYSTAL_ERROR = 1e-3  # more than any crystal's, less than between any two rates
MAX_LATENCY_FRAMES = 1 << 24  # more is nonsense from a device's driver
MAX_BUFFER_FRAMES = 65_536
ChannelPlace = tuple[int, int]  # AudioBuffer, channel in it


@dataclass(frozen=True)
class Timeouts:
    """How long is waited for what, s.

    Attributes
    ----------
    queue_s : float
        Until the calls of other streams let a call begin; what follows counts from there.
    call_s : float
        A call of CoreAudio's that has no reason to wait.
    start_s : float
        AudioDeviceStart: Bluetooth takes several seconds.
    first_cycle_s : float
        From there to the first IO cycle; and between any two.
    rate_s, buffer_s : float
        Until a new rate or buffer size can be read back.
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
    streams: dict[int, list[DeviceStream]]  # by scope
    places: dict[int, list[ChannelPlace]]  # by scope: where each channel of the stream is
    latencies: dict[int, Latency]  # by scope
    got: Got
    reported_rate: float  # the nominal one, when all was done: not always what it runs at

    def used(self, scope: int) -> list[bool]:
        """For each stream of the device whether it is wanted."""
        buffers = {buffer for buffer, _ in self.places[scope]}
        return [stream.buffer in buffers for stream in self.streams[scope]]

    def connector_frames(self, scope: int) -> int:
        """Between CoreAudio's time stamps and the connector."""
        way = self.latencies.get(scope)
        return way.device_frames + way.stream_frames if way is not None else 0


def set_up(
    hal: Hal,
    device: int,
    wanted: Wanted,
    timeouts: Timeouts,
    in_use: bool,
    remember_rate: Callable[[float], None],
) -> Opened:
    """Makes the device as wanted, as far as it goes.

    Parameters
    ----------
    in_use : bool
        Another stream of this process has it: its rate and buffer stay as they are.
    remember_rate : callable
        Called with the rate that the device had, Hz, if another one is set; see `restore_rate`.
    """
    maps = {INPUT: wanted.input_map, OUTPUT: wanted.output_map}
    rate, note = _choose_rate(hal, device, wanted, timeouts, in_use, remember_rate)
    buffer_frames = _choose_buffer(hal, device, wanted.block_frames, timeouts, in_use)
    found = {scope: devices.streams(hal, device, scope) for scope in (INPUT, OUTPUT)}
    places = {scope: _places(hal, device, found[scope], maps[scope]) for scope in found}
    varies = hal.has(device, "vfsz")
    longest = max(buffer_frames, hal.u32_or(device, "vfsz", 0)) if varies else buffer_frames
    latencies = {
        scope: _latency(hal, device, scope, found[scope], places[scope], buffer_frames, rate)
        for scope in found
        if maps[scope]
    }
    got = Got(
        samplerate=rate,
        device_frames=0 if varies else buffer_frames,
        max_frames=min(longest, MAX_BUFFER_FRAMES),
        latency=lambda direction: latencies[INPUT if direction == "input" else OUTPUT],
        rate_note=note,
    )
    return Opened(device, found, places, latencies, got, hal.f64(device, "nsrt"))


def _wait(hal: Hal, comes_true: Callable[[], bool], timeout_s: float) -> bool:
    """Waits in host time, so that a device made of a clock can be waited for, too."""
    until = hal.library.now_ns() + int(timeout_s * 1e9)
    while not comes_true():
        if hal.library.now_ns() >= until:
            return False
        hal.library.wait_ns(POLL_NS)
    return True


# ---- rate ----


def rate_is(hal: Hal, device: int, rate: float) -> bool:
    """Whether the device runs at that rate.

    Either the nominal rate or the format of a stream says so: they do not change at the same time.
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
    """Whether the rate that it measures is that one, whatever it reports as nominal."""
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
    """Gives the device the rate back that it had before a stream set another one.

    A rate is the whole system's: without this a short sound at 44.1 kHz left all other programs
    with that rate. Waits until it is there, so that the next stream does not open with the rate
    that is about to go. A device that is gone, or refuses, keeps what it has, and so does one that
    reports none of the rates in `expected`: another program has set that one. Empty: any.
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
    wanted: Wanted,
    timeouts: Timeouts,
    in_use: bool,
    remember_rate: Callable[[float], None],
) -> tuple[float, str]:
    """(the rate that it has now, why it is not the wanted one)"""
    rate = _sane_rate(hal, device)
    note = Got.rate_note
    if wanted.samplerate is None or rate == wanted.samplerate or in_use:
        return rate, note
    offered = devices.rates(hal, device)
    if offered and not any(wanted.samplerate in one for one in offered):
        return rate, f"and offers {_in_words(offered)} Hz: choose one of these, or samplerate=None"
    target = wanted.samplerate
    try:
        hal.set_f64(device, "nsrt", target)
    except DriverError as error:
        if error.code in DEAD:
            raise
        return rate, f"and refused another rate ({error})"
    remember_rate(rate)

    def changed() -> bool:
        # Some devices report the old rate for long after a change, some for ever.
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
    """The frames per cycle that the device has now.

    Written even where nothing else is wanted: there are devices that do not call back before.
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
        return now  # the device keeps its own
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
