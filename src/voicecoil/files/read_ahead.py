"""The reader thread, which reads a source ahead of playback into a ring."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from voicecoil import _core
from voicecoil.errors import ForkedError
from voicecoil.lifetime import exit_and_fork
from voicecoil.lifetime.background_thread import BackgroundThread
from voicecoil.lifetime.flag import Flag
from voicecoil.lifetime.unseen_error import UnseenError
from voicecoil.resources import resource_errors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from voicecoil.files.protocol import Source

__all__ = ["AHEAD_S", "Reader", "count_nonfinite"]

AHEAD_S = 4.0  # longest time for which a busy program may delay the reader without a gap
PREFILL_S = 0.2  # duration that is read before the first frame is played
CHUNK_FRAMES = 8192
LOOK_S = 0.1  # interval at which a reader with a full ring checks for room or the end of playback
END_S = 1.0  # longest wait for a disk that does not respond when playback ends


def count_nonfinite(frames: NDArray[np.float32]) -> int:
    """Return the number of samples that are NaN or infinite."""
    import numpy as np

    return frames.size - int(np.count_nonzero(np.isfinite(frames)))


class Reader:
    """Reads a source ahead of playback, on a thread of its own, into a ring.

    After `start`, the thread closes the source when it ends.

    Parameters
    ----------
    source : Source
    samplerate : float
        The source's sample rate, Hz.

    Raises
    ------
    ForkedError
        The source forked this process while it was read, and this is the child process.
    """

    def __init__(self, source: Source, samplerate: float) -> None:
        self.ring = _core.Ring(int(AHEAD_S * samplerate), source.channels)
        self.nonfinite_samples = 0
        self.error = UnseenError(f"playing {getattr(source, 'path', None) or 'a source'!r}")
        self._source = source
        self._ended = Flag()
        self._wanted: Callable[[], bool] = lambda: True
        self._generation = exit_and_fork.generation()
        self._thread = BackgroundThread(self._run, "voicecoil reader")
        self._more = self._read(int(PREFILL_S * samplerate))
        if self._is_in_child():
            raise ForkedError(
                "the source has forked this process while it was read; the sound is the parent's"
            )

    def start(self, wanted: Callable[[], bool]) -> None:
        """Start the thread. It reads until the source ends or `wanted` returns False."""
        self._wanted = wanted
        exit_and_fork.register(self)
        exit_and_fork.start(self._thread)

    def _read(self, frames: int) -> bool:
        """Fill the ring up to `frames`. Returns False at the source's end or after an error.

        The error is kept until the playback ends, because the frames before it can still be played.
        """
        try:
            with resource_errors("read the sound"):
                return self._fill(frames)
        except Exception as error:  # Ctrl-C passes, as __init__ reads on the caller's thread
            self.error.set(error)
            return False

    def _fill(self, frames: int) -> bool:
        while self.ring.readable < frames and not self._ended.is_set():
            room = min(CHUNK_FRAMES, self.ring.writable)
            if room == 0:
                return True
            block = self._source.read(room)
            if not len(block) or self._is_in_child():
                return False
            self.nonfinite_samples += count_nonfinite(block)
            self.ring.write(block)
        return True

    def _run(self) -> None:
        try:
            while self._more and not self._ended.is_set() and self._wanted():
                self._more = self._read(self.ring.capacity)
                if self._more:
                    self._ended.wait(LOOK_S)
        except BaseException as error:
            self.error.set(error)
        finally:
            self.ring.end()
            if not self._is_in_child():
                with contextlib.suppress(Exception):
                    self._source.close()

    def _is_in_child(self) -> bool:
        """Whether the source forked the process on this thread, and this is the child process.

        The thread then ends in the child.
        """
        return exit_and_fork.forked(self._generation)

    def end(self) -> None:
        """Ask the thread to stop reading. Returns at once."""
        self._ended.set()

    def join(self) -> None:
        """Wait until the thread has closed the source, for at most `END_S`."""
        self._thread.join(END_S)

    def close_at_exit(self, timeout_s: float) -> None:
        """End the thread before the interpreter ends. Called by `exit_and_fork`."""
        self.end()
        if not self._is_in_child():
            self.join()
