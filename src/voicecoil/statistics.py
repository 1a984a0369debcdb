"""What a stream counted."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Statistics"]


@dataclass(frozen=True)
class Statistics:
    """A snapshot of a stream's counters; it does not change any more.

    Attributes
    ----------
    cycles : int
        IO cycles while running.
    blocks : int
        Calls of the callback.
    frames : int
        Frames handed to or taken from the callback.
    xruns : int
        Times that frames were lost.
    lost_frames : int
        How many in all.
    late_cycles : int
        Cycles that took longer than their own sound lasts.
    overloads : int
        Times that the audio system said that its IO thread was too late, for whatever reason and in
        whichever program; what the stream lost by it is in `lost_frames`. 0 where it does not say.
    nonfinite_samples : int
        NaN and infinity from the callback, played as silence.
    copied_blocks : int
        Blocks of a ``zero_copy`` stream that had to be copied all the same.
    lost_events : int
        Events that found their queue full.
    load : float
        Time spent in cycles over the time available, smoothed over about 50 cycles; 1.0 is the
        limit.
    busy_s : float
        Time spent in cycles, total, s.
    busy_max_s : float
        Longest cycle, s.
    """

    cycles: int
    blocks: int
    frames: int
    xruns: int
    lost_frames: int
    late_cycles: int
    overloads: int
    nonfinite_samples: int
    copied_blocks: int
    lost_events: int
    load: float
    busy_s: float
    busy_max_s: float
