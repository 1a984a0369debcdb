"""Opening a stream on a device: its rate, buffer, streams and latencies.

All functions run on the call thread. Setting a property is only a request. The change is complete
when the new value can be read back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from voicecoil.drivers.coreaudio import devices
from voicecoil.drivers.coreaudio.buffer_size import MAX_BUFFER_FRAMES, choose_buffer
from voicecoil.drivers.coreaudio.devices import DeviceStream
from voicecoil.drivers.coreaudio.facts import MAX_LATENCY_FRAMES
from voicecoil.drivers.coreaudio.hal import INPUT, OUTPUT, Format, Hal
from voicecoil.drivers.coreaudio.sample_rate import choose_rate
from voicecoil.drivers.coreaudio.settings import Settings, read_settings
from voicecoil.drivers.coreaudio.timeouts import Timeouts
from voicecoil.drivers.protocol import Latency, OpenedFormat, OpenRequest
from voicecoil.errors import DriverError

__all__ = ["Opened", "read_latencies", "set_up"]

ChannelPlace = tuple[int, int]  # index of the AudioBuffer, channel in that buffer


@dataclass(frozen=True)
class Opened:
    """A device that is ready to be started."""

    device: int
    streams: dict[int, list[DeviceStream]]  # the device's AudioStreams of each scope
    places: dict[int, list[ChannelPlace]]  # the place of each stream channel, for each scope
    latencies: dict[int, Latency]  # the latency of each scope that the stream uses; kept current
    opened_format: OpenedFormat
    reported_rate: float  # the nominal rate after opening; some devices run at another one
    settings: Settings  # those at opening

    def used(self, scope: int) -> list[bool]:
        """Returns for each AudioStream of the device whether voicecoil's stream uses it."""
        buffers = {buffer for buffer, _ in self.places[scope]}
        return [not buffers.isdisjoint(stream.buffers) for stream in self.streams[scope]]

    def buffer_formats(self, scope: int) -> list[Format]:
        """Returns the format of each AudioBuffer."""
        return [one.buffer_format for one in self.streams[scope] for _ in one.buffers]

    @property
    def drain_frames(self) -> int:
        """Frames between an IO cycle and the output's connector."""
        return self.latencies[OUTPUT].frames if OUTPUT in self.latencies else 0

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
        Called with the old rate of the device, Hz, if another rate is set. See `restore_rate`.
    """
    maps = {INPUT: request.input_map, OUTPUT: request.output_map}
    rate, note = choose_rate(hal, device, request, timeouts, in_use, remember_rate)
    buffer_frames = choose_buffer(hal, device, request.block_frames, timeouts, in_use)
    found = {scope: devices.streams(hal, device, scope) for scope in (INPUT, OUTPUT)}
    places = {scope: _places(hal, device, scope, found[scope], maps[scope]) for scope in found}
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
    settings = read_settings(hal, device, latencies)
    reported_rate = hal.f64(device, "nsrt")
    return Opened(device, found, places, latencies, opened_format, reported_rate, settings)


def read_latencies(hal: Hal, opened: Opened, buffer_frames: int) -> dict[int, Latency]:
    """Returns the latency that each scope has now. It depends on the data source, for example."""
    found = {}
    for scope, before in opened.latencies.items():
        streams = devices.streams(hal, opened.device, scope)
        places, rate = opened.places[scope], before.samplerate
        found[scope] = _latency(hal, opened.device, scope, streams, places, buffer_frames, rate)
    return found


def _places(
    hal: Hal, device: int, scope: int, streams: list[DeviceStream], channels: Sequence[int]
) -> list[ChannelPlace]:
    places = []
    for channel in channels:
        for stream in streams:
            if (place := stream.place(channel)) is not None:
                devices.check_format(hal, device, scope, stream)
                places.append(place)
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
        "stream": max(
            (s.latency_frames for s in streams if not buffers.isdisjoint(s.buffers)), default=0
        ),
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
