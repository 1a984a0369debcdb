"""Reads a history from one position on, and converts its frames to the recorder's rate."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from voicecoil.live.timeline import Epoch, TimeLine, rounded
from voicecoil.streams.history import Piece
from voicecoil.streams.rate_conversion import new_resampler

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Line", "Taken"]

CHUNK_FRAMES = 4096  # most frames that are read and converted at a time
QUALITY = "HQ"


@dataclass(frozen=True)
class Taken:
    """Frames that a recorder delivers.

    Attributes
    ----------
    data : ndarray of float32, shape (frames, columns)
    host_ns : int or None
        Host time of the first frame.
    frame : int
        The first frame on the recorder's time line, on which lost frames count.
    lost_frames : int
        Frames lost inside of `data`, and before it since the last frames that were taken.
    """

    data: NDArray[np.float32]
    host_ns: int | None
    frame: int
    lost_frames: int


class _Loss(NamedTuple):
    frame: int  # the frame after the loss, counted without those that the device has lost
    frames: int
    by_device: bool


class Line:
    """The frames of a history from one position on, at the recorder's rate.

    Parameters
    ----------
    timeline : TimeLine
    position : int
        A position that is a whole frame of both rates.
    columns : int
        Columns of the frames.
    with_columns : callable
        Returns the columns for a piece of the history.
    device_lost : int
        The number of frames that the device had lost when the last frames were taken.
    """

    def __init__(
        self,
        timeline: TimeLine,
        position: int,
        columns: int,
        with_columns: Callable[[Piece], NDArray[np.float32]],
        device_lost: int = 0,
    ) -> None:
        self.position = position  # of the next frame of the history
        self.ready = 0  # frames that can be taken
        self._timeline = timeline
        self._columns = columns
        self._with_columns = with_columns
        self._epoch = timeline.epoch_at(position)
        self._resampler: Any = None
        self._chunks: deque[tuple[int, NDArray[np.float32]]] = deque()  # (first frame, frames)
        self._made = int(self._epoch.frame_at(position))  # frame after the last chunk
        self._device_lost = device_lost
        self._passed = _rounded_lost(self._epoch, device_lost)  # losses before the next frame
        self._losses: deque[_Loss] = deque()
        self._ended = False

    @property
    def device_lost_frames(self) -> int:
        """The frames that the device has lost up to the present position."""
        return _rounded_lost(self._epoch, self._device_lost)

    def target(self, frames: int) -> int:
        """Return the position that the history must reach before `frames` frames can be ready.

        A resampler keeps some frames back, so they may be ready later.
        """
        return self.position + max(1, math.ceil((frames - self.ready) / self._epoch.ratio))

    def pull(self) -> bool:
        """Read and convert the next frames. Returns False if there are none yet."""
        written = self._timeline.update()
        if self.position >= written:
            return False
        piece = self._timeline.reader.read(self.position, CHUNK_FRAMES, written)
        if piece is None:  # overwritten: the recorder notices that it is late
            return False
        epoch = self._timeline.epoch_at(self.position)
        if epoch != self._epoch:
            self.finish()
            self._epoch, self._made = epoch, epoch.frame
        self._note_loss(piece)
        self._add(self._with_columns(piece))
        self.position += len(piece.frames)
        return True

    def finish(self) -> None:
        """Give the frames that the resampler has kept back, up to the present position."""
        import numpy as np

        if self._resampler is None:
            return
        end = math.ceil(self._epoch.frame_at(self.position))
        nothing = np.zeros((0, self._columns), np.float32)
        rest = self._resampler.resample_chunk(nothing, True)[: max(0, end - self._made)]
        lacking = np.zeros((end - self._made - len(rest), self._columns), np.float32)
        self._resampler = None
        self._keep(np.concatenate([rest, lacking]))

    def end(self) -> None:
        """Give the last frames, because none will follow."""
        self.finish()
        self._ended = True

    def skip_to(self, position: int) -> int:
        """Leave frames out because the program was late. Returns how many of the recorder's."""
        self.finish()
        self._timeline.update()
        self._epoch = self._timeline.epoch_at(position)
        self.position = self._epoch.whole_after(position)
        frame = int(self._epoch.frame_at(self.position))
        skipped = frame - self._made
        self._losses.append(_Loss(frame, skipped, False))
        self._made = frame
        return skipped

    def _note_loss(self, piece: Piece) -> None:
        count = piece.stamp.lost_frames
        if count > self._device_lost:
            before = _rounded_lost(self._epoch, self._device_lost)
            lost = _rounded_lost(self._epoch, count) - before
            frame = math.ceil(self._epoch.frame_at(self.position))
            self._losses.append(_Loss(frame, lost, True))
            self._device_lost = count

    def _add(self, frames: NDArray[np.float32]) -> None:
        import numpy as np

        if self._epoch.ratio != 1:
            if self._resampler is None:
                to_hz = self._timeline.samplerate
                self._resampler = new_resampler(
                    self._epoch.samplerate, to_hz, self._columns, QUALITY
                )
            if not np.isfinite(frames).all():  # the filter would spread them to other frames
                frames = np.nan_to_num(frames, nan=0.0, posinf=0.0, neginf=0.0)
            frames = self._resampler.resample_chunk(frames)
        self._keep(frames)

    def _keep(self, frames: NDArray[np.float32]) -> None:
        if len(frames):
            self._chunks.append((self._made, frames))
            self.ready += len(frames)
            self._made += len(frames)

    def take(self, frames: int) -> Taken:
        """Take `frames` frames, or those that are ready."""
        import numpy as np

        count = min(frames, self.ready)
        taken: list[NDArray[np.float32]] = []
        first = end = self._chunks[0][0] if self._chunks else self._made
        left = count
        while left:
            frame, chunk = self._chunks.popleft()
            if len(chunk) > left:
                self._chunks.appendleft((frame + left, chunk[left:]))
                chunk = chunk[:left]
            taken.append(chunk)
            left -= len(chunk)
            end = frame + len(chunk)
        self.ready -= count
        lost = self._pass_losses(first + 1) if count else 0
        number = self._timeline.origin + first + self._passed
        lost += self._pass_losses(None if self._ended and not self.ready else end)
        if len(taken) == 1:
            data = np.ascontiguousarray(taken[0])
        else:
            data = np.concatenate([np.zeros((0, self._columns), np.float32), *taken])
        return Taken(data, self._timeline.host_ns(first) if count else None, number, lost)

    def drop(self, frames: int) -> None:
        """Drop the first frames, which are there only to fill the filter of the conversion."""
        if frames:
            self.take(frames)

    def _pass_losses(self, end: int | None) -> int:
        """Take the losses before a frame; None: all. Returns the frames that are lost."""
        lost = 0
        while self._losses and (end is None or self._losses[0].frame < end):
            loss = self._losses.popleft()
            lost += loss.frames
            self._passed += loss.frames if loss.by_device else 0
        return lost


def _rounded_lost(epoch: Epoch, device_lost: int) -> int:
    return rounded(epoch.lost_at(device_lost))
