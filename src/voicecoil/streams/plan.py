"""The values that follow from a request and from the device that was opened for it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from voicecoil import _core
from voicecoil.drivers.protocol import Device, Driver, OpenedFormat
from voicecoil.streams.channel_map import StreamChannels
from voicecoil.streams.lead import lead_block_frames
from voicecoil.streams.rate_conversion import (
    Conversion,
    device_block_frames,
    program_block_frames,
)
from voicecoil.streams.request import StreamRequest

__all__ = ["Shape", "StreamPlan", "make_plan", "plan_conversion"]

Shape = tuple[int, int] | None


@dataclass(frozen=True)
class StreamPlan:
    """How a stream runs on the device on which it was opened.

    Attributes
    ----------
    request : StreamRequest
    driver : Driver
    device : Device
        The device on which the stream was opened. It may move to another one later.
    opened_format : OpenedFormat
        The rate, cycles and latency that the device really has.
    places : StreamChannels
        The stream's channels, and the device's channels that they use.
    block_frames : int or None
        Frames of every block; None: a block is as long as the device's cycle.
    clock : Clock or None
        The clock of a device whose time is not the machine's.
    conversion : Conversion or None
        None: the stream and the device have the same rate.
    """

    request: StreamRequest
    driver: Driver
    device: Device
    opened_format: OpenedFormat
    places: StreamChannels
    block_frames: int | None
    clock: _core.Clock | None
    conversion: Conversion | None = None

    @property
    def samplerate(self) -> float:
        """The sample rate of the stream's blocks, Hz."""
        return self.conversion.program_hz if self.conversion else self.opened_format.samplerate

    @property
    def channels(self) -> tuple[int, int]:
        """The number of input and of output channels."""
        return self.places.inputs, self.places.outputs

    @property
    def constant_block_frames(self) -> int | None:
        """Frames of every block; None: they vary with the device's cycles."""
        return self.block_frames or self.opened_format.period_frames

    @property
    def max_block_frames(self) -> int:
        """The largest number of frames that a block can have."""
        if self.conversion is not None:
            return self.conversion.program_frames
        return _core.max_block_frames(self.block_frames or 0, self.opened_format.period_frames or 0)

    @property
    def input_shape(self) -> Shape:
        """Shape (frames, channels) of the memory of an input block; None without input."""
        return (self.max_block_frames, self.places.inputs) if self.places.inputs else None

    @property
    def output_shape(self) -> Shape:
        """Shape (frames, channels) of the memory of an output block; None without output."""
        return (self.max_block_frames, self.places.outputs) if self.places.outputs else None

    @property
    def waited_for(self) -> bool:
        """Whether the device's time is virtual, so that it waits for the callback."""
        return self.clock is not None


def make_plan(
    request: StreamRequest,
    driver: Driver,
    device: Device,
    opened_format: OpenedFormat,
    places: StreamChannels,
    clock: _core.Clock | None,
) -> StreamPlan:
    """Return the plan for `request` and the opened device."""
    frames = request.block_frames
    conversion = None
    if not request.on_io_thread:
        wanted, device_hz = request.samplerate or opened_format.samplerate, opened_format.samplerate
        if wanted != device_hz:
            conversion = _plan_conversion(request, wanted, opened_format, places)
            frames = conversion.program_frames
        else:
            frames = lead_block_frames(frames, opened_format)
    return StreamPlan(
        request, driver, device, opened_format, places, frames, clock, conversion=conversion
    )


def plan_conversion(plan: StreamPlan, opened_format: OpenedFormat) -> Conversion:
    """Return the conversion for a stream that moves to a device.

    The stream has converted before, or the device has another rate.
    """
    made = _plan_conversion(plan.request, plan.samplerate, opened_format, plan.places)
    if not made.is_needed:
        frames = plan.block_frames or made.device_frames
        return replace(made, program_frames=frames, device_frames=frames)
    return replace(made, program_frames=plan.block_frames or made.program_frames)


def _plan_conversion(
    request: StreamRequest, program_hz: float, opened_format: OpenedFormat, places: StreamChannels
) -> Conversion:
    device_hz = opened_format.samplerate
    device_frames = device_block_frames(lead_block_frames(None, opened_format), device_hz)
    return Conversion(
        program_hz,
        device_hz,
        request.block_frames or program_block_frames(device_frames, program_hz, device_hz),
        device_frames,
        request.conversion_quality,
        (places.inputs > 0, places.outputs > 0),
    )
