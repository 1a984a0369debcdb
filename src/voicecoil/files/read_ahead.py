"""The reader thread, which reads a source ahead of playback into a ring."""

from __future__ import annotations

import contextlib
import queue
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from voicecoil import _core
from voicecoil.lifetime import exit_and_fork
from voicecoil.lifetime.background_thread import BackgroundThread
from voicecoil.lifetime.flag import Flag
from voicecoil.lifetime.kept import take_kept
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
POLL_S = 0.0005  # interval at which a caller checks for the first frames
SOON_S = 0.005  # the same interval after a seek, until the old frames have been dropped
END_S = 1.0  # longest wait for a disk that does not respond when playback ends


def count_nonfinite(frames: NDArray[np.float32]) -> int:
    """Return the number of samples that are NaN or infinite."""
    import numpy as np

    return frames.size - int(np.count_nonzero(np.isfinite(frames)))


class Reader:
    """Reads a source ahead of playback, on a thread of its own, into a ring.

    The source is used only on that thread. A source may therefore wait for other threads of the
    program, such as the one that runs an event loop. After `start`, the thread closes the source
    when it ends.

    Parameters
    ----------
    source : Source
    samplerate : float
        The source's sample rate, Hz.
    seekable : bool
        True: the source is kept open until the playback ends, because the program may go back.
    start : int or None
        The frame with which the sound begins. None: where the source is.
    """

    def __init__(
        self, source: Source, samplerate: float, seekable: bool, start: int | None = None
    ) -> None:
        self.ring = _core.Ring(int(AHEAD_S * samplerate), source.channels)
        self.prefill_frames = int(PREFILL_S * samplerate)
        self.nonfinite_samples = 0
        self.error = UnseenError(f"playing {getattr(source, 'path', None) or 'a source'!r}")
        self.seekable = seekable
        self._source = source
        self._start = start
        self._ended = Flag()
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()
        # The newest seek that was asked for: the frame, and the number of the clip's jump.
        self._seeks: deque[tuple[int, int]] = deque(maxlen=1)
        self._refuses_seeks = False
        self._mark = 0  # frames that the ring had got when the source went to another frame
        self._clip: _core.MixerClip | None = None
        self._wanted: Callable[[], bool] = lambda: True
        self._generation = exit_and_fork.generation()
        self._thread = BackgroundThread(self._run, "voicecoil reader")
        self._more = True

    @property
    def at_end(self) -> bool:
        """Whether the thread has read all frames, or has ended."""
        return not self._more or not self._thread.is_alive()

    def start(self, clip: _core.MixerClip, wanted: Callable[[], bool]) -> None:
        """Start the thread. It reads for `clip` until the source ends or `wanted` is False."""
        self._clip = clip
        self._wanted = wanted
        exit_and_fork.register(self)
        exit_and_fork.start(self._thread)

    def wait_ready(self, timeout_s: float) -> None:
        """Wait until the first frames have been read, at most `timeout_s`."""
        until = time.monotonic() + timeout_s
        while (
            self.ring.readable < self.prefill_frames
            and not self.at_end
            and time.monotonic() < until
        ):
            time.sleep(POLL_S)

    def seek(self, frame: int, number: int) -> None:
        """Make the source go to a frame soon, for the clip's jump with that number."""
        self._seeks.append((frame, number))
        self._wake.put(None)
        if self._refuses_seeks:
            self._refuse_seek()

    def _refuse_seek(self) -> None:
        """Tell the clip that the newest seek is not done, so that the sound continues."""
        if (asked := take_kept(self._seeks)) is not None and self._clip is not None:
            self._clip.jump(asked[1], None)

    def _go_where_asked(self) -> None:
        """Go to the frame that was asked for, if any.

        If the source fails, its error is kept, and the sound continues where it was.
        """
        if (asked := take_kept(self._seeks)) is None or self._clip is None:
            return
        frame, number = asked
        try:
            self._source.seek(frame)
        except Exception as error:
            self.error.set(error)
            self._clip.jump(number, None)
            return
        self._start = None  # a seek may come before the first frame was read
        self._mark = self.ring.total_written
        self._more = True
        self.ring.reopen()  # before the jump, because the clip would end after it otherwise
        self._clip.jump(number, frame, self._mark)

    def _read(self, frames: int) -> bool:
        """Fill the ring up to `frames`. Returns False at the source's end or after an error.

        The error is kept until the playback ends, because the frames before it can still be played.
        """
        try:
            with resource_errors("read the sound"):
                return self._fill(frames)
        except Exception as error:
            self.error.set(error)
            return False

    def _fill(self, frames: int) -> bool:
        # A source that was blocked for long may return after the sound was stopped.
        while (
            self.ring.readable < frames
            and not self._ended.is_set()
            and not self._seeks
            and self._wanted()
        ):
            room = min(CHUNK_FRAMES, self.ring.writable)
            if room == 0:
                return True
            block = self._source.read(room)
            if not len(block) or self._is_in_child():
                return False
            self.nonfinite_samples += count_nonfinite(block)
            self.ring.write(block)
        return True

    def _begins(self) -> bool:
        """Go to the first frame. Returns False if the source fails; its error is kept."""
        start, self._start = self._start, None
        if start is not None:
            try:
                self._source.seek(start)
            except Exception as error:
                self.error.set(error)
                return False
        return True

    def _run(self) -> None:
        try:
            while not self._ended.is_set() and not self._is_in_child() and self._wanted():
                self._go_where_asked()
                if self._more:
                    self._more = self._begins() and self._read(self.ring.capacity)
                if not self._more:
                    self.ring.end()
                    if not self.seekable:
                        break
                self._wait()
        except BaseException as error:
            self.error.set(error)
        finally:
            self._more = False
            self.ring.end()
            self._refuses_seeks = True
            self._refuse_seek()
            if not self._is_in_child():
                with contextlib.suppress(Exception):
                    self._source.close()

    def _wait(self) -> None:
        """Wait until the ring may have room, or a seek or the end is asked for."""
        if self._seeks or self._ended.is_set():
            return
        # After a seek, the ring is full until the IO thread has dropped the frames before the mark.
        waits_for_jump = self.ring.total_read < self._mark
        with contextlib.suppress(queue.Empty):
            self._wake.get(timeout=SOON_S if waits_for_jump else LOOK_S)

    def _is_in_child(self) -> bool:
        """Whether the source forked the process on this thread, and this is the child process.

        The thread then ends in the child.
        """
        return exit_and_fork.forked(self._generation)

    def end(self) -> None:
        """Ask the thread to stop reading. Returns at once."""
        self._ended.set()
        self._wake.put(None)

    def join(self, timeout_s: float = END_S) -> None:
        """Wait until the thread has closed the source, for at most `timeout_s`."""
        self._thread.join(timeout_s)

    def close_at_exit(self, timeout_s: float) -> None:
        """End the thread before the interpreter ends. Called by `exit_and_fork`.

        A source that does not return keeps its thread, which ends with the process.
        """
        self.end()
        if not self._is_in_child():
            self.join(min(timeout_s, END_S))
