"""The relation of the frames of a history to host time, as a line through many stamps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from voicecoil.streams.history import HOST_TIME, Stamp

__all__ = ["ClockFit", "ClockLine", "Stamps"]

WINDOW_S = 3.0  # stamps before and after a position that count
SHORT_S = 0.2  # with stamps of a shorter time, the device's nominal rate is used
AGAIN_S = 0.1  # a line is used for this time before it is computed again
MOST_OFF = 0.002  # largest difference of a clock from its nominal rate


@dataclass(frozen=True)
class ClockLine:
    """A line: `position` is at `host_ns`, and each frame takes `ns_per_frame`."""

    position: float
    host_ns: float
    ns_per_frame: float

    def host_at(self, position: float) -> float:
        """Return the host time of a position, ns."""
        return self.host_ns + (position - self.position) * self.ns_per_frame

    def position_at(self, host_ns: float) -> float:
        """Return the position at a host time."""
        return self.position + (host_ns - self.host_ns) / self.ns_per_frame


class Stamps(Protocol):
    """The times of frames, such as those of a history."""

    def part_at(self, position: int) -> tuple[int, float, Stamp]:
        """Return the part without a break of a position: its begin, its end, its first stamp."""

    def stamps_between(self, low: float, high: float) -> list[Stamp]:
        """Return the stamps from a position on, and before another one."""


class ClockFit:
    """Finds the line for a position. It is smoothed, because host times are not exact."""

    def __init__(self, reader: Stamps) -> None:
        self._reader = reader
        self._line: ClockLine | None = None
        self._begin = 0  # the part for which the line was computed, and where in it
        self._at = 0

    def line_at(self, position: int) -> ClockLine | None:
        """Return the line at a position. None: the device gives no host times."""
        begin, end, stamp = self._reader.part_at(position)
        again = abs(position - self._at) > AGAIN_S * stamp.samplerate
        if self._line is None or begin != self._begin or again:
            near = WINDOW_S * stamp.samplerate
            low, high = max(begin, position - near), min(end, position + near)
            stamps = [
                one for one in self._reader.stamps_between(low, high) if one.valid & HOST_TIME
            ]
            self._line = _fit(stamps or [stamp]) if stamp.valid & HOST_TIME else None
            self._begin, self._at = begin, position
        return self._line


def _fit(stamps: list[Stamp]) -> ClockLine:
    import numpy as np

    nominal = 1e9 / stamps[0].samplerate
    positions = np.array([stamp.position for stamp in stamps], np.float64)
    first_ns = stamps[0].host_ns
    host = np.array([stamp.host_ns - first_ns for stamp in stamps], np.float64)
    middle, middle_ns = float(positions.mean()), float(host.mean())
    slope = nominal
    if (positions[-1] - positions[0]) * nominal >= SHORT_S * 1e9:
        away = positions - middle
        slope = float((away * (host - middle_ns)).sum() / (away * away).sum())
        slope = min(max(slope, nominal * (1 - MOST_OFF)), nominal * (1 + MOST_OFF))
    return ClockLine(middle, first_ns + middle_ns, slope)
