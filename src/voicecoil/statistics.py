"""Counters and histograms of a stream."""

from __future__ import annotations

import operator
from array import array
from dataclasses import dataclass, fields
from itertools import accumulate

from voicecoil import _core
from voicecoil.events import Event, from_engine
from voicecoil.sealed import Sealed
from voicecoil.wording import rounded

__all__ = ["Histogram", "Statistics", "read_statistics"]

# Each duration below this has its own bucket. Above it, each octave has this number of buckets.
FINEST_NS = 8


def _bucket_end_ns(bucket: int) -> int:
    """Return the exclusive upper end of a bucket of core/histogram.h, ns."""
    octave, step = divmod(bucket + 1, FINEST_NS)
    return step if octave == 0 else (FINEST_NS + step) << (octave - 1)


class Histogram(Sealed):
    """An immutable histogram of durations.

    The resolution is an eighth of the duration. Each result is the upper end of a bucket.
    """

    def __init__(self, counts: bytes = b"") -> None:
        self._counts = array("Q", counts)

    @property
    def count(self) -> int:
        """Number of durations in the histogram."""
        return sum(self._counts)

    def quantile_s(self, share: float) -> float:
        """Return the quantile for `share`, 0 to 1, in seconds; 0.0 if the histogram is empty."""
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
        """The 99th percentile, s."""
        return self.quantile_s(0.99)

    @property
    def max_s(self) -> float:
        """The longest duration, s."""
        return self.quantile_s(1.0)

    @property
    def min_s(self) -> float:
        """The shortest duration, s."""
        return self.quantile_s(0.0)

    def buckets(self) -> list[tuple[float, int]]:
        """Return (upper end in s, count) for each bucket that is not empty."""
        return [(_bucket_end_ns(b) / 1e9, n) for b, n in enumerate(self._counts) if n]

    def __add__(self, other: Histogram) -> Histogram:
        """Return the durations of both histograms."""
        if not self._counts or not other._counts:
            return self if self._counts else other
        return Histogram(array("Q", map(operator.add, self._counts, other._counts)).tobytes())

    def __sub__(self, earlier: Histogram) -> Histogram:
        """Return the durations added since `earlier`, a previous histogram of the same stream."""
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
    """An immutable snapshot of a stream's counters.

    Attributes
    ----------
    cycles : int
        IO cycles while the stream ran.
    blocks : int
        Calls of the callback.
    frames : int
        Frames passed to or taken from the callback.
    xruns : int
        Number of times that frames were lost.
    lost_frames : int
        Total number of frames lost.
    late_cycles : int
        IO cycles that took longer than the duration of their own frames, for example because a
        callback on the IO thread was too slow. A callback on a worker does not make a cycle late:
        see `late_blocks`.
    late_blocks : int
        Number of times that frames were lost because a callback on a worker was late: it waited
        for the GIL, was too slow, or the machine did not run the worker. The xruns with the causes
        "waiting", "callback" and "worker" are the same. 0 if the callback runs on the IO thread.
    overloads : int
        Number of times that the audio system reported that its IO thread was too late, for any
        reason and in any program. The frames that the stream lost are in `lost_frames`. Always 0
        on audio systems that do not report overloads.
    nonfinite_samples : int
        NaN and infinite samples from the callback. They are played as silence.
    clipped_samples : int
        Samples beyond full scale that were clipped when an input block was converted to the
        stream's `dtype`. Always 0 for float32.
    copied_blocks : int
        Blocks of a ``zero_copy`` stream that had to be copied.
    lost_events : int
        Events dropped because their queue was full.
    load : float
        Time spent in IO cycles divided by the time available, smoothed over about 50 cycles. 1.0
        is the limit.
    busy_s : float
        Total time spent in IO cycles, s.
    busy_max_s : float
        Duration of the longest IO cycle, s.
    gil_wait, run_time : Histogram
        Time that a Python callback waited for the GIL, and time that it then ran. Measured only if
        the device's clock is real. Empty for native callbacks.
    margin : Histogram
        Reserve of each IO cycle. If a worker runs the callback ahead of the device, this is the
        duration of the frames that were ready to be played. For a stream that has only input, it
        is the duration of the input for which there was still room. If the callback runs on the IO
        thread, this is the rest of the cycle's time. 0 means that the callback was too late.
    jitter : Histogram
        Absolute difference between the expected and the actual time from one IO cycle to the next.
    latest_xruns : tuple of Event
        The newest 1,000 xruns, oldest first.
    """

    cycles: int
    blocks: int
    frames: int
    xruns: int
    lost_frames: int
    late_cycles: int
    late_blocks: int
    overloads: int
    nonfinite_samples: int
    clipped_samples: int
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

    def _repr_html_(self) -> str:
        from voicecoil.notebook import html_table

        return html_table((), [(f.name, _shown(getattr(self, f.name))) for f in fields(self)])


def _shown(value: object) -> str:
    """Return the value of a counter for a reader."""
    if isinstance(value, Histogram):
        if not value.count:
            return "none"
        return (
            f"median {_duration(value.median_s)}, 99 % {_duration(value.p99_s)}, "
            f"longest {_duration(value.max_s)} ({value.count})"
        )
    if isinstance(value, tuple):
        return f"{len(value)}" + (f", the newest: {value[-1]}" if value else "")
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _duration(seconds: float) -> str:
    """Return a duration in the unit with which the number has no exponent."""
    for unit, parts in (("s", 1), ("ms", 1e3), ("us", 1e6)):
        if seconds * parts >= 1:
            return f"{rounded(seconds * parts, 3)} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def read_statistics(
    engine: _core.Engine, code: object, worker: _core.Worker | None, overloads: int
) -> Statistics:
    """Return a snapshot of the counters of all parts of a stream."""
    raw = engine.statistics()
    for name in ("output_time", "input_time"):
        raw.pop(name)
    busy_ns, busy_max_ns = raw.pop("busy_ns"), raw.pop("busy_max_ns")
    waits, runs, clipped = b"", b"", 0
    if isinstance(code, _core.PythonCode):
        waits, runs = code.timings()
        clipped = code.clipped_samples
    return Statistics(
        **raw,
        overloads=overloads,
        clipped_samples=clipped,
        busy_s=busy_ns / 1e9,
        busy_max_s=busy_max_ns / 1e9,
        gil_wait=Histogram(waits),
        run_time=Histogram(runs),
        margin=Histogram(worker.margins() if worker else engine.timing(_core.TIMING_MARGIN)),
        jitter=Histogram(engine.timing(_core.TIMING_JITTER)),
        latest_xruns=tuple(from_engine(*xrun) for xrun in engine.xruns()),
    )
