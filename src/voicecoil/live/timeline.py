"""The time line of a recorder: its frames, the positions of a history, host times and losses.

The recorder's frame n without losses is an exact position of the history, so that no error
accumulates. The device may change its rate, for example when the stream moves to another device.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from voicecoil.streams.history import HOST_TIME, SAMPLE_TIME, HistoryReader, Stamp

__all__ = ["Epoch", "TimeLine", "rounded"]


def _exact(rate: float) -> Fraction:
    return Fraction(rate).limit_denominator(1000)


@dataclass(frozen=True)
class Epoch:
    """A part of a history in which the device has one rate.

    Attributes
    ----------
    position : int
        First position of the history.
    frame : int
        The recorder's first frame, counted without lost frames.
    samplerate : float
        The device's rate, Hz.
    ratio : Fraction
        Frames of the recorder for each frame of the device.
    device_lost : int
        Frames that the device had lost before, in its own frames.
    lost : Fraction
        The same in frames of the recorder.
    """

    position: int
    frame: int
    samplerate: float
    ratio: Fraction
    device_lost: int
    lost: Fraction

    def frame_at(self, position: int) -> Fraction:
        """Return the recorder's frame at a position."""
        return self.frame + (position - self.position) * self.ratio

    def position_at(self, frame: int) -> float:
        """Return the position of one of the recorder's frames."""
        return self.position + float((frame - self.frame) / self.ratio)

    def whole_after(self, position: int) -> int:
        """Return the first position, from `position` on, that is a whole frame of both."""
        step = self.ratio.denominator
        return self.position + -(-(position - self.position) // step) * step

    def lost_at(self, device_lost: int) -> Fraction:
        """Return the frames that are lost when the device has lost that many, exactly."""
        return self.lost + (device_lost - self.device_lost) * self.ratio


def rounded(frames: Fraction) -> int:
    """Return a number of frames as a whole number. Sums of exact numbers are rounded only once."""
    return math.floor(frames + Fraction(1, 2))


class TimeLine:
    """The time line of a recorder with a rate of its own. Only one thread at a time may use it."""

    def __init__(self, reader: HistoryReader, device_hz: float, recorder_hz: float) -> None:
        self.reader = reader
        self.samplerate = recorder_hz
        self.origin = 0  # the sample time of the first frame
        self._placed = False
        self._epochs = [Epoch(0, 0, device_hz, self._ratio(device_hz), 0, Fraction(0))]

    def _ratio(self, device_hz: float) -> Fraction:
        return _exact(self.samplerate) / _exact(device_hz)

    def update(self) -> int:
        """Return the number of frames of the history, and learn about their times."""
        written = self.reader.update()
        for stamp in self.reader.new_stamps:
            self._learn(stamp)
        return written

    def _learn(self, stamp: Stamp) -> None:
        last = self._epochs[-1]
        if stamp.samplerate != last.samplerate:
            # The losses right before the new rate are counted at the old rate.
            lost = last.lost_at(stamp.lost_frames)
            ratio = self._ratio(stamp.samplerate)
            frame = math.ceil(last.frame_at(stamp.position))
            epoch = Epoch(stamp.position, frame, stamp.samplerate, ratio, stamp.lost_frames, lost)
            if stamp.position == last.position:
                self._epochs.pop()
            self._epochs.append(epoch)
        if not self._placed:
            self._placed = True
            if stamp.valid & SAMPLE_TIME:
                self.origin = rounded(stamp.sample_frames * self._epochs[-1].ratio)

    def epoch_at(self, position: int) -> Epoch:
        """Return the epoch of a position."""
        return next(
            (epoch for epoch in reversed(self._epochs) if epoch.position <= position),
            self._epochs[0],
        )

    def device_lost(self, position: int) -> int:
        """Return the frames that the device had lost before a position, in its own frames."""
        stamp = self.reader.stamp_at(position)
        return 0 if stamp is None else stamp.lost_frames

    def host_ns(self, frame: int) -> int | None:
        """Return the host time of a frame, ns. None: the device gives no host times."""
        found = self._epochs[0]
        for epoch in self._epochs:
            if epoch.frame <= frame:
                found = epoch
        position = found.position_at(frame)
        stamp = self.reader.stamp_at(math.floor(position))
        if stamp is None or not stamp.valid & HOST_TIME:
            return None
        return round(stamp.host_ns_at(position))
