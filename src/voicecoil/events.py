"""Events: xruns, late cycles, overloads, lost devices and the end of a stream."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from voicecoil import _core

__all__ = ["CAUSES", "Cause", "Event", "failed", "from_engine", "with_overloads"]

Cause = Literal["device", "blocks", "waiting", "callback", "worker"]
# The order is that of the C enum vc_cause.
CAUSES: tuple[Cause, ...] = ("device", "blocks", "waiting", "callback", "worker")

OVERLOAD_NS = 1_000_000_000  # longest time between an overload and the xrun that it caused


@dataclass(frozen=True)
class Event:
    """One event of a stream or of its device.

    The IO thread posts its events to a queue and never waits for a reader.

    Attributes
    ----------
    kind : str
        - "xrun": frames were lost.
        - "late": an IO cycle took longer than the duration of its own frames.
        - "overload": the audio system reports that its IO thread was too late.
        - "rerouted": the audio system has moved the stream to another device.
        - "interrupted": the audio system has interrupted the stream.
        - "resumed": the stream continues after an interruption.
        - "lost": the stream lost its device. It waits for a device, or has ended.
        - "back": the stream runs on a device again.
        - "changed": a setting of the device was changed, such as its data source or the length of
          its IO cycles. The stream continues.
        - "silent": the input has given nothing but exact zeros for 2 s.
        - "lead": the lead has grown, because the callback was late (docs/latency.md).
        - "finished": the stream ended by itself or was stopped.
    host_ns : int
        Host time of the event, ns.
    sample_frames : int
        The device's sample time at the event, frames.
    value : int
        xrun: frames lost. late: duration of the cycle, ns. overload: frames lost by the overload,
        or 0; an xrun event reports the same frames. lead: the new lead, frames. 0 for all other
        kinds. After the loss of a device, the xrun event after "back" has the lost frames.
    detail : str
        lost: the reason. changed: the setting, and its old and new value. silent: the possible
        causes. back: the device's name. finished: the callback's exception as text. Empty for all
        other kinds.
    cause : str or None
        The cause of an xrun, None for all other kinds.

        - "device": the device gave no IO cycle for these frames.
        - "waiting": the callback waited for the GIL, which another thread held.
        - "callback": the callback was still running.
        - "worker": the worker did not get to the callback, because the machine was busy.
        - "blocks": a duplex device promised whole blocks and delivered other block sizes.
    waited_ns : int
        late: the part of `value` in which the callback waited for the GIL, ns.
    exception : BaseException or None
        finished: the exception that the callback raised.
    """

    kind: Literal[
        "xrun",
        "late",
        "overload",
        "rerouted",
        "interrupted",
        "resumed",
        "lost",
        "back",
        "changed",
        "silent",
        "lead",
        "finished",
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
    """Return the event for one entry of the engine's event queue."""
    if kind == _core.EVENT_XRUN:
        return Event("xrun", host_ns, sample_frames, value, cause=CAUSES[cause])
    if kind == _core.EVENT_LATE:
        return Event("late", host_ns, sample_frames, value, waited_ns=waited_ns)
    return Event("finished", host_ns, sample_frames, 0)


def failed(event: Event, error: BaseException) -> Event:
    """Return the "finished" event of a stream whose callback raised `error`."""
    try:
        words = " ".join(f"{type(error).__name__}: {error}".split())
    except Exception:  # the error's own `__str__` can raise anything
        words = type(error).__name__
    return replace(event, detail=words, exception=error)


def with_overloads(events: list[Event], noticed: Iterable[Event]) -> list[Event]:
    """Merge the engine's events with those of the control plane, oldest first.

    The frames that an overload cost are reported as an xrun in the next IO cycle. The overload
    event gets that xrun's number of frames, and each xrun is assigned to one overload at most.
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
        # No IO cycle can happen between "lost" and "back". But a restarted audio server may report
        # a time for its first cycle that is too early. Such an event is sorted behind "back".
        ends = (end for begin, end in away if begin < event.host_ns < end)
        timed.append((next(ends, event.host_ns), event))
    return [event for _, event in sorted(timed, key=lambda pair: pair[0])]
