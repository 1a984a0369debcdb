"""A source that repeats another source, and appears as one longer source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from voicecoil.errors import ArgumentError, StreamClosedError
from voicecoil.files.protocol import Source, check_max_frames, check_seek
from voicecoil.resources import resource_errors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["LoopedSource"]

# A pass of at most this many samples (4 MiB) is kept in memory. Without that, a file of one frame
# was read and rewound for each frame, which took 70 % of a core.
_MAX_HELD_SAMPLES = 2**20


class LoopedSource:
    """A source that starts again when it reaches its end.

    The sample rate of a looped sound is converted after the loop, so that the converter gets one
    continuous signal. When each pass was converted separately, there was a click between passes,
    and the errors of rounding each pass to whole frames accumulated.

    Parameters
    ----------
    source : Source
        Read from its present position, then from its start. Closed together with this source.
    loops : int
        Number of passes; 0 means endless.

    Attributes
    ----------
    samplerate, channels : int
    frames : int or None
        Frames of all passes. None if the loop is endless or the source's length is unknown.
    """

    def __init__(self, source: Source, loops: int) -> None:
        self.samplerate = source.samplerate
        self.channels = source.channels
        endless = loops == 0 or source.frames is None
        self.frames: int | None = None if endless else (source.frames or 0) * loops
        self._source = source
        self._loops = self._loops_left = loops
        self._held: NDArray[np.float32] | None = None
        self._held_position = 0
        # Blocks of the present pass. None if the pass did not begin at the start or is too long.
        self._pass: list[NDArray[np.float32]] | None = None
        self._pass_frames = 0
        self._failure: Exception | None = None
        self._closed = False

    @resource_errors("repeat the sound")
    def read(self, max_frames: int) -> NDArray[np.float32]:
        """Return the next frames, float32 of shape ``(n, channels)``; see :class:`Source`."""
        import numpy as np

        wanted = check_max_frames(max_frames)
        if self._closed:
            raise StreamClosedError("this source is closed; open it again")
        blocks = []
        try:
            while wanted > 0 and self._failure is None and len(block := self._next(wanted)):
                blocks.append(block)
                wanted -= len(block)
        except Exception as error:
            self._failure = error
        if not blocks:
            if self._failure is not None:
                raise self._failure
            return np.zeros((0, self.channels), np.float32)
        return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)

    def _next(self, wanted: int) -> NDArray[np.float32]:
        if self._held is not None:
            return self._next_held(wanted)
        block = self._source.read(wanted)
        # If a pass from the start returned no frames, the source is empty and the loop ends.
        while not len(block) and self._loops_left != 1 and self._pass != []:
            self._loops_left -= self._loops_left != 0
            if self._pass:
                import numpy as np

                self._held, self._pass = np.concatenate(self._pass), None
                return self._next_held(wanted)
            self._source.seek(0)
            self._pass, self._pass_frames = [], 0
            block = self._source.read(wanted)
        self._pass_frames += len(block)
        if self._pass is not None:
            self._pass.append(block)
            if self._pass_frames * self.channels > _MAX_HELD_SAMPLES:
                self._pass = None
        return block

    def _next_held(self, wanted: int) -> NDArray[np.float32]:
        import numpy as np

        assert self._held is not None
        length = len(self._held)
        if self._loops_left:
            wanted = min(wanted, length * self._loops_left - self._held_position)
        first = self._held_position % length
        self._held_position += wanted
        return np.take(self._held, np.arange(first, first + wanted) % length, axis=0)

    def seek(self, frame: int) -> None:
        """Go to a frame, counted over all passes. Only 0 is possible if the length is unknown."""
        if self._closed:
            raise StreamClosedError("this source is closed; open it again")
        frame = check_seek(frame, self.frames)
        length = self._source.frames
        if frame and not length:
            raise ArgumentError(f"frame is {frame}; only 0 is possible, the length is not known")
        passes, rest = divmod(frame, length) if length else (0, 0)
        if self._loops and passes == self._loops:
            passes, rest = passes - 1, length or 0
        self._source.seek(rest)
        self._loops_left = self._loops - passes if self._loops else 0
        self._held = self._pass = self._failure = None
        self._held_position = self._pass_frames = 0

    def close(self) -> None:
        """Close this source and the source that it reads. A second call has no effect."""
        self._closed = True
        self._held = self._pass = None
        self._source.close()
