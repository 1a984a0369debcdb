"""Reading ahead: a source into a ring, on a thread of its own."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from voicecoil import _core
from voicecoil.lifetime import exit_and_fork
from voicecoil.lifetime.background_thread import BackgroundThread
from voicecoil.lifetime.unseen_error import UnseenError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from voicecoil.files.source import Source

__all__ = ["AHEAD_S", "Reader", "count_nonfinite"]

AHEAD_S = 4.0  # how far a source is read ahead: what a busy program may keep the reader from
PREFILL_S = 0.2  # how much of that before the first frame is heard
CHUNK_FRAMES = 8192
LOOK_S = 0.1  # how soon it notices that nobody listens any more
END_S = 1.0  # how long an end waits for a disk that does not answer


def count_nonfinite(frames: NDArray[np.float32]) -> int:
    """Samples that are NaN or infinite."""
    import numpy as np

    return frames.size - int(np.count_nonzero(np.isfinite(frames)))


class Reader:
    """Reads a source ahead; once it is started it closes the source when it is done with it.

    Parameters
    ----------
    source : Source
    samplerate : float
        The source's, Hz.
    """

    def __init__(self, source: Source, samplerate: float) -> None:
        self.ring = _core.Ring(int(AHEAD_S * samplerate), source.channels)
        self.nonfinite_samples = 0
        self.error = UnseenError(f"playing {getattr(source, 'path', None) or 'a source'!r}")
        self._source = source
        self._ended = threading.Event()
        self._wanted: Callable[[], bool] = lambda: True
        self._generation = exit_and_fork.generation()
        self._thread = BackgroundThread(self._run, "voicecoil reader")
        self._more = self._read(int(PREFILL_S * samplerate))

    def start(self, wanted: Callable[[], bool]) -> None:
        """Reads on for as long as `wanted` says that somebody listens."""
        self._wanted = wanted
        exit_and_fork.register(self)
        exit_and_fork.start(self._thread)

    def _read(self, frames: int) -> bool:
        """Fills the ring up to `frames`. False: that was all, or there is an error.

        The error waits: what was read before it is there to be heard.
        """
        try:
            return self._fill(frames)
        except Exception as error:  # Ctrl-C is the caller's, who reads the beginning
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
        """Whether the source has forked, on this thread, and this is the child: the thread ends."""
        return exit_and_fork.forked(self._generation)

    def end(self) -> None:
        """Asks it to read no more."""
        self._ended.set()

    def join(self) -> None:
        """Waits until it has let go of the source."""
        self._thread.join(END_S)

    def close_at_exit(self, timeout_s: float) -> None:
        """For `exit_and_fork`: the interpreter is about to end."""
        self.end()
        if not self._is_in_child():
            self.join()
