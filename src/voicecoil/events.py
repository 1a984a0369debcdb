"""What happened to a stream while nobody looked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Event"]


@dataclass(frozen=True)
class Event:
    """One thing that happened on the IO thread, posted there without waiting.

    Attributes
    ----------
    kind : {"xrun", "late", "finished"}
        Frames were lost; a cycle took longer than its own sound lasts; the stream ended.
    host_ns : int
        When: host time, ns.
    sample_frames : int
        When: the device's sample time, frames.
    value : int
        xrun: frames lost. late: ns that the cycle took. finished: 0.
    """

    kind: Literal["xrun", "late", "finished"]
    host_ns: int
    sample_frames: int
    value: int
