"""The rates of a stream that converts: the program's, the device's, and the delay between them."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from voicecoil.arguments import shown
from voicecoil.drivers.protocol import Direction, Latency, latency_at_rate
from voicecoil.errors import ArgumentError
from voicecoil.files.rates import QUALITIES

if TYPE_CHECKING:
    from fractions import Fraction

    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "Conversion",
    "check_quality",
    "device_block_frames",
    "new_resampler",
    "program_block_frames",
]

# A shorter block makes the delay hardly shorter, because the resampler works in steps of 10 ms and
# more. With the 64 frames of a short cycle, the calls would cost more than the conversion.
SHORTEST_BLOCK_S = 0.005
# Frames of the chunks with which the resampler is measured, and the duration of this measurement.
PROBE_FRAMES = 61
PROBE_S = 0.5


def check_quality(quality: Any) -> str:
    """Returns the name of the quality in capitals.

    Raises
    ------
    ArgumentError
        There is no such quality.
    """
    if not isinstance(quality, str) or quality.upper() not in QUALITIES:
        raise ArgumentError(
            f"conversion_quality={shown(quality)}; possible are {', '.join(QUALITIES)}, from the "
            "shortest delay to the least noise"
        )
    return quality.upper()


class _Unchanged:
    """In place of a `soxr.ResampleStream` if both rates are the same."""

    def resample_chunk(self, frames: NDArray[np.float32], last: bool = False) -> Any:
        return frames.copy()


def new_resampler(from_hz: float, to_hz: float, channels: int, quality: str) -> Any:
    """Returns a `soxr.ResampleStream`, whose frames are arrays of float32 with two dimensions."""
    if from_hz == to_hz:
        return _Unchanged()
    import soxr

    return soxr.ResampleStream(from_hz, to_hz, channels, "float32", quality)


@functools.lru_cache(maxsize=32)
def _held_frames(from_hz: float, to_hz: float, quality: str) -> int:
    """Returns the most frames of its result that a resampler keeps back, measured with silence.

    A resampler keeps frames back because it needs the frames that follow, and because it works in
    steps of many frames.
    """
    import numpy as np

    resampler = new_resampler(from_hz, to_hz, 1, quality)
    silence = np.zeros((PROBE_FRAMES, 1), np.float32)
    ratio, given, made, most = to_hz / from_hz, 0, 0, 0.0
    while given < PROBE_S * from_hz:
        made += len(resampler.resample_chunk(silence))
        given += PROBE_FRAMES
        most = max(most, given * ratio - made)
    return math.ceil(most + PROBE_FRAMES * ratio) + 1


@dataclass(frozen=True)
class Conversion:
    """The conversion between a program and a device with another rate.

    The program's frame n is the device's frame ``n * step_device / step_program``.

    Both rates are the same if a stream that has converted is on a device with its own rate again.
    Blocks of the device are then blocks of the program, without a delay.

    Attributes
    ----------
    program_hz, device_hz : float
    program_frames : int
        Frames of each block of the program.
    device_frames : int
        Frames of each block of the device.
    quality : str
    directions : (bool, bool)
        Whether the stream has input, and output.
    """

    program_hz: float
    device_hz: float
    program_frames: int
    device_frames: int
    quality: str
    directions: tuple[bool, bool]

    # The converter reads it several times for each block, and two fractions take 10 us to divide.
    @functools.cached_property
    def steps(self) -> tuple[int, int]:
        """The smallest numbers of frames (program, device) that have the same duration."""
        ratio = _exact(self.program_hz) / _exact(self.device_hz)
        return ratio.numerator, ratio.denominator

    @property
    def is_needed(self) -> bool:
        """Whether the rates differ."""
        return self.program_hz != self.device_hz

    @property
    def input_held_frames(self) -> int:
        """The most frames that the input's resampler keeps back, frames of the program."""
        return _held_frames(self.device_hz, self.program_hz, self.quality)

    @property
    def output_held_frames(self) -> int:
        """The most frames that the output's resampler keeps back, frames of the device."""
        return _held_frames(self.program_hz, self.device_hz, self.quality)

    @property
    def duplex_delay_frames(self) -> int:
        """Silence before the output of a stream with both directions, frames of the device.

        With it, the device always finds the output that it needs. So the delay is constant.
        """
        if not self.is_needed:
            return 0
        input_delay = self.input_held_frames + self.program_frames - 1
        return math.ceil(input_delay * self.device_hz / self.program_hz) + self.output_held_frames

    @property
    def latency_frames(self) -> tuple[int, int]:
        """The latency that the conversion adds to the (input, output), frames of the program."""
        has_input, has_output = self.directions
        if not self.is_needed:
            return 0, 0
        if has_input and has_output:
            return 0, math.ceil(self.duplex_delay_frames * self.program_hz / self.device_hz)
        if has_input:
            return self.input_held_frames + self.program_frames, 0
        held = self.output_held_frames * self.program_hz / self.device_hz
        return 0, math.ceil(held) + self.program_frames

    def add_latency(self, latency: Latency, direction: Direction) -> Latency:
        """Returns a latency of the device in frames of the program, with that of the conversion."""
        added = self.latency_frames[0 if direction == "input" else 1]
        latency = latency_at_rate(latency, self.program_hz, self.to_program)
        return replace(latency, conversion_frames=latency.conversion_frames + added)

    def to_program(self, device_frames: int) -> int:
        """Returns the number of the program's frames in that number of the device's, rounded."""
        program, device = self.steps
        return (2 * device_frames * program + device) // (2 * device)


def _exact(rate: float) -> Fraction:
    from fractions import Fraction

    return Fraction(rate).limit_denominator(1000)


def device_block_frames(cycle_frames: int, device_hz: float) -> int:
    """Returns the frames of the device's blocks: one cycle, or several if the cycle is short."""
    return cycle_frames * max(1, math.ceil(SHORTEST_BLOCK_S * device_hz / cycle_frames))


def program_block_frames(device_frames: int, program_hz: float, device_hz: float) -> int:
    """Returns the default frames of the program's blocks: as long as those of the device."""
    return max(1, round(device_frames * program_hz / device_hz))
