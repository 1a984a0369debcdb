"""Reads a ring with gaps. A gap stands for lost frames, or for silence that is not stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from voicecoil import _core

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["MAX_GAPS", "Gap", "RingReader"]

MAX_GAPS = 1024  # most gaps that a ring keeps until they are read

Cause = Literal["device", "buffer", "silence"]
_CAUSES: tuple[Cause, ...] = ("device", "buffer", "silence")  # in the order of vc_gap_cause


@dataclass(frozen=True)
class Gap:
    """Frames that are not in the ring.

    Attributes
    ----------
    frames : int
    cause : {"device", "buffer", "silence"}
        "device": the device lost the frames. "buffer": the ring had no room for the frames.
        "silence": the frames are silence, and none were lost.
    """

    frames: int
    cause: Cause


class RingReader:
    """The consumer of a ring. It returns frames and gaps in order. Only one thread may use it."""

    def __init__(self, ring: _core.Ring, channels: int) -> None:
        self._ring = ring
        self._channels = channels
        self._next: tuple[int, int, int] | None = None

    def read(self, max_frames: int) -> NDArray[np.float32] | Gap | None:
        """Return the next frames or the next gap; None if nothing is ready."""
        import numpy as np

        # This must be read before the check for a gap, because the producer pushes each gap before
        # the frames that follow it.
        ready = self._ring.readable
        if self._next is None:
            self._next = self._ring.take_gap()
        if self._next is not None:
            position, frames, cause = self._next
            before = position - self._ring.total_read
            if before <= 0:
                self._next = None
                return Gap(frames, _CAUSES[cause])
            ready = min(ready, before)
        if ready == 0:
            return None
        block = np.empty((min(ready, max_frames), self._channels), np.float32)
        self._ring.read(block)
        return block
