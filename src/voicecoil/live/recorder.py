"""The recorder, which delivers the frames of a microphone in blocks."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Self

from voicecoil import _core
from voicecoil.arguments import check_count, check_timeout
from voicecoil.drivers.find import find_device
from voicecoil.drivers.protocol import Device, Driver
from voicecoil.errors import ArgumentError, StreamClosedError
from voicecoil.files.arrays import from_float32
from voicecoil.lifetime import exit_and_fork
from voicecoil.lifetime.awaiting import off_the_loop
from voicecoil.lifetime.uninterrupted import uninterrupted
from voicecoil.lifetime.waking import reached
from voicecoil.live.intake import Intake
from voicecoil.live.life import Life
from voicecoil.live.line import Taken
from voicecoil.live.microphone import Microphone, microphone_for
from voicecoil.live.recorded_block import RecordedBlock, RecordedTime
from voicecoil.live.recorder_request import OnOverflow, check_recorder
from voicecoil.resources import resource_errors
from voicecoil.streams.history import Piece
from voicecoil.streams.recovery import OnDeviceLost
from voicecoil.streams.reference import Reference

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Recorder"]

POLL_S = 0.005  # longest interval at which a waiting thread looks for frames
LOOK_S = 0.001  # shortest


class Recorder(Life):
    """Delivers the frames of a microphone in blocks.

    A recorder is an iterator: ``for block in recorder`` and ``async for block in recorder`` deliver
    a :class:`RecordedBlock` each. Frames are kept from :meth:`start` on, which the first use calls.
    All recorders of a device share one input stream. Each has its own channels, rate and position.

    Parameters
    ----------
    device : str, Device or None
        As for :class:`InputStream`.
    driver : str, Driver or None
        As for :class:`InputStream`.
    samplerate : float or None
        The rate of the blocks, Hz. None: the device's. Other rates are converted where the blocks
        are read, not on the device's thread.
    channels : int, sequence of int, or None
        As for :class:`InputStream`.
    dtype : {"float32", "int16", "int32", "uint8"}
        The type of the samples, as for :class:`InputStream`.
    block_s : float or None
        Duration of a block, s. None: 0.02 s, or that of `blocksize`.
    blocksize : int or None
        Frames of a block, instead of `block_s`.
    buffer_s : float
        Duration of the frames that are kept until they are read, s, from 0.05 to 3600. :meth:`last`
        can go back as far.
    on_overflow : {"drop_oldest", "stop", "raise"}
        What happens if the program has not read the frames within `buffer_s`. "drop_oldest": the
        oldest frames are dropped, and counted in the next block. "stop": the recording ends, and
        the frames in the buffer can be read. "raise": as "drop_oldest", and the next read raises
        `FramesLostError`.
    on_device_lost : {"stop", "wait", "default"}
        As for :class:`InputStream`. The time without a device counts as lost frames. A device with
        another rate is converted.
    name : str or None
        As for :class:`InputStream`.
    reference : bool, str or Device
        Whether ``block.reference`` has what the program played at the same time, for echo
        cancellers. True: on the default output device. A name, a uid or a device: on that one.

    Raises
    ------
    ArgumentError, ArgumentTypeError, DeviceNotFoundError, DriverError
        As for :class:`InputStream`.

    Examples
    --------
    >>> with voicecoil.Recorder(samplerate=16_000, channels=1) as recorder:
    ...     for block in recorder:
    ...         send(block.data)
    """

    @resource_errors("record")
    def __init__(
        self,
        device: str | Device | None = None,
        *,
        driver: str | Driver | None = None,
        samplerate: float | None = None,
        channels: Any = None,
        dtype: Any = "float32",
        block_s: float | None = None,
        blocksize: int | None = None,
        buffer_s: float = 10.0,
        on_overflow: OnOverflow = "drop_oldest",
        on_device_lost: OnDeviceLost = "stop",
        name: str | None = None,
        reference: bool | str | Device = False,
    ) -> None:
        request = check_recorder(samplerate, dtype, block_s, blocksize, buffer_s, on_overflow)
        ends = request.on_overflow == "stop"

        def open_it() -> tuple[Microphone, _core.History, int]:
            return microphone_for(
                device, driver, on_device_lost, name, channels, request.buffer_s, ends
            )

        def undo(made: tuple[Microphone, _core.History, int]) -> None:
            made[0].leave(made[1])

        try:
            opened = uninterrupted("record", open_it, undo=undo)
        except (MemoryError, OverflowError) as error:
            raise ArgumentError(
                f"buffer_s={request.buffer_s:g} s do not fit into memory; give less"
            ) from error
        self._microphone, self._history, self._limit = opened
        self._request = request
        stream = self._microphone.stream
        self._samplerate = request.samplerate or stream.samplerate
        self._reference = self._open_reference(reference)
        columns = 0 if self._reference is None else self._reference.channels
        self._intake = Intake(
            self._history,
            self._limit,
            stream.samplerate,
            self._samplerate,
            request,
            None
            if self._reference is None
            else partial(_with_reference, self._reference, self._microphone),
            columns,
        )
        self._state: Literal["idle", "recording", "stopped", "closed"] = "idle"
        self._told_trouble = False
        self._clipped = 0
        if self._reference is not None:
            self._reference.follow(self._intake.timeline.reader)
        self._leave = partial(_leave, self._microphone, self._history, self._reference)
        self._drop = weakref.finalize(self, _drop, exit_and_fork.generation(), self._leave)
        self._drop.atexit = False  # the exit closes the stream
        self._blocksize = request.block_frames(self._samplerate)

    def _open_reference(self, reference: bool | str | Device) -> Reference | None:
        if reference is False or reference is None:
            return None
        try:
            wanted = None if reference is True else reference
            device = find_device(wanted, ("output",), self.driver)
            return Reference(self.driver, device, self._request.buffer_s)
        except BaseException:
            self._microphone.leave(self._history)
            raise

    # ---- properties ----

    @property
    def device(self) -> Device:
        """The device that is recorded."""
        return self._microphone.stream.device

    @property
    def driver(self) -> Driver:
        """The driver that the device belongs to."""
        return self._microphone.stream.driver

    @property
    def samplerate(self) -> float:
        """Frames per second of the blocks, Hz. All frame counts of this object use this rate."""
        return self._samplerate

    @property
    def channels(self) -> int:
        """Number of channels of the blocks."""
        return self._history.channels

    @property
    def dtype(self) -> str:
        """Type of the samples."""
        return self._request.dtype

    @property
    def blocksize(self) -> int:
        """Frames of each block of the iterator. The last one may have fewer."""
        return self._blocksize

    @property
    def state(self) -> Literal["idle", "recording", "waiting", "finished", "closed"]:
        """The state of the recorder.

        "idle", "recording", "waiting" (for a device), "finished" (no more frames come, but some may
        be left to read) or "closed".
        """
        if self._state in ("idle", "closed"):
            return self._state
        if self._is_over():
            return "finished"
        return "waiting" if self._microphone.stream.state == "waiting" else "recording"

    @property
    def end_reason(self) -> Literal["stop", "overflow", "device"] | None:
        """Why the recording has ended: :meth:`stop`, a full buffer, or a lost device; or None."""
        if self._history.ended:
            return "overflow"
        if self._state in ("stopped", "closed"):
            return "stop"
        return "device" if self._state == "recording" and self._is_over() else None

    @property
    def buffered_s(self) -> float:
        """Duration of the recorded frames that have not been read, s."""
        return self._intake.buffered_s

    @property
    def lost_frames(self) -> int:
        """Frames lost by the device or because they were not read in time, up to the last read."""
        return self._intake.lost_frames

    @property
    def overflow_frames(self) -> int:
        """Frames that were dropped because they were not read within `buffer_s`."""
        return self._intake.overflow_frames

    @property
    def clipped_samples(self) -> int:
        """Samples beyond full scale that were clipped, because `dtype` is an integer type."""
        return self._clipped

    # ---- start and end ----

    def start(self) -> Self:
        """Begin to record. A second call has no effect.

        Returns
        -------
        Recorder
            The recorder itself.

        Raises
        ------
        StreamClosedError
            The recorder is closed.
        DeviceLostError, DriverError
            The device cannot be started.
        """
        self._microphone.monitor.refuse_in_fork()
        if self._state == "closed":
            raise StreamClosedError("the recorder is closed; make a new one")
        if self._state == "idle":
            uninterrupted("record", self._start)
        return self

    def _start(self) -> None:
        if self._state == "idle":
            self._microphone.start(self._history)
            self._state = "recording"

    def stop(self) -> None:
        """End the recording. Frames that were not read yet can still be read. Never waits."""
        if self._state in ("idle", "recording"):
            self._state = "stopped"
            self._microphone.stop(self._history)

    def close(self) -> None:
        """End the recording and drop its frames. A second call has no effect.

        The last recorder of a device closes the input stream.
        """
        if self._state == "closed" or exit_and_fork.forked(self._microphone.generation):
            return
        self._state = "closed"
        if self._drop.detach() is not None:
            uninterrupted("close", self._leave)

    # ---- blocks ----

    def __iter__(self) -> Self:
        return self.start()

    def __next__(self) -> RecordedBlock:
        block = self.read(self._blocksize)
        if not block.frames:
            raise StopIteration
        return block

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> RecordedBlock:
        block = await self.read_async(self._blocksize)
        if not block.frames:
            raise StopAsyncIteration
        return block

    def read(self, frames: int | None = None, timeout: float | None = None) -> RecordedBlock:
        """Return the next frames.

        Parameters
        ----------
        frames : int or None
            Number of frames, 1 or more. None: those of a block.
        timeout : float or None
            Longest wait, s. None: no limit. 0: no wait.

        Returns
        -------
        RecordedBlock
            It has fewer frames only if `timeout` has passed or the recording has ended, and none if
            there are none.

        Raises
        ------
        DeviceLostError
            The device was lost, and all frames before that have been read. Raised once.
        FramesLostError
            Frames were dropped, and `on_overflow` is "raise".
        StreamClosedError
            The recorder is closed.
        """
        count = self._check_frames(frames)
        seconds = check_timeout(timeout)
        until = None if seconds is None else time.monotonic() + seconds
        self.start()
        while not self._intake.gather(count, self._is_over):
            left_s = POLL_S if until is None else until - time.monotonic()
            if left_s <= 0:
                break
            time.sleep(min(left_s, self._pause_s(count)))
        return self._take(count)

    async def read_async(self, frames: int | None = None) -> RecordedBlock:
        """Return the next frames like :meth:`read`, in an asyncio task.

        The event loop is not blocked. If the task is cancelled, no frame is lost.

        Parameters
        ----------
        frames : int or None
            The number of frames; None: `blocksize`.

        Returns
        -------
        RecordedBlock
            The frames. Fewer than `frames` only at the end of the recording.
        """
        count = self._check_frames(frames)
        if self._state == "idle":
            await off_the_loop(self.start)
        written = self._history.written_count()
        while not self._intake.gather(count, self._is_over):
            target = self._intake.target(count)

            def over(target: int = target) -> bool:
                return self._history.written >= target or self._is_over()

            cycle_s = self._microphone.monitor.cycle_s
            await reached(written, target, period_s=cycle_s, over=over)
        return self._take(count)

    @resource_errors("keep the recorded frames")
    def last(self, seconds: float) -> RecordedBlock:
        """Return the newest frames, up to now. The next read continues after them.

        It also returns frames that were read before. Unread frames that are older are skipped and
        not counted as lost.

        Parameters
        ----------
        seconds : float
            Duration, s, at most `buffer_s`.

        Returns
        -------
        RecordedBlock
            It has fewer frames if the recording is shorter.
        """
        frames = self._request.last_frames(seconds, self._samplerate)
        self.start()
        return self._block(self._intake.last(frames))

    def _check_frames(self, frames: int | None) -> int:
        if self._state == "closed":
            raise StreamClosedError("the recorder is closed; make a new one")
        if frames is None:
            return self._blocksize
        return check_count(frames, "frames", "a number of frames, 1 or more", least=1)

    def _is_over(self) -> bool:
        """Whether no more frames will come."""
        if self._state == "recording":
            return self._history.ended or not self._microphone.monitor.goes_on
        return self._state != "idle"

    def _pause_s(self, frames: int) -> float:
        """Seconds until the frames can be there, in short steps."""
        missing = self._intake.target(frames) - self._history.written
        expected_s = missing / self._microphone.stream.samplerate
        return min(POLL_S, max(LOOK_S, expected_s))

    def _take(self, frames: int) -> RecordedBlock:
        taken = self._intake.take(frames)
        if not len(taken.data) and self._state == "recording" and self._is_over():
            self._tell_trouble()
        return self._block(taken)

    def _tell_trouble(self) -> None:
        trouble = self._microphone.monitor.trouble()
        if trouble is not None and not self._told_trouble:
            self._told_trouble = True
            raise trouble

    def _block(self, taken: Taken) -> RecordedBlock:
        dtype, frames, played = self._request.dtype, taken.data, None
        if self._reference is not None:
            played, _ = from_float32(frames[:, self.channels :].copy(), dtype)
            frames = frames[:, : self.channels].copy()
        data, clipped = from_float32(frames, dtype)
        self._clipped += clipped
        time = RecordedTime(taken.host_ns, taken.frame)
        return RecordedBlock(data, time, taken.lost_frames, played)

    def __repr__(self) -> str:
        return (
            f"<Recorder of {self.device.name!r}, {self._samplerate:g} Hz, {self.channels} in, "
            f"{self.state}, {self.buffered_s:.3f} s buffered>"
        )


def _with_reference(
    reference: Reference, microphone: Microphone, piece: Piece
) -> NDArray[np.float32]:
    import numpy as np

    uid = microphone.stream.device.uid
    played = reference.read(piece.position, len(piece.frames), piece.stamp, uid)
    return np.concatenate([piece.frames, played], axis=1)


def _leave(microphone: Microphone, history: _core.History, reference: Reference | None) -> None:
    if reference is not None:
        reference.close()
    microphone.leave(history)


def _drop(generation: int, leave: Callable[[], None]) -> None:
    """Release what a recorder used that the program has dropped. In a child it is the parent's."""
    if not exit_and_fork.forked(generation):
        exit_and_fork.submit(leave)
