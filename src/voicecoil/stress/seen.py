"""Results of one home under one load."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from voicecoil.statistics import Histogram, Statistics

__all__ = ["Cell", "Seen", "Spread", "in_words", "seen_between"]

OWN_CAUSES = ("waiting", "callback")
SLACK_CYCLES = 2  # most cycles between reading the clock and reading the statistics


@dataclass(frozen=True)
class Spread:
    """A distribution of times in seconds. `buckets` are pairs of upper end and count."""

    median_s: float
    p99_s: float
    max_s: float
    buckets: list[tuple[float, int]]

    @classmethod
    def of(cls, histogram: Histogram) -> Spread | None:
        """Return the distribution of a histogram; None if the histogram is empty."""
        if not histogram.count:
            return None
        figures = histogram.median_s, histogram.p99_s, histogram.max_s
        return cls(*figures, buckets=histogram.buckets())


@dataclass(frozen=True)
class Seen:
    """The counters of a stream while the load ran.

    Attributes
    ----------
    samplerate, cycle_frames, lead_frames
        Sample rate in Hz, frames of the device's IO cycles, and the lead in frames.
    asked_frames : int
        Frames that the device requested, according to its clock.
    missed_frames : int
        The part of `asked_frames` that was lost, or that was made by a cycle that took too long.
    xruns, lost_frames, late_cycles : int
        As in `Statistics`.
    urgent : bool or None
        True if the virtual device's thread had real-time priority. None for other devices.
    causes : dict
        Lost frames of each cause, of the newest 1,000 xruns at most.
    gil_wait, run_time, jitter : Spread or None
        None if the home has no such times.
    """

    samplerate: float
    cycle_frames: int
    lead_frames: int
    asked_frames: int
    missed_frames: int
    xruns: int
    lost_frames: int
    late_cycles: int
    urgent: bool | None
    causes: dict[str, int]
    gil_wait: Spread | None
    run_time: Spread | None
    jitter: Spread | None

    @property
    def in_time(self) -> float:
        """Share of the requested frames that were in time, 0 to 1."""
        return 1 - self.missed_frames / self.asked_frames if self.asked_frames else 0.0

    @property
    def was_late(self) -> bool:
        """True if the callback was late, rather than the device or the machine."""
        return self.late_cycles > 0 or any(self.causes.get(cause) for cause in OWN_CAUSES)

    @property
    def share_text(self) -> str:
        """`in_time` in percent, rounded down, so that "100 %" means all frames."""
        if not self.missed_frames:
            return "100 %"
        permille = 1000 * (self.asked_frames - self.missed_frames) // self.asked_frames
        return f"{permille / 10} %"

    @property
    def deadline_s(self) -> float:
        """Longest time that a block may take, s: the lead, or one cycle if there is no lead."""
        return (self.lead_frames or self.cycle_frames) / self.samplerate


def seen_between(
    before: Statistics,
    after: Statistics,
    run_time: Histogram,
    *,
    elapsed_s: float,
    samplerate: float,
    lead_frames: int,
    urgent: bool | None = None,
) -> Seen:
    """Return the difference between two snapshots of a stream's statistics.

    Frames are missed if the stream reports them as lost. They are also missed if no cycle came
    while the clock advanced, because not every audio system reports dropped frames.
    """
    cycles, came = after.cycles - before.cycles, after.frames - before.frames
    cycle_frames = round(came / cycles) if cycles else 0
    lost = after.lost_frames - before.lost_frames
    late = after.late_cycles - before.late_cycles
    by_clock = round(elapsed_s * samplerate)
    gaps = max(0, by_clock - came - SLACK_CYCLES * cycle_frames)
    asked = max(by_clock, came if lead_frames else came + lost)
    known = {(x.host_ns, x.sample_frames) for x in before.latest_xruns}
    causes: Counter[str] = Counter()
    for xrun in after.latest_xruns:
        if (xrun.host_ns, xrun.sample_frames) not in known:
            causes[xrun.cause or "device"] += xrun.value
    return Seen(
        samplerate=samplerate,
        cycle_frames=cycle_frames,
        lead_frames=lead_frames,
        asked_frames=asked,
        missed_frames=min(asked, max(lost, gaps) + late * cycle_frames),
        xruns=after.xruns - before.xruns,
        lost_frames=lost,
        late_cycles=late,
        urgent=urgent,
        causes=dict(causes),
        gil_wait=Spread.of(after.gil_wait - before.gil_wait),
        run_time=Spread.of(run_time),
        jitter=Spread.of(after.jitter - before.jitter),
    )


@dataclass(frozen=True)
class Cell:
    """The result of one home under one load. `failed` is the reason if there is no result."""

    home: str
    load: str
    failed: str | None = None
    seen: Seen | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the cell as in the output of ``voicecoil stress --json``."""
        told = asdict(self)
        if self.seen is not None:
            told["seen"]["in_time"] = self.seen.in_time
        return told

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Cell:
        """Return the cell of a value that `as_json` returned."""
        seen = told.pop("seen")
        if seen is not None:
            seen.pop("in_time")
            for name in ("gil_wait", "run_time", "jitter"):
                seen[name] = seen[name] and Spread(**seen[name])
            told["seen"] = Seen(**seen)
        return cls(**told)


def in_words(cells: Sequence[Cell]) -> list[str]:
    """Return sentences that name the homes without late blocks, and the loads with late blocks."""
    late: dict[str, list[str]] = {}
    skipped: dict[str, list[str]] = {}
    for cell in cells:
        if cell.seen is not None:
            late.setdefault(cell.home, [])
            if cell.seen.was_late:
                late[cell.home].append(cell.load)
            elif cell.seen.missed_frames:
                skipped.setdefault(cell.home, []).append(cell.load)
    if not late:
        return ["Nothing was measured."]
    never = [home for home, loads in late.items() if not loads]
    parts = [f"Homes without late blocks: {', '.join(never) or 'none'}."]
    if some := {home: loads for home, loads in late.items() if loads}:
        parts.append(f"Late blocks: {_under(some)}.")
    if skipped:
        parts.append(
            f"Not in time, though no callback was late: {_under(skipped)}. The machine did not "
            "run the device's thread, or the worker, when it was due."
        )
        if any(cell.seen and cell.seen.urgent is False for cell in cells):
            parts.append(
                "The virtual device's thread has no real-time priority here; on Linux it gets it "
                "as root, or where `ulimit -r` is 50 or more."
            )
    return parts


def _under(loads: dict[str, list[str]]) -> str:
    return "; ".join(f"{home} under {', '.join(names)}" for home, names in loads.items())
