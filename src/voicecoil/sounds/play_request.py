"""The checked arguments of `play` and of `Mixer.play`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self

from voicecoil import _core
from voicecoil.arguments import check_between, check_count, check_gain, check_seconds, shown
from voicecoil.errors import ArgumentError, ArgumentTypeError
from voicecoil.sounds.gain import check_pan

__all__ = ["OnLate", "PlayRequest", "check_rate", "ramp_frames"]

OnLate = Literal["raise", "play", "skip"]
MIN_RATE, MAX_RATE = 0.01, 100.0
MAX_RAMP_FRAMES = 2**32 - 1


def check_rate(rate: Any) -> float:
    """Returns a playback rate."""
    possible = f"{MIN_RATE:g} to {MAX_RATE:g}, such as 2.0 for twice as fast"
    return check_between(rate, "rate", MIN_RATE, MAX_RATE, possible)


def ramp_frames(seconds: float, samplerate: float) -> int:
    """Returns a duration in frames, at most as many as C counts."""
    return min(round(seconds * samplerate), MAX_RAMP_FRAMES)


def _moment(value: Any, name: str, example: str) -> int:
    try:
        if isinstance(value, bool) or int(value) != value:
            raise TypeError
    except (TypeError, ValueError, OverflowError):
        raise ArgumentTypeError(
            f"{name}={shown(value)}; give a whole number of {example}"
        ) from None
    if abs(value) >= 2**62:
        raise ArgumentError(f"{name}={shown(value)}; give less than 2**62")
    return int(value)


def _frame(value: Any, name: str) -> int:
    return check_count(value, name, "a frame of the sound, 0 or more")


@dataclass(frozen=True)
class PlayRequest:
    """What `play` or `Mixer.play` was asked for, in frames and seconds of the sound.

    Attributes
    ----------
    when : int
        One of `_core.WHEN_NEXT`, `WHEN_FRAME` and `WHEN_HOST`.
    at : int
        The frame or the host time; for `in_s` the ns from now on.
    relative : bool
        `at` counts from now on.
    loop_end : int or None
        None: the end of a sound whose length is not known.
    """

    frame_example: ClassVar[str] = "playback.mixer_frame"
    time_example: ClassVar[str] = "playback.now_ns()"

    when: int
    at: int
    relative: bool
    gain: float
    pan: float
    rate: float
    loops: int
    loop_start: int
    loop_end: int | None
    start: int
    fade_in_s: float
    fade_out_s: float
    on_late: OnLate

    @classmethod
    def of(
        cls,
        *,
        at_frame: Any = None,
        at_ns: Any = None,
        in_s: Any = None,
        gain: Any = 1.0,
        pan: Any = 0.0,
        rate: Any = 1.0,
        loops: Any = 1,
        loop_start: Any = 0,
        loop_end: Any = None,
        start: Any = 0,
        fade_in_s: Any = 0.0,
        fade_out_s: Any = 0.0,
        on_late: Any = "raise",
    ) -> Self:
        """Checks the arguments. `within` checks the frames when the sound is known."""
        given = [name for name, value in _times(at_frame, at_ns, in_s) if value is not None]
        if len(given) > 1:
            raise ArgumentError(f"{' and '.join(given)} are given; give one of them")
        if on_late not in ("raise", "play", "skip"):
            raise ArgumentError(f"on_late={shown(on_late)}; give 'raise', 'play' or 'skip'")
        when, at = _core.WHEN_NEXT, 0
        if at_frame is not None:
            example = f"frames, such as {cls.frame_example} + 4800"
            when, at = _core.WHEN_FRAME, _moment(at_frame, "at_frame", example)
        elif at_ns is not None:
            example = f"nanoseconds, such as {cls.time_example} + 100_000_000"
            when, at = _core.WHEN_HOST, _moment(at_ns, "at_ns", example)
        elif in_s is not None:
            when, at = _core.WHEN_HOST, round(check_seconds(in_s, "in_s") * 1e9)
        return cls(
            when=when,
            at=at,
            relative=in_s is not None,
            gain=check_gain(gain),
            pan=check_pan(pan),
            rate=check_rate(rate),
            loops=check_count(loops, "loops", "how often it is played, or 0 for ever"),
            loop_start=_frame(loop_start, "loop_start"),
            loop_end=None if loop_end is None else _frame(loop_end, "loop_end"),
            start=_frame(start, "start"),
            fade_in_s=check_seconds(fade_in_s, "fade_in_s"),
            fade_out_s=check_seconds(fade_out_s, "fade_out_s"),
            on_late=on_late,
        )

    def within(self, frames: int | None) -> Self:
        """Checks the frames for a sound of that length; None: it is not known."""
        given = {"loop_start": self.loop_start, "loop_end": self.loop_end, "start": self.start}
        for name, number in given.items():
            if frames is not None and number is not None and number > frames:
                raise ArgumentError(f"{name}={number}, but the sound has {frames} frames")
        end = frames if self.loop_end is None else self.loop_end
        if end is not None and self.loop_start >= end and frames != 0:
            raise ArgumentError(
                f"the loop from frame {self.loop_start} to {end} is empty; give a later end"
            )
        return replace(self, loop_end=end)


def _times(at_frame: Any, at_ns: Any, in_s: Any) -> list[tuple[str, Any]]:
    return [("at_frame", at_frame), ("at_ns", at_ns), ("in_s", in_s)]
