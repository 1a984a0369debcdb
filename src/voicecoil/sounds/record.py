"""Recording into arrays and files."""

from __future__ import annotations

import contextlib
import math
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from voicecoil import _core
from voicecoil.arguments import check_count, check_samplerate, check_seconds, check_timeout
from voicecoil.drivers.protocol import Device, Driver, Got
from voicecoil.errors import ArgumentError, ArgumentTypeError, StreamStateError, StreamTimeoutError
from voicecoil.events import Event
from voicecoil.levels import Level
from voicecoil.lifetime import exit_and_fork
from voicecoil.streams.base import CodeFactory
from voicecoil.streams.recovery import OnDeviceLost
from voicecoil.streams.stream import InputStream

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from voicecoil.files.sink import FileSink
    from voicecoil.files.source import Source

__all__ = ["Recording", "record"]

RING_S = 4.0  # what a busy program may keep the writer from
DRAIN_S = 0.05
CHUNK_FRAMES = 4096  # with another rate so many frames are made at a time
END_S = 5.0  # how long an end waits for a disk that does not answer


class _Incoming:
    """What was recorded, as a source that waits for more and ends with the recording."""

    frames = None

    def __init__(self, ring: _core.Ring, stream: InputStream, goes_on: Callable[[], bool]) -> None:
        self.samplerate = round(stream.samplerate)
        self.channels = stream.channels
        self.ended = threading.Event()
        self._ring = ring
        self._goes_on = goes_on

    def read(self, max_frames: int) -> NDArray[np.float32]:
        import numpy as np

        while not self._ring.readable:
            # Asked before the last look, so that frames written just before the end are read.
            over = self.ended.is_set() or not self._goes_on()
            if over and not self._ring.readable:
                break
            self.ended.wait(DRAIN_S)
        block = np.empty((min(self._ring.readable, max_frames), self.channels), np.float32)
        self._ring.read(block)
        return block

    def seek(self, frame: int) -> None:
        raise StreamStateError("a recording goes forward only")

    def close(self) -> None:
        """The ring is not its own."""


class _Writer:
    """Takes what was recorded out of the ring, into a file or memory, on a thread of its own.

    It alone touches the file, closes it at the end, and does not end before the ring is empty.
    """

    def __init__(
        self,
        stream: InputStream,
        ring: _core.Ring,
        sink: FileSink | None,
        samplerate: float,
        frames: int | None,
    ) -> None:
        self.error: BaseException | None = None
        self._channels = stream.channels
        self._sink = sink
        self._frames_left = frames
        self._blocks: deque[NDArray[np.float32]] = deque()
        self._generation = exit_and_fork.generation()
        # A file is worth finishing for somebody who dropped the recording. An array is not: nobody
        # can have it any more.
        self._stream: Callable[[], InputStream | None] = (
            weakref.ref(stream) if sink is None else lambda: stream
        )
        self._incoming = _Incoming(ring, stream, self._goes_on)
        self._source: Source = self._incoming
        if samplerate != stream.samplerate:
            from voicecoil.files.convert import converted

            self._source = converted(self._incoming, samplerate, stream.channels)
        self.thread = threading.Thread(target=self._run, name="voicecoil recorder", daemon=True)

    def start(self) -> None:
        exit_and_fork.register(self)
        self.thread.start()

    def _run(self) -> None:
        try:
            while len(block := self._source.read(CHUNK_FRAMES)):
                self._keep(block)
        except BaseException as error:
            self.error = error
            stream = self._stream()
            if stream is not None:
                with contextlib.suppress(Exception):  # it may be closed already
                    stream.abort()
        finally:
            if self._sink is not None:
                try:
                    if self.error is None:
                        self._sink.close()
                    else:
                        self._sink.discard()
                except Exception as error:
                    self.error = self.error or error

    def _goes_on(self) -> bool:
        stream = self._stream()
        return stream is not None and (stream._goes_on or stream.state == "draining")

    def _keep(self, block: NDArray[np.float32]) -> None:
        if self._frames_left is not None:  # a converter may give one more than was asked for
            block = block[: self._frames_left]
            self._frames_left -= len(block)
        if self._sink is not None:
            self._sink.write(block)
        else:
            self._blocks.append(block)

    def take_array(self) -> NDArray[np.float32]:
        """All frames as one array, once; each block is given back as it is copied."""
        import numpy as np

        whole = np.empty((sum(map(len, self._blocks)), self._channels), np.float32)
        first = 0
        while self._blocks:
            block = self._blocks.popleft()
            whole[first : first + len(block)] = block
            first += len(block)
        return whole

    def end(self) -> None:
        """Has it take what is left and end."""
        self._incoming.ended.set()

    def close_at_exit(self, timeout_s: float) -> None:
        """For `exit_and_fork`: the interpreter is about to end. What was recorded is kept.

        A file is worth more than `timeout_s`.
        """
        if exit_and_fork.forked(self._generation):
            return
        stream = self._stream()
        if stream is not None:
            stream.close_at_exit(timeout_s)
        self.end()
        self.thread.join(END_S)


