"""The blocks that a recorder delivers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["RecordedBlock", "RecordedTime"]


@dataclass(frozen=True)
class RecordedTime:
    """The time of the first frame of a recorded block.

    Attributes
    ----------
    host_ns : int or None
        Host time at which the frame was at the input connector, ns. None: the device gives no host
        times.
    frames : int
        The frame's number on the stream's time line, at the recorder's rate. Lost frames count, so
        all recorders of a microphone with one rate have the same time line.
    """

    host_ns: int | None
    frames: int


@dataclass(frozen=True, eq=False)
class RecordedBlock:
    """Frames that a :class:`Recorder` delivers.

    Attributes
    ----------
    data : ndarray of the recorder's `dtype`, shape (frames, channels)
        An array of the program's own.
    time : RecordedTime
        The time of the first frame.
    lost_frames : int
        Frames that were lost between the block before this one and the end of this one, at the
        recorder's rate.
    reference : ndarray of the recorder's `dtype`, shape (frames, output channels), or None
        What the program's streams, sounds and players gave to the output device for the times of
        `data`, added up, before the volume of the system. None without ``reference=True``.
    """

    data: NDArray[Any]
    time: RecordedTime
    lost_frames: int
    reference: NDArray[Any] | None = None

    @property
    def frames(self) -> int:
        """Number of frames."""
        return len(self.data)

    def __repr__(self) -> str:
        lost = f", {self.lost_frames} lost" if self.lost_frames else ""
        return f"<RecordedBlock of {self.frames} frames at {self.time.frames}{lost}>"
