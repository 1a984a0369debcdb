"""Streams whose input and output are two devices with two clocks.

The input device gets a stream of its own, which fills a ring in C. The output device calls the
stream's engine, and each of its cycles takes its input from the ring, resampled to the output's
clock. See ``core/drift.h``.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from voicecoil import _core
from voicecoil.drivers.protocol import (
    Device,
    Direction,
    Driver,
    DriverStream,
    Latency,
    OpenedFormat,
    OpenRequest,
    ThreadGroup,
    latency_at_rate,
)
from voicecoil.drivers.system_audio import SystemAudio, SystemAudioDevice
from voicecoil.errors import ArgumentError

if TYPE_CHECKING:
    from voicecoil.events import Event

__all__ = [
    "DevicePair",
    "DeviceRequest",
    "one_device",
    "open_stream",
    "pair_of",
    "same_devices",
]

MAX_RATIO = 8  # VC_RESAMPLER_MAX_RATIO
AT_LEAST_S = 0.05  # time for stopping the second device, even if the first one has used it up

# The device that a stream requests. A pair (input, output) is for streams of both directions.
DeviceRequest = (
    str
    | Device
    | SystemAudio
    | tuple[str | Device | SystemAudio | None, str | Device | None]
    | None
)


@dataclass(frozen=True, kw_only=True)
class DevicePair(Device):
    """Two devices that one stream uses: the input of one, and the output of the other.

    Attributes
    ----------
    input, output : Device
        The two devices. The stream runs at the rate of `output`.
    """

    input: Device
    output: Device


def pair_of(input_device: Device, output_device: Device) -> Device:
    """Return the two devices as one, or the device itself if both are the same."""
    if input_device.uid == output_device.uid:
        return output_device
    return DevicePair(
        name=f"{input_device.name} + {output_device.name}",
        uid=f"{input_device.uid} + {output_device.uid}",
        driver=output_device.driver,
        input_channels=input_device.input_channels,
        output_channels=output_device.output_channels,
        samplerate=output_device.samplerate,
        is_default_input=input_device.is_default_input,
        is_default_output=output_device.is_default_output,
        stereo_channels=output_device.stereo_channels,
        input=input_device,
        output=output_device,
    )


def one_device(device: Device, direction: Direction) -> Device:
    """Return the device that a stream uses for a direction: one of a pair, or the only one."""
    if not isinstance(device, DevicePair):
        return device
    return device.input if direction == "input" else device.output


def same_devices(device: Device, listed: Sequence[Device]) -> list[Device]:
    """Return the listed devices that are `device`. A pair is one if both of its devices are.

    The sound of programs is not listed. It is there if the devices beside it are.
    """
    if isinstance(device, SystemAudioDevice):
        beside = [one for one in (device.input, device.output) if one is not None]
        return [device] if all(same_devices(one, listed) for one in beside) else []
    if not isinstance(device, DevicePair):
        return [found for found in listed if found.uid == device.uid]
    return [
        pair_of(first, second)
        for first in same_devices(device.input, listed)
        for second in same_devices(device.output, listed)
    ]


def open_stream(driver: Driver, request: OpenRequest) -> DriverStream:
    """Open a stream on a device of `driver`, or on a pair of its devices."""
    if isinstance(request.device, DevicePair):
        return TwoDeviceStream(driver, request.device, request)
    return driver.open_stream(request)


class TwoDeviceStream:
    """A `DriverStream` whose input and output are two devices.

    Parameters
    ----------
    driver : Driver
    pair : DevicePair
    request : OpenRequest
        Its rate is that of the output. The input runs at its own rate.
    """

    def __init__(self, driver: Driver, pair: DevicePair, request: OpenRequest) -> None:
        with contextlib.ExitStack() as opened:
            self._output = driver.open_stream(replace(request, device=pair.output, input_map=[]))
            opened.callback(self._output.close)
            self._input = driver.open_stream(
                replace(request, device=pair.input, output_map=[], samplerate=None)
            )
            opened.callback(self._input.close)
            self._connect(pair, len(request.input_map))
            opened.pop_all()

    def _connect(self, pair: DevicePair, channels: int) -> None:
        """Makes the input's engine, and the code that passes its frames to the output."""
        inputs, outputs = self._input.opened_format, self._output.opened_format
        ratio = inputs.samplerate / outputs.samplerate
        if ratio > MAX_RATIO:
            raise ArgumentError(
                f"device: {pair.input.name!r} runs at {inputs.samplerate:g} Hz and "
                f"{pair.output.name!r} at {outputs.samplerate:g} Hz; the rate of the input may be "
                f"at most {MAX_RATIO} times that of the output"
            )
        first, second = self._input.clock, self._output.clock
        stepped = first is not None and second is not None and first.stepped and second.stepped
        if first is not second and not stepped:
            raise ArgumentError(
                f"device: {pair.input.name!r} and {pair.output.name!r} have clocks that cannot be "
                'compared; make both virtual devices with clock="real" or clock="stepped"'
            )
        # The latency of a device contains a whole cycle, but perhaps not its longest one.
        longer = inputs.max_period_frames - inputs.latency("input").buffer_frames
        devices = self._scaled(inputs.latency("input")).frames + outputs.latency("output").frames
        self._drift = _core.Drift(
            channels=channels,
            input_rate_hz=inputs.samplerate,
            output_rate_hz=outputs.samplerate,
            input_period_frames=inputs.max_period_frames,
            output_period_frames=outputs.max_period_frames,
            devices_frames=devices + max(0, round(longer / ratio)),
        )
        self._input_engine = _core.Engine(
            self._drift,
            input_channels=channels,
            output_channels=0,
            block_frames=0,
            period_frames=inputs.period_frames or 0,
            samplerate_hz=inputs.samplerate,
            flags=0,
            clock=self._input.clock,
        )
        self._engine: _core.Engine | None = None  # the stream's engine while it runs

    def _scaled(self, latency: Latency) -> Latency:
        """Returns a latency of the input in frames of the output."""
        to_hz = self._output.opened_format.samplerate
        scale = to_hz / self._input.opened_format.samplerate
        return latency_at_rate(latency, to_hz, lambda frames: round(frames * scale))

    def _latency(self, direction: Direction) -> Latency:
        """The latency of one direction. The sum of both is the delay that the C code keeps."""
        output = self._output.opened_format.latency("output")
        if direction == "output":
            return output
        own = self._scaled(self._input.opened_format.latency("input"))
        extra = self._drift.delay_frames - own.frames - output.frames
        return replace(own, lead_frames=own.lead_frames + max(0, extra))

    @property
    def opened_format(self) -> OpenedFormat:
        return replace(self._output.opened_format, latency=self._latency)

    @property
    def clock(self) -> _core.Clock | None:
        return self._output.clock

    @property
    def overloads(self) -> int:
        return self._input.overloads + self._output.overloads

    def start(self, engine: _core.Engine) -> None:
        self._drift.start()
        self._input_engine.start()
        engine.set_input(self._drift)
        self._engine = engine
        self._input.start(self._input_engine)
        try:
            self._output.start(engine)
        except BaseException:
            self._input.stop(AT_LEAST_S)
            raise

    def stop(self, timeout_s: float) -> None:
        until = time.monotonic() + timeout_s
        self._output.stop(timeout_s)
        if self._engine is not None:
            self._engine.set_input(None)
            self._engine = None
        self._input.stop(max(AT_LEAST_S, until - time.monotonic()))
        self._input_engine.end()

    def close(self) -> None:
        try:
            self._output.close()
        finally:
            self._input.close()

    def trouble(self) -> Exception | None:
        return self._output.trouble() or self._input.trouble()

    def look(self) -> None:
        self._output.look()
        self._input.look()

    def workgroup(self) -> ThreadGroup | None:
        return self._output.workgroup()

    def events(self) -> list[Event]:
        return self._input.events() + self._output.events()
