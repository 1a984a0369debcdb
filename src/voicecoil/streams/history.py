"""Reads the history of a stream: its frames, their times, and the frames that were lost."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from voicecoil import _core

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["HOST_TIME", "SAMPLE_TIME", "HistoryReader", "Piece", "Stamp"]

HOST_TIME, SAMPLE_TIME = 1, 2  # bits of `Stamp.valid`
MAX_STAMPS = 8192


class Stamp(NamedTuple):
    """The times of one frame of a history. See ``vc_stamp`` in ``core/history.h``."""

    position: int
    lost_frames: int
    host_ns: int
    sample_frames: int
    device_frames: int
    samplerate: float
    valid: int

    def is_followed_by(self, later: Stamp) -> bool:
        """Whether the frames between two stamps and those after them follow without a break."""
        passed = later.position - self.position
        return (
            later.lost_frames == self.lost_frames
            and later.samplerate == self.samplerate
            and later.device_frames == self.device_frames + passed
            and later.sample_frames == self.sample_frames + passed
            and later.valid == self.valid
        )

    def host_ns_at(self, position: float) -> float:
        """Return the host time of a position after this stamp, ns."""
        return self.host_ns + (position - self.position) * 1e9 / self.samplerate


@dataclass(frozen=True)
class Piece:
    """Frames of a history that follow each other without a break.

    Attributes
    ----------
    position : int
        Position of the first frame.
    frames : ndarray of float32, shape (frames, channels)
    stamp : Stamp
        The newest stamp at or before the first frame.
    """

    position: int
    frames: NDArray[np.float32]
    stamp: Stamp


class HistoryReader:
    """Reads a history. Only one thread at a time may use it."""

    def __init__(self, history: _core.History) -> None:
        self.history = history
        self.new_stamps: list[Stamp] = []  # those that the newest `update` has found
        self._next_stamp = 0
        self._stamps: deque[Stamp] = deque(maxlen=MAX_STAMPS)
        self._breaks: deque[Stamp] = deque(maxlen=MAX_STAMPS)  # those that begin a new part

    def update(self) -> int:
        """Return the number of frames that can be read, and take the stamps that belong to them."""
        # The history has a frame's stamp before it counts the frame.
        written = self.history.written
        self._next_stamp, found = self.history.stamps(self._next_stamp)
        self.new_stamps = [Stamp(*one) for one in found]
        for stamp in self.new_stamps:
            if not self._stamps or not self._stamps[-1].is_followed_by(stamp):
                self._breaks.append(stamp)
            self._stamps.append(stamp)
        oldest = written - self.history.capacity
        while len(self._stamps) > 1 and self._stamps[1].position <= oldest:
            self._stamps.popleft()
        while len(self._breaks) > 1 and self._breaks[1].position <= oldest:
            self._breaks.popleft()
        return written

    def stamp_at(self, position: int) -> Stamp | None:
        """Return the newest stamp at or before a position. None: the history is empty."""
        for stamp in reversed(self._stamps):
            if stamp.position <= position:
                return stamp
        return self._stamps[0] if self._stamps else None

    @property
    def newest_stamp(self) -> Stamp | None:
        """The newest stamp. None: the history is empty."""
        return self._stamps[-1] if self._stamps else None

    def stamp_at_host(self, host_ns: float) -> Stamp | None:
        """Return the newest stamp at or before a host time, or the oldest one."""
        found: Stamp | None = None
        for stamp in reversed(self._stamps):
            if stamp.valid & HOST_TIME:
                found = stamp
                if stamp.host_ns <= host_ns:
                    break
        return found

    def parts(self, written: int) -> list[tuple[int, int, Stamp]]:
        """Return the parts without a break: first position, end, and the stamp of the first."""
        ends = [stamp.position for stamp in self._breaks][1:]
        return [
            (stamp.position, end, stamp)
            for stamp, end in zip(self._breaks, [*ends, written], strict=True)
        ]

    def part_at(self, position: int) -> tuple[int, float, Stamp]:
        """Return the part of a position, with no end if it is the newest. There must be a stamp."""
        end = float("inf")
        for stamp in reversed(self._breaks):
            if stamp.position <= position:
                return stamp.position, end, stamp
            end = stamp.position
        return self._breaks[0].position, end, self._breaks[0]

    def stamps_between(self, low: float, high: float) -> list[Stamp]:
        """Return the stamps from a position on, and before another one."""
        return [stamp for stamp in self._stamps if low <= stamp.position < high]

    def break_after(self, position: int) -> Stamp | None:
        """Return the first stamp after a position that does not follow from the one before it."""
        found: Stamp | None = None
        for stamp in reversed(self._breaks):
            if stamp.position <= position:
                break
            found = stamp
        return found

    def read(self, position: int, max_frames: int, written: int) -> Piece | None:
        """Read frames up to the next break. None: the first of them was overwritten.

        `written` is the result of `update`, and is greater than `position`.
        """
        import numpy as np

        stamp = self.stamp_at(position)
        assert stamp is not None
        frames = min(max_frames, written - position)
        broken = self.break_after(position)
        if broken is not None:
            frames = min(frames, broken.position - position)
        block = np.empty((frames, self.history.channels), np.float32)
        oldest = self.history.copy(position, block)
        return None if oldest > position else Piece(position, block, stamp)
