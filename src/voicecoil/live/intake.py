"""The reading side of a recorder: takes frames from a history, and counts those that are lost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from voicecoil import _core
from voicecoil.errors import FramesLostError, StreamStateError
from voicecoil.live.line import Line, Taken
from voicecoil.live.recorder_request import RecorderRequest
from voicecoil.live.timeline import TimeLine
from voicecoil.streams.history import HistoryReader, Piece

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Intake"]

READ_S = 5.0  # longest wait for another thread that is reading at the same moment
LEAD_IN_S = 0.1  # frames before the first one of `last` that fill the filter of the conversion
SAFETY_S = 0.02  # distance to the oldest frames, which may be overwritten during a read


class Intake:
    """Takes the frames of one recorder. Any thread may use it, one at a time.

    Parameters
    ----------
    history : History
    limit : int
        Frames of the history that may be unread.
    device_hz, samplerate : float
        The rates of the device, when it was opened, and of the recorder, Hz.
    request : RecorderRequest
    with_reference : callable or None
        Returns the frames of a piece and, in more columns, what was played meanwhile.
    reference_channels : int
        The number of these columns.
    """

    def __init__(
        self,
        history: _core.History,
        limit: int,
        device_hz: float,
        samplerate: float,
        request: RecorderRequest,
        with_reference: Callable[[Piece], NDArray[np.float32]] | None = None,
        reference_channels: int = 0,
    ) -> None:
        self._history = history
        self._limit = limit
        self._device_hz = device_hz
        self._samplerate = samplerate
        self._request = request
        self._with_columns = with_reference or _frames
        self._columns = history.channels + reference_channels
        self.timeline = TimeLine(HistoryReader(history), device_hz, samplerate)
        self._line = self._new_line(0, 0)
        self._lock = threading.Lock()
        self._finished = False  # the last frames were converted
        self.overflow_frames = 0
        self._unraised = 0  # frames of an overflow that has not been raised yet

    def _new_line(self, position: int, device_lost: int) -> Line:
        return Line(self.timeline, position, self._columns, self._with_columns, device_lost)

    @property
    def position(self) -> int:
        """Frames of the history that have been read."""
        return self._line.position

    @property
    def buffered_s(self) -> float:
        """Duration of the frames that have not been taken, s."""
        behind = max(0, self._history.written - self._line.position)
        return self._line.ready / self._samplerate + min(behind, self._limit) / self._device_hz

    @property
    def lost_frames(self) -> int:
        """Frames lost by the device and by overflows, up to the last read."""
        return self._line.device_lost_frames + self.overflow_frames

    def target(self, frames: int) -> int:
        """Return how many frames the history must have before that many can be ready."""
        return self._line.target(frames)

    def gather(self, frames: int, is_over: Callable[[], bool]) -> bool:
        """Convert what has come. Return whether there are enough frames, or none will come.

        Raises
        ------
        FramesLostError
            Frames were dropped, and the program asked for the error.
        """
        over = is_over()  # asked before the frames are read, so that the last ones are found
        with _Reading(self._lock):
            line = self._line
            while line.ready < frames:
                self._drop_oldest(line)
                if not line.pull():
                    break
                self._history.release(line.position)
            if over and line.ready < frames and not self._finished:
                self._finished = True
                line.end()
            self._raise_overflow()
            return over or line.ready >= frames

    def _drop_oldest(self, line: Line) -> None:
        if self._request.on_overflow == "stop":
            return
        behind = self._history.written - line.position
        if behind > self._limit:
            skipped = line.skip_to(line.position + behind - self._limit)
            self.overflow_frames += skipped
            self._unraised += skipped

    def _raise_overflow(self) -> None:
        lost, self._unraised = self._unraised, 0
        if lost and self._request.on_overflow == "raise":
            raise FramesLostError(
                f"{lost} frames were not read within buffer_s={self._request.buffer_s:g} s and "
                "were dropped; read more often, or give a longer buffer_s. The next read goes on "
                "with the oldest frames that are left"
            )

    def take(self, frames: int) -> Taken:
        """Take `frames` frames, or those that are ready."""
        with _Reading(self._lock):
            return self._line.take(frames)

    def last(self, frames: int) -> Taken:
        """Take the newest frames. The next ones that are taken follow them."""
        with _Reading(self._lock):
            written = self.timeline.update()
            epoch = self.timeline.epoch_at(max(0, written - 1))
            lead_in_s = LEAD_IN_S if epoch.ratio != 1 else 0.0
            back = int((frames / self._samplerate + lead_in_s) * epoch.samplerate + 0.5)
            kept = self._history.capacity - int(SAFETY_S * epoch.samplerate)
            first = max(epoch.position, written - back, written - kept)
            first = min(epoch.whole_after(first), written)
            line = self._new_line(first, self.timeline.device_lost(first))
            while line.pull():
                pass
            if self._finished:
                line.end()
            line.drop(max(0, line.ready - frames))
            self._line = line
            return line.take(frames)


def _frames(piece: Piece) -> NDArray[np.float32]:
    return piece.frames


class _Reading:
    """Holds the lock of a recorder's frames. A signal handler cannot wait for it for ever."""

    def __init__(self, lock: threading.Lock) -> None:
        self._lock = lock

    def __enter__(self) -> None:
        if not self._lock.acquire(timeout=READ_S):
            raise StreamStateError("another thread is reading this recorder; read on one thread")

    def __exit__(self, *exc: object) -> None:
        self._lock.release()
