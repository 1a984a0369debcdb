"""Recording into arrays and files."""

from __future__ import annotations

import math
import os
import threading
import time
from typing import TYPE_CHECKING, Any

from voicecoil import _core
from voicecoil.arguments import check_timeout
from voicecoil.drivers.protocol import Device, Driver, OpenedFormat
from voicecoil.drivers.system_audio import SystemAudio
from voicecoil.errors import FramesLostError, StreamTimeoutError
from voicecoil.files.arrays import as_float32
from voicecoil.levels import Level
from voicecoil.lifetime.uninterrupted import uninterrupted
from voicecoil.resources import resource_errors
from voicecoil.sample_types import SampleType
from voicecoil.sounds.record_request import (
    OnLoss,
    Reception,
    RecordRequest,
    check_record_request,
)
from voicecoil.sounds.record_writer import END_S, Loss, Writer
from voicecoil.streams.base import CodeFactory
from voicecoil.streams.event_list import Events
from voicecoil.streams.monitor import StreamMonitor
from voicecoil.streams.recovery import OnDeviceLost
from voicecoil.streams.stream import InputStream

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    import numpy as np
    from numpy.typing import NDArray

    from voicecoil.files.protocol import Sink

from voicecoil.sealed import Unique

__all__ = ["Recording", "begin_recording", "record"]


