"""What a virtual device heard, kept: in a file or in memory."""

from __future__ import annotations

import os
import threading
import weakref
from typing import TYPE_CHECKING, Any

from voicecoil import _core

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Capture"]

CAPTURE_S = 4.0  # that the ring holds


class Capture:
    """Takes what was heard out of the device's ring, into a file or memory."""

    def __init__(self, path: str | os.PathLike[str] | None, channels: int) -> None:
        self.path = path
        self.channels = channels
        self.frames = 0
        self._ring: _core.Ring | None = None
        self._sink: Any = None
        self._blocks: list[NDArray[np.float32]] = []
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def open(self, samplerate: float) -> _core.Ring:
        if self._ring is None:
            self._ring = _core.Ring(int(CAPTURE_S * samplerate), self.channels)
            if self.path is not None:
                from voicecoil.files.sink import FileSink

                self._sink = FileSink(self.path, samplerate, self.channels)
            # It must not keep the capture alive: nobody has to end one that is in memory.
            self._thread = threading.Thread(
                target=_take_regularly,
                args=(weakref.ref(self), self._ended),
                name="voicecoil capture",
                daemon=True,
            )
            self._thread.start()
        return self._ring

    def take(self) -> None:
        import numpy as np

        with self._lock:
            while self._ring is not None and (ready := self._ring.readable):
                block = np.empty((ready, self.channels), np.float32)
                self._ring.read(block)
                self.frames += ready
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


def _take_regularly(reference: weakref.ref[Capture], ended: threading.Event) -> None:
    while not ended.wait(0.05):
        capture = reference()
        if capture is None:
            return
        capture.take()
        del capture
