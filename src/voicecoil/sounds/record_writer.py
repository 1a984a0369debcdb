"""The recorder thread, which moves recorded frames from their ring to a file or to memory."""

from __future__ import annotations

import contextlib
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from voicecoil.errors import StreamStateError
from voicecoil.files.arrays import from_float32
from voicecoil.files.gaps import Gap, RingReader
from voicecoil.lifetime import exit_and_fork
from voicecoil.lifetime.background_thread import BackgroundThread
from voicecoil.lifetime.flag import Flag
from voicecoil.lifetime.unseen_error import UnseenError
from voicecoil.resources import resource_errors
from voicecoil.sample_types import SampleType
from voicecoil.sounds.record_request import Reception
from voicecoil.streams.monitor import StreamMonitor
from voicecoil.streams.stream import InputStream

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from voicecoil.files import Source
    from voicecoil.files.protocol import Sink

__all__ = ["END_S", "Loss", "Writer"]

DRAIN_S = 0.05  # interval at which an empty ring is checked for new frames
CHUNK_FRAMES = 4096  # most frames that are read, converted and written at a time
END_S = 5.0  # longest wait for a disk that makes no progress when the recording ends


@dataclass(frozen=True)
class Loss:
    """Frames that are missing in a recording or in a measurement.

    Attributes
    ----------
    position : int
        Frame of the recording at which the loss begins. This is the start of the silence that
        replaces the frames, or the frame after the cut.
    frames : int
        Number of lost frames, at the recording's rate.
    cause : {"device", "buffer"}
        "device": the device lost the frames, or was absent. "buffer": the ring was full, because
        earlier frames were not written in time.
    direction : {"input", "output"}
        "output": frames of the sound of a :func:`playrec` that were not played.
    """

    position: int
    frames: int
    cause: Literal["device", "buffer"]
    direction: Literal["input", "output"] = "input"


class Incoming:
    """The recorded frames as a source that waits for more frames until the recording ends.

    Parameters
    ----------
    reception : Reception
    stream : InputStream
    goes_on : callable
        Returns True while more frames can arrive.
    fills : bool
        True if lost frames are replaced by silence.
    """

    frames = None

    def __init__(
        self,
        reception: Reception,
        stream: InputStream,
        goes_on: Callable[[], bool],
        fills: bool,
    ) -> None:
        self.samplerate = round(stream.samplerate)
        self.channels = stream.channels
        self.ended = Flag()
        self.losses: list[Loss] = []  # positions and counts at the device's rate
        self._reader = RingReader(reception.ring, stream.channels)
        self._code = reception.code
        self._goes_on = goes_on
        self._fills = fills
        self._silence = 0  # frames of silence to be returned next
        self._given = 0  # frames returned so far, including that silence
        self._told: dict[str, int] = {"device": 0, "buffer": 0}  # lost frames reported as gaps

    def read(self, max_frames: int) -> NDArray[np.float32]:
        import numpy as np

        while True:
            if self._silence > 0:
                block = np.zeros((min(self._silence, max_frames), self.channels), np.float32)
                self._silence -= len(block)
                return block
            # This is checked before the ring, so that frames written just before the end are read.
            over = self.ended.is_set() or not self._goes_on()
            found = self._reader.read(max_frames)
            if isinstance(found, Gap):
                self._lose(found)
            elif found is not None:
                self._given += len(found)
                return found
            elif not over:
                self.ended.wait(DRAIN_S)
            elif not self._lose_the_last():
                return np.empty((0, self.channels), np.float32)

    def _lose(self, gap: Gap) -> None:
        assert gap.cause != "silence"
        self.losses.append(Loss(self._given, gap.frames, gap.cause))
        self._told[gap.cause] += gap.frames
        if self._fills:
            self._silence += gap.frames
            self._given += gap.frames

    def _lose_the_last(self) -> bool:
        """Record losses at the end. Returns True if there were any.

        The ring stores a gap only when frames follow it, so a last loss is only in the counters.
        """
        missed = self._code.missed_frames - self._told["device"]
        overflow = self._code.overflow_frames - self._told["buffer"]
        if missed > 0:
            self._lose(Gap(missed, "device"))
        if overflow > 0:
            self._lose(Gap(overflow, "buffer"))
        return missed > 0 or overflow > 0

    def seek(self, frame: int) -> None:
        raise StreamStateError("a recording cannot go to another frame")

    def close(self) -> None:
        """Do nothing, because the ring belongs to the recording."""


