"""What a stream counted."""

from __future__ import annotations

import operator
from array import array
from dataclasses import dataclass
from itertools import accumulate

from voicecoil import _core
from voicecoil.events import Event, from_engine
from voicecoil.sealed import Sealed

__all__ = ["Histogram", "Statistics", "read_statistics"]

FINEST_NS = 8  # durations below have a bucket each; above, each octave has as many


def _bucket_end_ns(bucket: int) -> int:
    """The first duration behind a bucket (core/histogram.h), ns."""
    octave, step = divmod(bucket + 1, FINEST_NS)
    return step if octave == 0 else (FINEST_NS + step) << (octave - 1)


class Histogram(Sealed):
    """How often which duration came; it does not change any more.

    Durations are known to an eighth of their value: what is given is the upper end of a bucket.
    """

    def __init__(self, counts: bytes = b"") -> None:
        self._counts = array("Q", counts)

    @property
    def count(self) -> int:
        """How many there were."""
        return sum(self._counts)

    def quantile_s(self, share: float) -> float:
        """What no more than that share (0 to 1) of them exceeds, s; 0.0 where there were none."""
        wanted = share * self.count
        for bucket, so_far in enumerate(accumulate(self._counts)):
            if so_far >= wanted and so_far > 0:
                return _bucket_end_ns(bucket) / 1e9
        return 0.0

    @property
    def median_s(self) -> float:
        """The median, s."""
        return self.quantile_s(0.5)

    @property
    def p99_s(self) -> float:
        """What one in a hundred exceeds, s."""
        return self.quantile_s(0.99)

    @property
    def max_s(self) -> float:
        """The longest, s."""
        return self.quantile_s(1.0)

    @property
    def min_s(self) -> float:
        """The shortest, s."""
        return self.quantile_s(0.0)

    def buckets(self) -> list[tuple[float, int]]:
        """(the bucket's upper end in s, how many), those that are not empty."""
        return [(_bucket_end_ns(b) / 1e9, n) for b, n in enumerate(self._counts) if n]

    def __sub__(self, earlier: Histogram) -> Histogram:
        """What came since `earlier`, which is an earlier one of the same stream."""
        before = earlier._counts or array("Q", bytes(8 * len(self._counts)))
        return Histogram(array("Q", map(operator.sub, self._counts, before)).tobytes())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Histogram) and self._counts == other._counts

    def __hash__(self) -> int:
        return hash(self._counts.tobytes())

    def __repr__(self) -> str:
        return (
            f"<Histogram of {self.count}: median {self.median_s:.3g} s, 99 % {self.p99_s:.3g} s, "
            f"longest {self.max_s:.3g} s>"
        )


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
    gil_wait, run_time : Histogram
        How long a Python callback waited for the GIL, and how long it then took. Only where the
        device's clock is real; empty for native code.
    margin : Histogram
        What was in reserve in each cycle: ahead of the device, the sound that was ready and not
        played yet (with input alone, the room for more); on the IO thread, what was left of the
        cycle's time. 0: it was too late.
    jitter : Histogram
        How far from its time, either way, each cycle began after the one before.
    latest_xruns : tuple of Event
        The newest 1,000, oldest first.
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
    gil_wait: Histogram
    run_time: Histogram
    margin: Histogram
    jitter: Histogram
    latest_xruns: tuple[Event, ...]


def read_statistics(
    engine: _core.Engine, code: object, worker: _core.Worker | None, overloads: int
) -> Statistics:
    """All that the parts of a stream have counted."""
    raw = engine.statistics()
    for name in ("output_time", "input_time"):
        raw.pop(name)
    busy_ns, busy_max_ns = raw.pop("busy_ns"), raw.pop("busy_max_ns")
    waits, runs = code.timings() if isinstance(code, _core.PythonCode) else (b"", b"")
    return Statistics(
        **raw,
        overloads=overloads,
        busy_s=busy_ns / 1e9,
        busy_max_s=busy_max_ns / 1e9,
        gil_wait=Histogram(waits),
        run_time=Histogram(runs),
        margin=Histogram(worker.margins() if worker else engine.timing(_core.TIMING_MARGIN)),
        jitter=Histogram(engine.timing(_core.TIMING_JITTER)),
        latest_xruns=tuple(from_engine(*xrun) for xrun in engine.xruns()),
    )