class Recording(Unique):
    """A recording, returned by :func:`record`.

    If the program drops this object, a recording into a file continues, and a recording into an
    array ends.
    """

    def __init__(
        self,
        stream: InputStream,
        reception: Reception,
        sink: Sink | None,
        on_loss: OnLoss,
        dtype: SampleType,
    ) -> None:
        """Start the recording. If that fails, the stream is closed and a new file is removed."""
        self._samplerate = reception.samplerate
        self._frames = reception.frames
        self._stream = stream
        self._monitor = StreamMonitor(stream)
        self._code = reception.code
        self._ring = reception.ring
        self._sink = sink
        self._path = None if sink is None else sink.path
        self._on_loss = on_loss
        self._told_trouble = False
        self._finishing = threading.Lock()
        writer = None
        try:
            writer = Writer(stream, reception, sink, on_loss == "silence", dtype)
            stream.start()
            writer.start()
        except BaseException:
            try:
                stream.close()
            finally:
                if writer is not None and writer.thread.is_alive():  # Ctrl-C interrupted the start
                    writer.end()  # the thread completes the file
                elif sink is not None:
                    sink.discard()
            raise
        self._writer = writer

    @property
    def samplerate(self) -> float:
        """Sample rate of the recording, Hz. All frame counts of this object use this rate."""
        return self._samplerate

    @property
    def channels(self) -> int:
        """Number of recorded channels."""
        return self._stream.channels

    @property
    def device(self) -> Device:
        """The device that is recorded."""
        return self._stream.device

    @property
    def position(self) -> int:
        """Frames recorded so far, including the silence that replaces lost frames."""
        if self._on_loss == "silence":
            frames = self._code.frames + self._code.missed_frames
        else:
            frames = self._ring.total_written
        position = self._converted(frames)
        return position if self._frames is None else min(position, self._frames)

    @property
    def position_s(self) -> float:
        """`position` in seconds."""
        return self.position / self.samplerate

    @property
    def lost_frames(self) -> int:
        """Frames lost by the device, and frames that were not written in time."""
        return self._converted(self._code.overflow_frames + self._stream.statistics().lost_frames)

    @property
    def losses(self) -> list[Loss]:
        """The losses in the part of the recording that has been written."""
        return [
            Loss(self._converted(loss.position), self._converted(loss.frames), loss.cause)
            for loss in list(self._writer.incoming.losses)
        ]

    @property
    def first_frame_ns(self) -> int | None:
        """Host time at which the first frame was at the input connector, ns.

        The clock is that of ``stream.now_ns()`` and of the block times of all streams of the
        driver. Together with `losses`, it gives the time of each frame, so that two recordings can
        be aligned. None before the first IO cycle, and if the device gives no host times.
        """
        return self._code.first_ns

    @property
    def clipped_samples(self) -> int:
        """Samples beyond full scale that were clipped, because the file or array has integers.

        They are counted in the part of the recording that has been written.
        """
        return self._writer.clipped_samples if self._sink is None else self._sink.clipped_samples

    def _converted(self, frames: int) -> int:
        """Convert a number of the device's frames to the recording's rate."""
        theirs = self._stream.samplerate
        if self._samplerate == theirs:
            return frames
        return math.floor(frames * self._samplerate / theirs + 0.5)

    @property
    def recording(self) -> bool:
        """True while the recording continues."""
        return self._monitor.goes_on

    def events(self) -> Events:
        """Return and remove the events since the last call, oldest first.

        Returns
        -------
        list of Event
            Empty if nothing happened.
        """
        return self._stream.events()

    def levels(self) -> list[Level]:
        """Return the level of each channel since the last call.

        Returns
        -------
        list of Level
            One level for each recorded channel.
        """
        return self._stream.levels()

    def stop(self) -> NDArray[Any] | str:
        """End the recording and return the result of :meth:`wait`.

        Returns
        -------
        ndarray of `dtype`, shape (frames, channels), or str
            The recorded frames, or the path of the file.
        """
        self._monitor.abort(self._stream)
        self._writer.end()
        result = self.wait()
        assert result is not None
        return result

    @resource_errors("make the array of the recording")
    def wait(self, timeout: float | None = None) -> NDArray[Any] | str | None:
        """Wait until the recording has ended and all its frames are written.

        Parameters
        ----------
        timeout : float or None
            Longest wait, s. None waits without a limit.

        Returns
        -------
        numpy.ndarray, str, or None
            An array of `dtype`, shape (frames, channels), or the file's path. None if `timeout`
            has passed.

        Raises
        ------
        DeviceLostError
            The device was lost. The frames before that are kept, and a second `wait` returns them.
        FramesLostError
            Frames were lost, which ended a recording with ``on_loss="stop"``. Raised once. A second
            `wait` returns the frames before the loss.
        FileFormatError, FileAccessError
            The file could not be written to the end. Raised once.
        StreamTimeoutError
            The recording has ended, and the disk did not take the last frames in time.
        OutOfMemoryError
            There is not enough memory for the array. A second `wait` tries again.
        """
        self._monitor.refuse_in_fork()
        seconds = check_timeout(timeout)
        until = None if seconds is None else time.monotonic() + seconds
        ended_at: float | None = None
        written = -1
        while self._writer.thread.is_alive():
            self._writer.error.ask()
            now = time.monotonic()
            if until is not None and now >= until:
                return None
            if self._monitor.frames_may_come or self._writer.written != written:
                written, ended_at = self._writer.written, now
            elif ended_at is not None and now - ended_at > END_S:
                where = "the array" if self._path is None else repr(self._path)
                advice = "" if self._path is None else "look at the disk, then "
                raise StreamTimeoutError(
                    f"{where} did not take the last frames within {END_S:g} s; {advice}wait() again"
                )
            self._writer.thread.join(0.05 if until is None else min(0.05, until - now))
        trouble = uninterrupted("finish", self._finish)
        # Errors that are raised once are taken here. If Ctrl-C interrupts the line above, they are
        # left for the next call.
        if (error := self._writer.error.take()) is not None:
            raise error
        if trouble is not None and not self._told_trouble:
            self._told_trouble = True
            raise trouble
        return self._path if self._path is not None else uninterrupted("finish", self._array)

    def __await__(self) -> Generator[Any, None, NDArray[Any] | str]:
        """Wait in an asyncio or trio task like :meth:`wait`, without blocking the event loop.

        If the task is cancelled, the recording continues.
        """
        return self._ended().__await__()

    async def _ended(self) -> NDArray[Any] | str:
        from voicecoil.lifetime.awaiting import off_the_loop

        self._writer.error.ask()
        await self._monitor.last_frame()
        result = await off_the_loop(self.wait)
        assert result is not None
        return result

    def _finish(self) -> Exception | None:
        """Releases the device. Returns why the recording ended too early; None if it did not."""
        with self._finishing:
            trouble = self._monitor.trouble()
            if trouble is None and self._on_loss == "stop" and self._writer.incoming.losses:
                first = self.losses[0]
                trouble = FramesLostError(
                    f"{first.frames} frames were lost at frame {first.position}, which ended the "
                    'recording (on_loss="stop"); the frames before that are kept, and another '
                    "wait() returns them"
                )
            if self._stream.state != "closed":
                self._stream.close()
            return trouble

    def _array(self) -> NDArray[Any]:
        with self._finishing:
            return self._writer.array()

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def _repr_html_(self) -> str:
        """Return the recording for a notebook. After its end, with its waveform and a player."""
        from voicecoil.sounds.sound_html import sound_html

        rows = [
            ("device", self.device.name),
            ("state", "recording" if self.recording else "done"),
            ("length", f"{self.position_s:.3f} s"),
            ("samplerate", f"{self.samplerate:g} Hz"),
            ("channels", self.channels),
            ("lost frames", self.lost_frames),
            ("file", self._path),
        ]
        return sound_html("Recording", rows, self._beginning(), self.samplerate)

    def _beginning(self) -> NDArray[np.float32] | None:
        """Return the first frames for a notebook; None before the end and if there are none."""
        from voicecoil.sounds.sound_html import MAX_FRAMES

        if self._writer.thread.is_alive():
            return None
        if self._path is None:
            return as_float32(uninterrupted("finish", self._array)[:MAX_FRAMES])
        from voicecoil.errors import VoicecoilError
        from voicecoil.files import open_source

        try:
            with open_source(self._path) as source:
                return source.read(MAX_FRAMES)
        except (VoicecoilError, OSError):  # the file was removed, or is a pipe
            return None

    def __repr__(self) -> str:
        state = "recording" if self.recording else "done"
        return f"<Recording from {self.device.name!r}, {state}, {self.position_s:.3f} s>"


