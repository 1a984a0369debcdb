"""The frames and host times at which sounds begin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from voicecoil import _core
from voicecoil.errors import ArgumentError, TimePassedError
from voicecoil.sounds.play_request import PlayRequest

__all__ = ["Moments"]

MAX_AHEAD_NS = 10**18  # as the limit of `in_s`


class Clock(Protocol):
    """A stream, of which the host time is wanted."""

    def now_ns(self) -> int: ...


class Mixing(Protocol):
    """The code that mixes."""

    @property
    def frames(self) -> int: ...
    @property
    def next_ns(self) -> int: ...


@dataclass(frozen=True)
class Moments:
    """The time line of a mixer, or of the sounds of `play` on a device."""

    clock: Clock
    code: Mixing
    samplerate: float

    def begin_of(self, request: PlayRequest) -> int:
        """Returns the frame or host time at which a sound begins, if it has not passed.

        Raises
        ------
        ArgumentError
            It is 1e9 s from now or later, so it is a time of another clock.
        TimePassedError
            It has passed, and the request does not allow that.
        """
        at = request.at + (self.clock.now_ns() if request.relative else 0)
        if request.when == _core.WHEN_HOST and not request.relative:
            self._refuse_another_clock(at, request.time_example)
        late_s = self._late_s(request.when, at)
        if late_s > 0 and request.on_late == "raise":
            earliest = (
                f"the next frame is {self.code.frames}"
                if request.when == _core.WHEN_FRAME
                else f"a sound can begin {self._ahead_s():.4f} s from now at the earliest"
            )
            raise TimePassedError(
                f"this time has passed by {late_s:.4f} s; {earliest}. Give a later time, or "
                "on_late='play' to begin at once, or on_late='skip' to leave the sound out",
                late_s=late_s,
            )
        return at

    def _refuse_another_clock(self, at_ns: int, example: str) -> None:
        ahead_ns = at_ns - self.clock.now_ns()
        if ahead_ns >= MAX_AHEAD_NS:
            raise ArgumentError(
                f"at_ns={at_ns} is {ahead_ns / 1e9:.0f} s from now; give less than 1e9 s. Count "
                f"from {example}, which is not the clock of time.time_ns()"
            )

    def _late_s(self, when: int, at: int) -> float:
        if when == _core.WHEN_FRAME:
            return max(0, self.code.frames - at) / self.samplerate
        if when == _core.WHEN_HOST:
            late_s = ((self.code.next_ns or self.clock.now_ns()) - at) / 1e9
            return late_s if late_s > 0.5 / self.samplerate else 0.0
        return 0.0

    def _ahead_s(self) -> float:
        return max(0.0, (self.code.next_ns - self.clock.now_ns()) / 1e9)