class Recording:
    """A recording on its way; what :func:`record` returns.

    One into a file goes on when nobody keeps this object; one into an array ends then.
    """

    def __init__(
        self,
        stream: InputStream,
        code: _core.RecorderCode,
        ring: _core.Ring,
        sink: FileSink | None,
        samplerate: float,
        frames: int | None,
    ) -> None:
        self._samplerate = samplerate
        self._frames = frames
        self._stream = stream
        self._code = code
        self._path = None if sink is None else sink.path
        self._array: NDArray[np.float32] | None = None
        self._told_trouble = False
        self._finishing = threading.Lock()
        self._writer = _Writer(stream, ring, sink, samplerate, frames)
        stream.start()
        self._writer.start()

    @property
    def samplerate(self) -> float:
        """Of what is recorded, which all frame counts here are in, Hz."""
        return self._samplerate

    @property
    def channels(self) -> int:
        """How many are recorded."""
        return self._stream.channels

    @property
    def device(self) -> Device:
        """Where it is recorded."""
        return self._stream.device

    @property
    def position(self) -> int:
        """Frames recorded so far."""
        position = self._converted(self._code.frames - self._code.overflow_frames)
        return position if self._frames is None else min(position, self._frames)

    @property
    def position_s(self) -> float:
        """The same in seconds."""
        return self.position / self.samplerate

    @property
    def lost_frames(self) -> int:
        """Frames that are missing: lost by the device, or not written away in time."""
        return self._converted(self._code.overflow_frames + self._stream.statistics().lost_frames)

    def _converted(self, frames: int) -> int:
        """The device's frames, counted at the recording's rate."""
        theirs = self._stream.samplerate
        if self._samplerate == theirs:
            return frames
        return math.floor(frames * self._samplerate / theirs + 0.5)

    @property
    def recording(self) -> bool:
        """Whether it goes on."""
        return self._stream._goes_on

    def events(self) -> list[Event]:
        """Takes what happened to it and to its device since the last call, oldest first."""
        return self._stream.events()

    def levels(self) -> list[Level]:
        """Level of each channel since the last call."""
        return self._stream.levels()

    def stop(self) -> NDArray[np.float32] | str:
        """Ends it and returns what :meth:`wait` returns."""
        self._stream._refuse_in_fork()
        if self._stream.state != "closed" and self._stream._trouble() is None:
            self._stream.abort()
        self._writer.end()
        result = self.wait()
        assert result is not None
        return result

    def wait(self, timeout: float | None = None) -> NDArray[np.float32] | str | None:
        """Waits until all was recorded.

        Parameters
        ----------
        timeout : float or None
            s; None: for ever.

        Returns
        -------
        numpy.ndarray, str, or None
            float32, shape (frames, channels); or the file's path. None: `timeout` passed.

        Raises
        ------
        DeviceLostError
            The device went away. What was recorded until then is in the file, and a second
            `wait` returns it.
        FileFormatError, FileAccessError
            The file could not be written to the end. Once, as before.
        StreamTimeoutError
            It has ended, and the disk does not take the rest.
        """
        self._stream._refuse_in_fork()
        seconds = check_timeout(timeout)
        until = None if seconds is None else time.monotonic() + seconds
        ended_at: float | None = None
        while self._writer.thread.is_alive():
            now = time.monotonic()
            if until is not None and now >= until:
                return None
            if not self.recording and self._stream.state != "draining":
                ended_at = ended_at or now
                if now - ended_at > END_S:
                    where = "the array" if self._path is None else repr(self._path)
                    advice = "" if self._path is None else "look at the disk, then "
                    raise StreamTimeoutError(
                        f"{where} did not take the last frames within {END_S:g} s; {advice}wait() "
                        "again"
                    )
            self._writer.thread.join(0.05 if until is None else min(0.05, until - now))
        with self._finishing:
            return self._finish()

    def _finish(self) -> NDArray[np.float32] | str:
        trouble = self._stream._trouble()
        if self._stream.state != "closed":
            self._stream.close()
        error, self._writer.error = self._writer.error, None
        if error is not None:
            raise error
        if trouble is not None and not self._told_trouble:
            self._told_trouble = True
            raise trouble
        if self._path is not None:
            return self._path
        if self._array is None:
            self._array = self._writer.take_array()
        return self._array

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        state = "recording" if self.recording else "done"
        return f"<Recording from {self.device.name!r}, {state}, {self.position_s:.3f} s>"