@resource_errors("record")
def record(
    file: str | os.PathLike[str] | None = None,
    *,
    frames: int | None = None,
    duration_s: float | None = None,
    device: str | Device | SystemAudio | None = None,
    driver: str | Driver | None = None,
    samplerate: float | None = None,
    channels: Any = None,
    blocksize: int | None = None,
    subtype: str | None = None,
    dtype: Any = "float32",
    on_device_lost: OnDeviceLost = "stop",
    buffer_s: float = 30.0,
    on_loss: OnLoss = "silence",
    exist_ok: bool = False,
    mode: int = 0o666,
    name: str | None = None,
) -> Recording:
    """Record into an array or a file. Returns at once.

    Parameters
    ----------
    file : path, optional
        The file's extension determines its format: WAV (float by default), AIFF, FLAC, OGG, MP3 or
        CAF. None records into an array.
    frames : int or None
        Length of the recording in frames. Without `frames` and `duration_s`, the recording
        continues until :meth:`Recording.stop`.
    duration_s : float or None
        Length of the recording in seconds.
    device : str, Device or None
        As for :class:`InputStream`.
    driver : str, Driver or None
        As for :class:`InputStream`.
    samplerate : float or None
        Sample rate of the recording, Hz. None uses the device's rate. If the device runs at another
        rate, its frames are converted.
    channels : int, sequence of int, or None
        As for :class:`InputStream`.
    blocksize : int or None
        As for :class:`InputStream`.
    subtype : str or None
        The file's sample format, such as "PCM_24". None uses the default of
        :class:`~voicecoil.files.FileSink` for the format.
    dtype : {"float32", "int16", "int32", "uint8"}
        The type of the array, as for :class:`InputStream`.
    on_device_lost : {"stop", "wait", "default"}
        As for :class:`InputStream`. The time without a device counts as lost frames.
    buffer_s : float
        Longest time for which a slow disk or a busy program may delay writing without a loss, s,
        from 0.1 to 3600. The frames are kept in memory for that time.
    on_loss : {"silence", "cut", "stop"}
        Treatment of lost frames. "silence" replaces them by the same number of silent frames, so
        that later frames keep their time. "cut" omits them, so that the recording is shorter.
        "stop" ends the recording at the first loss. `Recording.losses` lists all losses. `frames`
        and `duration_s` include lost frames.
    exist_ok : bool
        True if `file` may replace an existing file.
    mode : int
        Permissions of a new file, before the process's umask is applied.
    name : str or None
        As for :class:`InputStream`.

    Returns
    -------
    Recording
        The recording, which is running.

    Raises
    ------
    FileThereError
        `file` exists, and `exist_ok` is False.
    FileBusyError
        Another recording or program is writing `file`.
    FileFormatError, FileAccessError
        The file cannot be written.
    ArgumentError, ArgumentTypeError, DeviceNotFoundError, DriverError
        As for :class:`InputStream`.

    Examples
    --------
    >>> take = voicecoil.record(duration_s=2.0).wait()
    >>> with voicecoil.record("take.flac"):
    ...     input("recording; Enter ends it")
    """
    request = check_record_request(
        file,
        frames=frames,
        duration_s=duration_s,
        samplerate=samplerate,
        subtype=subtype,
        buffer_s=buffer_s,
        on_loss=on_loss,
        dtype=dtype,
    )
    make_sink = None

    if file is not None:

        def make_sink(rate: float, channels: int, frames: int | None) -> Sink:
            from voicecoil.files.sink import FileSink

            return FileSink(file, rate, channels, subtype, exist_ok=exist_ok, mode=mode)

    return begin_recording(
        request,
        make_sink,
        device=device,
        driver=driver,
        channels=channels,
        blocksize=blocksize,
        on_device_lost=on_device_lost,
        name=name,
    )


def begin_recording(
    request: RecordRequest,
    make_sink: Callable[[float, int, int | None], Sink] | None,
    *,
    device: str | Device | SystemAudio | None,
    driver: str | Driver | None,
    channels: Any,
    blocksize: int | None = None,
    on_device_lost: OnDeviceLost,
    name: str | None = None,
) -> Recording:
    """Begin a recording into any sink.

    Parameters
    ----------
    make_sink : callable or None
        Returns the sink for a rate in Hz, a number of channels and a number of frames, which is
        None if it is not known. None: an array.
    """
    made: list[Reception] = []

    def make(opened_format: OpenedFormat, inputs: int, outputs: int) -> _core.Code:
        made.append(request.receive(opened_format, inputs))
        return made[0].code

    def begin() -> Recording:
        stream = InputStream(
            CodeFactory(make),
            device=device,
            driver=driver,
            samplerate=request.samplerate,
            channels=channels,
            blocksize=blocksize,
            on_device_lost=on_device_lost,
            name=name,
        )
        try:
            sink = None
            if make_sink is not None:
                sink = make_sink(made[0].samplerate, stream.channels, made[0].frames)
        except BaseException:
            stream.close()
            raise
        return Recording(stream, made[0], sink, request.on_loss, request.dtype)

    return uninterrupted("record", begin, undo=Recording.stop)
