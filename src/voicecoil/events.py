"""What happened to a stream while nobody looked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from voicecoil import _core

__all__ = ["CAUSES", "Cause", "Event", "failed", "from_engine", "with_overloads"]

Cause = Literal["device", "blocks", "waiting", "callback", "worker"]
CAUSES: tuple[Cause, ...] = ("device", "blocks", "waiting", "callback", "worker")  # vc_cause

OVERLOAD_NS = 1_000_000_000  # how long after an overload its gap can show


@dataclass(frozen=True)
class Event:
    """One thing that happened, on the IO thread (posted there without waiting) or to the device.

    Attributes
    ----------
    kind : str
        "xrun": frames were lost. "late": a cycle took longer than its own sound lasts. "overload",
        "rerouted", "interrupted", "resumed": the audio system said that its IO thread was too late,
        that the stream goes to another device now, that it is interrupted, that it goes on. "lost",
        "back": its device was lost, and it waits for one or has ended; it is on a device again.
        "finished": the stream ended by itself or was stopped.
    host_ns : int
        When: host time, ns.
    sample_frames : int
        When: the device's sample time, frames.
    value : int
        xrun: frames lost. late: ns that the cycle took. overload: frames that it cost, the same
        ones that an xrun event tells of; 0: none. Else 0: what a lost device cost is told by the
        xrun event that follows "back".
    detail : str
        lost: what happened. back: the device's name. finished: what the callback raised, in words.
        Else empty.
    cause : str or None
        Of an xrun. "device": the device gave no cycle for these frames. "waiting": the callback
        waited for the GIL, which another thread held. "callback": it was running. "worker": the
        thread that runs it ahead did not get to it, for the machine was busy. "blocks": a duplex
        device broke its promise of whole blocks.
    waited_ns : int
        late: how much of that the callback waited for the GIL.
    exception : BaseException or None
        finished: what the callback raised.
    """

    kind: Literal[
        "xrun", "late", "overload", "rerouted", "interrupted", "resumed", "lost", "back", "finished"
    ]
    host_ns: int
    sample_frames: int
    value: int
    detail: str = ""
    cause: Cause | None = None
    waited_ns: int = 0
    exception: BaseException | None = None


def from_engine(
    kind: int, host_ns: int, sample_frames: int, value: int, cause: int, waited_ns: int
) -> Event:
    """What the engine posted."""
    if kind == _core.EVENT_XRUN:
        return Event("xrun", host_ns, sample_frames, value, cause=CAUSES[cause])
    if kind == _core.EVENT_LATE:
        return Event("late", host_ns, sample_frames, value, waited_ns=waited_ns)
    return Event("finished", host_ns, sample_frames, 0)


def failed(event: Event, error: BaseException) -> Event:
    """The end of a stream whose callback raised."""
    try:
        words = " ".join(f"{type(error).__name__}: {error}".split())
    except Exception:  # of the error's own
        words = type(error).__name__
    return replace(event, detail=words, exception=error)


def with_overloads(events: list[Event], noticed: Iterable[Event]) -> list[Event]:
    """The engine's events and what the control side noticed, oldest first.

    The gap that an overload left shows in the next cycle, as an xrun: the overload is told what it
    cost, and nothing is counted twice.
    """
    xruns = [event for event in events if event.kind == "xrun"]
    told = []
    for event in noticed:
        cost = next(
            (x for x in xruns if 0 <= x.host_ns - event.host_ns < OVERLOAD_NS),
            None,
        )
        if event.kind == "overload" and cost is not None:
            xruns.remove(cost)
            event = replace(event, value=cost.value, sample_frames=cost.sample_frames)
        told.append(event)
    lost, back = ([one.host_ns for one in told if one.kind == kind] for kind in ("lost", "back"))
    away = list(zip(lost, back, strict=False))
    timed = [(event.host_ns, event) for event in told]
    for event in events:
        # No cycle comes in between; but a server that was restarted may tell its first one's time
        # too early.
        ends = (end for begin, end in away if begin < event.host_ns < end)
        timed.append((next(ends, event.host_ns), event))
    return [event for _, event in sorted(timed, key=lambda pair: pair[0])]
