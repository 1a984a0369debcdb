"""Peak and RMS levels of a stream's channels."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from voicecoil._core import Engine

__all__ = ["Level", "decibels", "read_levels"]


def decibels(linear: float) -> float:
    """Return a linear level in dB re full scale; -inf for silence."""
    return 20.0 * math.log10(linear) if linear > 0.0 else -math.inf


class Level(NamedTuple):
    """The level of one channel since the levels were last read.

    Attributes
    ----------
    peak : float
        The largest magnitude, linear; 1.0 is full scale.
    rms : float
        The root mean square, linear.
    """

    peak: float
    rms: float

    @property
    def peak_db(self) -> float:
        """The peak in dB re full scale; -inf for silence."""
        return decibels(self.peak)

    @property
    def rms_db(self) -> float:
        """The root mean square in dB re full scale; -inf for silence."""
        return decibels(self.rms)


def read_levels(engine: Engine) -> tuple[list[Level], list[Level]]:
    """Return (input, output) levels since the last call; empty for engines without `METER`."""
    levels = [Level(peak, math.sqrt(square)) for peak, square in engine.levels()]
    outputs = engine.output_channels
    return levels[outputs:], levels[:outputs]
