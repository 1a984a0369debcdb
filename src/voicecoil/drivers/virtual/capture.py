"""Capture of a virtual device's output, in a file or in memory."""

from __future__ import annotations

import os
import threading
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any

from voicecoil import _core
from voicecoil.files.gaps import MAX_GAPS, Gap, RingReader
from voicecoil.lifetime import exit_and_fork
from voicecoil.lifetime.background_thread import BackgroundThread
from voicecoil.lifetime.flag import Flag

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Capture"]

CAPTURE_S = 4.0  # capacity of the ring; silence takes no room in it
CHUNK_FRAMES = 65_536


class Capture:
    """Moves the captured frames from the device's ring to a file or to memory."""

    def __init__(self, path: str | os.PathLike[str] | None, channels: int) -> None:
        self.path = path
        self.channels = channels
        self.frames = 0
        self._ring: _core.Ring | None = None
        self._reader: RingReader | None = None
        self._sink: Any = None
        self._blocks: list[NDArray[np.float32]] = []
        self._lock = threading.Lock()
        self._ended = Flag()
        self._thread: BackgroundThread | None = None

    def open(self, samplerate: float) -> _core.Ring:
        if self._ring is None:
            self._ring = _core.Ring(int(CAPTURE_S * samplerate), self.channels, MAX_GAPS)
            self._reader = RingReader(self._ring, self.channels)
            if self.path is not None:
                from voicecoil.files.sink import FileSink

                self._sink = FileSink(self.path, samplerate, self.channels)
            # The thread has a weak reference, because a capture in memory need not be closed.
            self._thread = BackgroundThread(
                partial(_take_regularly, weakref.ref(self), self._ended), "voicecoil capture"
            )
            exit_and_fork.start(self._thread)
        return self._ring

    def take(self) -> None:
        with self._lock:
            while self._reader is not None:
                found = self._reader.read(CHUNK_FRAMES)
                if found is None:
                    return
                if isinstance(found, Gap):
                    self._keep_silence(found.frames)
                else:
                    self._keep(found)

    def _keep_silence(self, frames: int) -> None:
        import numpy as np

        while frames > 0:
            now = min(frames, CHUNK_FRAMES)
            self._keep(np.zeros((now, self.channels), np.float32))
            frames -= now

    def _keep(self, block: NDArray[np.float32]) -> None:
        self.frames += len(block)
        if self._sink is not None:
            self._sink.write(block)
        else:
            self._blocks.append(block)

    def heard(self) -> NDArray[np.float32]:
        import numpy as np

        self.take()
        with self._lock:
            if not self._blocks:
                return np.empty((0, self.channels), np.float32)
            self._blocks = [np.concatenate(self._blocks)]
            return self._blocks[0]

    def close(self) -> int:
        self._ended.set()
        if self._thread is not None:
            self._thread.join(5.0)
        self.take()
        with self._lock:
            if self._sink is not None:
                self._sink.close()
                self._sink = None
        return self.frames


def _take_regularly(reference: weakref.ref[Capture], ended: Flag) -> None:
    while not ended.wait(0.05):
        capture = reference()
        if capture is None:
            return
        capture.take()
        del capture
