"""The checked arguments of `Mixer.play`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from voicecoil import _core
from voicecoil.arguments import check_count, check_gain, check_seconds, shown
from voicecoil.errors import ArgumentError, ArgumentTypeError
from voicecoil.sounds.gain import RAMP_S, check_pan, sides

__all__ = ["MAX_RATE", "MIN_RATE", "OnLate", "VoiceRequest", "check_rate"]

OnLate = Literal["raise", "play", "skip"]
MIN_RATE, MAX_RATE = 0.01, 100.0
MAX_FRAMES = 2**48
SOME_FRAME = "frames, such as mixer.frame + 4800"
SOME_TIME = "nanoseconds, such as mixer.now_ns() + 100_000_000"
MAX_RAMP_FRAMES = 2**32 - 1


def check_rate(rate: Any) -> float:
    """Returns a playback rate."""
    wrong = isinstance(rate, (bool, str, bytes))
    try:
        value = math.nan if wrong else float(rate)
    except (TypeError, ValueError, OverflowError):
        value = math.nan
    if not MIN_RATE <= value <= MAX_RATE:
        raise ArgumentError(
            f"rate={shown(rate)}; give {MIN_RATE:g} to {MAX_RATE:g}, such as 2.0 for twice as fast"
        )
    return value


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


def _frame(value: Any, name: str, frames: int) -> int:
    number = check_count(value, name, f"a frame of the sound, 0 to {frames}")
    if number > frames:
        raise ArgumentError(f"{name}={number}, but the sound has {frames} frames")
    return number


@dataclass(frozen=True)
class VoiceRequest:
    """What `Mixer.play` was asked for, in frames and seconds of the sound.

    Attributes
    ----------
    when : int
        One of `_core.WHEN_NEXT`, `WHEN_FRAME` and `WHEN_HOST`.
    at : int
        The frame or the host time; for `in_s` the ns from now on.
    relative : bool
        `at` counts from now on.
    """

    when: int
    at: int
    relative: bool
    gain: float
    pan: float
    rate: float
    loops: int
    loop: tuple[int, int]
    start: int
    fade_in_s: float
    fade_out_s: float
    on_late: OnLate

    @classmethod
    def of(
        cls,
        frames: int,
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
    ) -> VoiceRequest:
        """Checks the arguments for a sound with that number of frames."""
        given = [name for name, value in _times(at_frame, at_ns, in_s) if value is not None]
        if len(given) > 1:
            raise ArgumentError(f"{' and '.join(given)} are given; give one of them")
        if on_late not in ("raise", "play", "skip"):
            raise ArgumentError(f"on_late={shown(on_late)}; give 'raise', 'play' or 'skip'")
        when, at = _core.WHEN_NEXT, 0
        if at_frame is not None:
            when, at = _core.WHEN_FRAME, _moment(at_frame, "at_frame", SOME_FRAME)
        elif at_ns is not None:
            when, at = _core.WHEN_HOST, _moment(at_ns, "at_ns", SOME_TIME)
        elif in_s is not None:
            when, at = _core.WHEN_HOST, round(check_seconds(in_s, "in_s") * 1e9)
        first = _frame(loop_start, "loop_start", frames)
        end = frames if loop_end is None else _frame(loop_end, "loop_end", frames)
        if first >= end and frames > 0:
            raise ArgumentError(f"the loop from frame {first} to {end} is empty; give a later end")
        return cls(
            when=when,
            at=at,
            relative=in_s is not None,
            gain=check_gain(gain),
            pan=check_pan(pan),
            rate=check_rate(rate),
            loops=check_count(loops, "loops", "how often it is played, or 0 for ever"),
            loop=(first, end),
            start=_frame(start, "start", frames),
            fade_in_s=check_seconds(fade_in_s, "fade_in_s"),
            fade_out_s=check_seconds(fade_out_s, "fade_out_s"),
            on_late=on_late,
        )

    def voice(
        self, data: Any, scale: float, samplerate: float, group: int, at: int
    ) -> _core.VoiceCode:
        """Makes the voice.

        Parameters
        ----------
        data : ndarray
            The frames at the mixer's rate.
        scale : float
            The mixer's rate divided by that of the sound.
        samplerate : float
            The mixer's rate, Hz.
        group : int
            The number of the group.
        at : int
            When it begins.
        """
        frames = len(data)

        def own(frame: int) -> int:
            return min(round(frame * scale), frames)

        def ramp(seconds: float) -> int:
            return min(round(seconds * samplerate), MAX_RAMP_FRAMES)

        begin, end = (own(frame) for frame in self.loop)
        if begin >= end and self.loops != 1 and frames:
            first, last = self.loop
            raise ArgumentError(
                f"the loop from frame {first} to {last} of the sound has no frames at the mixer's "
                f"{samplerate:g} Hz; give a later loop_end, or loops=1 to play the sound once"
            )
        return _core.VoiceCode(
            data,
            group=group,
            start=own(self.start),
            loop=(min(begin, max(end - 1, 0)), end),
            loops=self.loops if frames else 1,
            fades=(ramp(self.fade_in_s), min(ramp(self.fade_out_s), frames)),
            ramp_frames=ramp(RAMP_S),
            when=self.when,
            at=at,
            skips_late=self.on_late == "skip",
            levels=(self.gain, *sides(self.pan)),
            rate=self.rate,
        )


def _times(at_frame: Any, at_ns: Any, in_s: Any) -> list[tuple[str, Any]]:
    return [("at_frame", at_frame), ("at_ns", at_ns), ("in_s", in_s)]