def record(
    file: str | os.PathLike[str] | None = None,
    *,
    frames: int | None = None,
    duration_s: float | None = None,
    device: str | Device | None = None,
    driver: str | Driver | None = None,
    samplerate: float | None = None,
    channels: Any = None,
    blocksize: int | None = None,
    subtype: str | None = None,
    on_device_lost: OnDeviceLost = "stop",
) -> Recording:
    """Records into an array or a file; returns at once.

    Parameters
    ----------
    file : path, optional
        WAV (float by default), AIFF, FLAC, OGG, MP3, CAF, by its ending. None: an array.
    frames : int or None
        How many; without it and `duration_s` until :meth:`Recording.stop`.
    duration_s : float or None
        The same in seconds.
    samplerate : float or None
        Of the recording, Hz; None: as the device runs. A device that runs at another rate is
        converted.
    device, driver, channels, blocksize
        As for :class:`InputStream`.
    subtype : str or None
        The file's sample format, such as "PCM_24"; None: the best of its kind.
    on_device_lost : {"stop", "wait", "default"}
        As for :class:`InputStream`. What was not recorded meanwhile is left out, and told by
        `Recording.lost_frames`.

    Returns
    -------
    Recording

    Raises
    ------
    FileFormatError, OSError
        The file cannot be written.
    ArgumentError, ArgumentTypeError, DeviceNotFoundError, DriverError
        As for :class:`InputStream`.

    Examples
    --------
    >>> take = voicecoil.record(duration_s=2.0).wait()
    >>> with voicecoil.record("take.flac"):
    ...     input("recording; Enter ends it")
    """
    if frames is not None and duration_s is not None:
        raise ArgumentError(
            f"frames={frames!r} and duration_s={duration_s!r}; give one of them, or neither to "
            "record until stop()"
        )
    if frames is not None:
        frames = check_count(frames, "frames", "how many, 1 or more", least=1)
    if duration_s is not None:
        duration_s = check_seconds(duration_s, "duration_s", least_excluded=True)
    if isinstance(file, (int, float)):
        raise ArgumentTypeError(
            f"file={file!r} is a number; for that many seconds give duration_s={file!r}"
        )
    if subtype is not None and file is None:
        raise ArgumentError(f"subtype={subtype!r} is for files; give a file, or leave it out")
    wanted_rate = check_samplerate(samplerate)
    made: dict[str, Any] = {}

    def make(got: Got, inputs: int, outputs: int) -> _core.Code:
        rate = wanted_rate or got.samplerate
        made["samplerate"] = rate
        made["frames"] = frames or (max(1, round(duration_s * rate)) if duration_s else None)
        limit = math.ceil((made["frames"] or 0) * got.samplerate / rate)
        made["ring"] = _core.Ring(int(RING_S * got.samplerate), inputs)
        code = _core.RecorderCode(made["ring"], limit)
        made["code"] = code
        return code

    stream = InputStream(
        CodeFactory(make),
        device=device,
        driver=driver,
        samplerate=samplerate,
        channels=channels,
        blocksize=blocksize,
        on_device_lost=on_device_lost,
    )
    sink = None
    try:
        if file is not None:
            from voicecoil.files.sink import FileSink

            sink = FileSink(file, made["samplerate"], stream.channels, subtype)
        return Recording(
            stream, made["code"], made["ring"], sink, made["samplerate"], made["frames"]
        )
    except BaseException:
        stream.close()
        if sink is not None:
            sink.discard()
        raise