class Writer:
    """The thread that moves recorded frames from the ring to a file or to memory.

    Only this thread uses the file. It ends after the ring is empty, and then closes the file.
    """

    def __init__(
        self,
        stream: InputStream,
        reception: Reception,
        sink: Sink | None,
        fills: bool,
        dtype: SampleType,
    ) -> None:
        # The thread needs NumPy. If it imported NumPy itself, which may take more than END_S on a
        # busy machine, a recording that ends meanwhile would seem to make no progress.
        import numpy as np  # noqa: F401

        self.clipped_samples = 0  # clipped samples in an array of integers
        self._dtype = dtype
        self.error = UnseenError("a recording" if sink is None else f"recording {sink.path!r}")
        self.written = 0  # frames moved to the file or to memory
        self._channels = stream.channels
        self._sink = sink
        self._frames_left = reception.frames
        self._blocks: deque[NDArray[Any]] = deque()
        self._array: NDArray[Any] | None = None
        self._generation = exit_and_fork.generation()
        # A recording into a file keeps its stream alive, so that the file is completed if the
        # program drops the recording. A recording into an array does not, because the array cannot
        # be reached any more.
        self._stream: Callable[[], InputStream | None] = (
            weakref.ref(stream) if sink is None else lambda: stream
        )
        self.incoming = Incoming(reception, stream, self._goes_on, fills)
        self._source: Source = self.incoming
        if reception.samplerate != stream.samplerate:
            from voicecoil.files.convert import converted

            self._source = converted(self.incoming, reception.samplerate, stream.channels)
        self.thread = BackgroundThread(self._run, "voicecoil recorder")

    def start(self) -> None:
        exit_and_fork.register(self)
        exit_and_fork.start(self.thread)

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            with resource_errors("record"):
                while len(block := self._source.read(CHUNK_FRAMES)):
                    self._keep(block)
        except BaseException as raised:
            error = raised
            stream = self._stream()
            if stream is not None:
                with contextlib.suppress(Exception):  # the stream may be closed already
                    stream.abort()
        finally:
            if self._sink is not None:
                try:
                    if error is None:
                        self._sink.close()
                    else:
                        self._sink.discard()
                except Exception as raised:
                    error = error or raised
            if error is not None:
                self.error.set(error)

    def _goes_on(self) -> bool:
        stream = self._stream()
        if stream is None:
            return False
        return StreamMonitor(stream).frames_may_come

    def _keep(self, block: NDArray[np.float32]) -> None:
        if self._frames_left is not None:  # a rate conversion may give one frame too many
            block = block[: self._frames_left]
            self._frames_left -= len(block)
        if self._sink is not None:
            self._sink.write(block)
        else:
            samples, clipped = from_float32(block, self._dtype)
            self._blocks.append(samples)
            self.clipped_samples += clipped
        self.written += len(block)

    def array(self) -> NDArray[Any]:
        """Return all frames as one array. Call only after the thread has ended.

        Each block is freed as soon as it has been copied. If Ctrl-C interrupts a call, the next
        call continues with the remaining blocks, and no frames are lost.
        """
        import numpy as np

        left = sum(map(len, self._blocks))
        if self._array is None:
            self._array = np.empty((left, self._channels), self._dtype)
        first = len(self._array) - left
        while self._blocks:
            block = self._blocks[0]
            self._array[first : first + len(block)] = block
            first += len(block)
            self._blocks.popleft()
        return self._array

    def end(self) -> None:
        """Ask the thread to move the remaining frames and end. Returns at once."""
        self.incoming.ended.set()

    def close_at_exit(self, timeout_s: float) -> None:
        """Complete the recording before the interpreter ends. Called by `exit_and_fork`.

        This may take longer than `timeout_s` while the disk makes progress, because the file would
        be incomplete otherwise.
        """
        if exit_and_fork.forked(self._generation):
            return
        stream = self._stream()
        if stream is not None:
            stream.close_at_exit(timeout_s)
        self.end()
        written = -1
        while self.written != written:  # continue to wait while the disk makes progress
            written = self.written
            if self.thread.join(END_S):
                return
