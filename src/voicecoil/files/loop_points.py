"""A source that repeats a part of another source, and appears as one longer source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from voicecoil.errors import StreamClosedError
from voicecoil.files.protocol import Source, check_max_frames, check_seek
from voicecoil.resources import resource_errors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["LoopPoints"]

# A loop of at most this many samples (4 MiB) is kept in memory, because going back in a file for
# each pass through a short loop takes more time than reading it.
_MAX_HELD_SAMPLES = 2**20


class LoopPoints:
    """A source in which the frames from `begin` to `end` are played several times.

    Like :class:`LoopedSource`, but the loop need not be the whole source, and the source goes on
    behind it. The source must be able to go to another frame.

    Parameters
    ----------
    source : Source
        Read from its start. Closed together with this source.
    loops : int
        Number of passes through the loop; 0 means endless.
    begin, end : int
        The first frame of the loop, and the one behind its last.

    Attributes
    ----------
    samplerate, channels : int
    frames : int or None
        Frames of everything. None if the loop is endless or the source's length is unknown.
    """

    def __init__(self, source: Source, loops: int, begin: int, end: int) -> None:
        self.samplerate = source.samplerate
        self.channels = source.channels
        self._length = end - begin
        endless = loops == 0 or source.frames is None
        repeated = (loops - 1) * self._length
        self.frames: int | None = None if endless else (source.frames or 0) + repeated
        self._source = source
        self._loops = loops
        self._begin, self._end = begin, end
        self._position = 0  # counted over all passes
        self._moved = True  # the source is not where the next frame is
        self._held: NDArray[np.float32] | None = None
        self._closed = False

    def _place(self, frame: int) -> tuple[int, int | None]:
        """Return a frame of the source, and that at which the way goes back, if it does.

        `frame` counts over all passes.
        """
        passes = 0 if frame < self._end else (frame - self._begin) // self._length
        if self._loops and passes >= self._loops - 1:
            return frame - (self._loops - 1) * self._length, None
        return frame - passes * self._length, self._end

    @resource_errors("repeat the sound")
    def read(self, max_frames: int) -> NDArray[np.float32]:
        """Return the next frames, float32 of shape ``(n, channels)``; see :class:`Source`."""
        import numpy as np

        wanted = check_max_frames(max_frames)
        if self._closed:
            raise StreamClosedError("this source is closed; open it again")
        blocks = []
        while wanted > 0 and len(block := self._next(wanted)):
            blocks.append(block)
            wanted -= len(block)
            self._position += len(block)
        return np.concatenate(blocks) if blocks else np.zeros((0, self.channels), np.float32)

    def _next(self, wanted: int) -> NDArray[np.float32]:
        frame, back_at = self._place(self._position)
        if back_at is None or frame < self._begin:
            before = wanted if back_at is None else self._begin - frame
            return self._read_at(frame, min(wanted, before))
        if (held := self._hold()) is None:
            return self._read_at(frame, min(wanted, back_at - frame))
        first = frame - self._begin
        self._moved = True
        return held[first : first + wanted]

    def _hold(self) -> NDArray[np.float32] | None:
        """Return the whole loop if it is short."""
        if self._held is None and self._length * self.channels <= _MAX_HELD_SAMPLES:
            import numpy as np

            self._source.seek(self._begin)
            # A source of a user may return fewer frames than it has left.
            blocks, missing = [], self._length
            while missing > 0 and len(block := self._source.read(missing)):
                blocks.append(block)
                missing -= len(block)
            self._held = np.concatenate(blocks) if blocks else block
        return self._held

    def _read_at(self, frame: int, frames: int) -> NDArray[np.float32]:
        if self._moved:
            self._source.seek(frame)
        block = self._source.read(frames)
        after, _ = self._place(self._position + len(block))
        self._moved = after != frame + len(block)
        return block

    def seek(self, frame: int) -> None:
        """Go to a frame, counted over all passes."""
        if self._closed:
            raise StreamClosedError("this source is closed; open it again")
        self._position = check_seek(frame, self.frames)
        self._moved = True

    def close(self) -> None:
        """Close this source and the source that it reads. A second call has no effect."""
        self._closed = True
        self._held = None
        self._source.close()
