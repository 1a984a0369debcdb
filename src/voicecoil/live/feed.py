"""The writer's side of a player: it converts chunks and puts them into the queue, without waiting.

All methods are called in a step of the player's `Steps`, except where it is said.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from voicecoil import _core
from voicecoil.live.chunks import as_floats, why_wrong
from voicecoil.live.utterances import Timeline, Utterance
from voicecoil.sample_types import SampleType
from voicecoil.streams.rate_conversion import new_resampler

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Feed"]

STEP_FRAMES = 4096  # frames that are converted at a time, so that few wait outside of the queue


class Feed:
    """Takes frames of the program's rate and type.

    Parameters
    ----------
    code : PlayerCode
    rates : (float, float)
        The rates of the program and of the device, Hz.
    channels : int
    dtype : SampleType
    quality : str
        Of the rate conversion.
    on_begin : callable
        Called before each utterance. It takes the results of the IO thread, so that they never fill
        their queue, however often a program writes and clears.

    Attributes
    ----------
    timeline : Timeline
    ratio : float
        Frames of the device for each frame of the program.
    utterance : Utterance or None
        The one to which the next frames belong. None: they begin another one.
    """

    def __init__(
        self,
        code: _core.PlayerCode,
        rates: tuple[float, float],
        channels: int,
        dtype: SampleType,
        quality: str,
        on_begin: Callable[[], None],
    ) -> None:
        self.code = code
        self.ratio = rates[1] / rates[0]
        self.timeline = Timeline(self.ratio)
        self.utterance: Utterance | None = None
        self._rates = rates
        self._converts = rates[0] != rates[1]
        self._channels = channels
        self._dtype = dtype
        self._quality = quality
        self._on_begin = on_begin
        self._resampler: Any = None
        self._pending: NDArray[np.float32] | None = None  # converted, and not in the queue yet
        self._pushed = 0  # frames of `_pending` that are in the queue

    def examine(self, chunk: Any) -> tuple[Any, int]:
        """Returns a chunk whose memory is contiguous, and its frames. Needs no lock.

        Raises
        ------
        ArgumentError, ArgumentTypeError
            It is no chunk for this player.
        """
        frames = self.code.frames_of(chunk)
        if frames == _core.NOT_PACKED:
            chunk = memoryview(chunk).tobytes()
            frames = self.code.frames_of(chunk)
        if frames < 0:
            raise why_wrong(frames, chunk, self._dtype, self._channels)
        return chunk, frames

    def begin(self) -> Utterance:
        """Returns the open utterance, or begins one."""
        one = self.utterance
        if one is None or one.clears != self.code.clears:
            self._resampler = self._pending = None
            self._on_begin()
            clears = self.code.clears
            one = self.utterance = self.timeline.begin(self.code.written, clears)
            self.code.begin(clears)
        return one

    def prepared(self, chunk: Any) -> Any:
        """Returns a chunk that was examined as `put` takes it. Needs no lock.

        If the rate is converted, these are samples of float32. A long chunk is put in several
        steps, and prepared once.
        """
        return as_floats(chunk, self._dtype, self._channels) if self._converts else chunk

    def put(self, one: Utterance, chunk: Any, begin: int) -> int:
        """Takes frames of a prepared chunk, from the frame `begin` on. Returns how many.

        `one` is the open utterance. If it is cleared meanwhile, the frames that are taken after
        that are cleared, too.
        """
        if self._converts:
            taken = self._convert(one, chunk, begin)
        else:
            taken = self.code.write(chunk, begin)
            self.timeline.add(one, taken, taken)
        return taken

    def put_at_once(self, chunk: Any) -> int:
        """Takes a whole chunk, the usual case. Returns its frames.

        A negative number: it must be examined, converted, or written in parts.
        """
        if self._converts:
            return -1
        one = self.begin()
        frames = self.code.write_all(chunk)
        if frames > 0:
            self.timeline.add(one, frames, frames)
        return frames

    def discard(self, one: Utterance, frames: int) -> None:
        """Counts frames of a chunk that are not played, because the utterance was cleared."""
        self.timeline.add(one, frames, 0)
        self._pending = None

    def push(self) -> bool:
        """Puts converted frames into the queue. Returns whether none are left outside."""
        if self._pending is None:
            return True
        assert self.utterance is not None
        pushed = self.code.write_floats(self._pending, self._pushed)
        self._pushed += pushed
        self.timeline.add(self.utterance, 0, pushed)
        if self._pushed < len(self._pending):
            return False
        self._pending = None
        return True

    @property
    def is_cleared(self) -> bool:
        """Whether the newest utterance was cleared."""
        one = self.utterance
        return one is None or one.clears != self.code.clears

    def _convert(self, one: Utterance, frames: NDArray[np.float32], begin: int) -> int:
        taken = 0
        while self.push() and begin + taken < len(frames):
            step = frames[begin + taken : begin + taken + STEP_FRAMES]
            if self._resampler is None:
                self._resampler = new_resampler(*self._rates, self._channels, self._quality)
            self._keep(self._resampler.resample_chunk(step))
            self.timeline.add(one, len(step), 0)
            taken += len(step)
        return taken

    def _keep(self, converted: NDArray[np.float32]) -> None:
        if len(converted):
            self._pending, self._pushed = converted, 0

    def finish(self) -> bool:
        """Ends the utterance. Returns False if there is no room yet; it must be repeated then."""
        one = self.utterance
        if one is None or one.clears != self.code.clears:
            self.utterance = self._resampler = self._pending = None
            return True
        if not self.push():
            return False
        if self._resampler is not None:
            self._flush(one)
            if not self.push():
                return False
        if not self.code.finish(self.code.written, one.clears):
            return False
        with self.timeline.lock:
            one.complete = True
        self.utterance = None
        return True

    def _flush(self, one: Utterance) -> None:
        """Takes the frames that the rate converter has kept back."""
        import numpy as np

        nothing = np.zeros((0, self._channels), np.float32)
        rest = self._resampler.resample_chunk(nothing, True)
        self._resampler = None
        missing = one.present - one.position - one.made - len(rest)
        if missing > 0:  # a converter rounds down, and a mark must not lie beyond the last frame
            rest = np.concatenate([rest, np.zeros((missing, self._channels), np.float32)])
        self._keep(np.ascontiguousarray(rest, np.float32))
