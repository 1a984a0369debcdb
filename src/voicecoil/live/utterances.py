"""What became of the frames that were written to a player: heard, cleared, or still queued.

The program counts frames at its own rate. The player's queue counts frames of the device, called
positions. An utterance relates both: it begins at a frame and at a position, and a rate converter
that was new at that time makes its frames.
"""

from __future__ import annotations

import math
import threading
from collections import deque

__all__ = ["Timeline", "Utterance"]

ROUNDING = 1e-6  # of a frame; products of frames and a ratio of rates are not exact


class Utterance:
    """Frames that belong together, from the first write to `finish` or to a clear.

    Attributes
    ----------
    begin : int
        Frames that were written before.
    position : int
        The position of its first frame.
    clears : int
        How many clears there were before it.
    frames : int
        Frames that were written.
    made : int
        The positions that they have so far. A rate converter keeps some frames back.
    complete : bool
        All frames have positions.
    cut : int or None
        The position before which its frames were played, although more had been written.
    """

    __slots__ = ("_ratio", "begin", "clears", "complete", "cut", "frames", "made", "position")

    def __init__(self, begin: int, position: int, clears: int, ratio: float) -> None:
        self.begin = begin
        self.position = position
        self.clears = clears
        self.frames = self.made = 0
        self.complete = False
        self.cut: int | None = None
        self._ratio = ratio

    @property
    def end(self) -> int:
        """The position after the last frame that will be played."""
        return self.position + self.made if self.cut is None else self.cut

    @property
    def present(self) -> int:
        """The position that belongs to the end of the frames that were written."""
        return self.position + math.floor(self.frames * self._ratio + ROUNDING)

    def heard(self, passed: int) -> int:
        """Frames that were heard when all frames before the position `passed` were."""
        played = min(passed, self.end) - self.position
        if played <= 0:
            return 0
        if self.cut is None and self.complete and played == self.made:
            return self.frames
        return min(self.frames, math.floor(played / self._ratio + ROUNDING))


def _is_older(clears: int, than: int) -> bool:
    """Compares two numbers of clears, which are counted modulo 2^32."""
    return (clears - than) % 2**32 >= 2**31


class Timeline:
    """The utterances of a player.

    The lock can be taken twice by one thread, because a signal handler may ask for a count.
    """

    def __init__(self, ratio: float) -> None:
        self._ratio = ratio
        self._utterances: deque[Utterance] = deque()
        self._heard = self._cleared = 0  # frames of utterances that are not in the deque any more
        self._cut: int | None = None  # the number of the newest clear that was made
        self.written = 0
        self.lock = threading.RLock()

    def begin(self, position: int, clears: int) -> Utterance:
        """Begins an utterance."""
        one = Utterance(self.written, position, clears, self._ratio)
        with self.lock:
            if self._cut is not None and _is_older(clears, self._cut):
                one.cut = position  # a clear was made while the writer began
            self._utterances.append(one)
        return one

    def add(self, one: Utterance, frames: int, made: int) -> None:
        """Counts frames that were written, and positions that were given to frames."""
        with self.lock:
            one.frames += frames
            one.made += made
            self.written += frames

    def cut(self, clears: int, position: int) -> None:
        """Notes that the clear with the number `clears` was made at a position."""
        with self.lock:
            self._cut = clears
            for one in self._utterances:
                end = one.position + one.made
                played_out = one.complete and position >= end
                if _is_older(one.clears, clears) and one.cut is None and not played_out:
                    # The writer of an open utterance may not have counted its newest frames yet.
                    one.cut = max(one.position, min(position, end) if one.complete else position)

    def heard(self, passed: int) -> int:
        """Frames that were heard when all frames before the position `passed` were."""
        with self.lock:
            self._forget(passed)
            return self._heard + sum(one.heard(passed) for one in self._utterances)

    def cleared(self) -> int:
        """Frames that were cleared."""
        with self.lock:
            return self._cleared + sum(
                one.frames - one.heard(one.cut) for one in self._utterances if one.cut is not None
            )

    def _forget(self, passed: int) -> None:
        """Adds utterances that are over to the sums, so that few are left to look at."""
        while len(self._utterances) > 1:
            first = self._utterances[0]
            if passed < first.end or (first.cut is None and not first.complete):
                return
            heard = first.heard(passed)
            self._heard += heard
            self._cleared += first.frames - heard
            self._utterances.popleft()
