"""Playing a sound and recording its response on one clock."""

from __future__ import annotations

import math
import os
from collections import deque
from typing import TYPE_CHECKING, Any, overload

from voicecoil import _core
from voicecoil.arguments import (
    check_blocksize,
    check_samplerate,
    check_sound_first,
    check_stream_name,
    check_timeout,
)
from voicecoil.drivers.choose import get_driver
from voicecoil.drivers.find import find_device
from voicecoil.drivers.protocol import Device, Driver, OpenedFormat
from voicecoil.drivers.two_devices import DevicePair, DeviceRequest
from voicecoil.files.arrays import as_float32, from_float32
from voicecoil.levels import Level
from voicecoil.lifetime.uninterrupted import uninterrupted
from voicecoil.resources import resource_errors
from voicecoil.sample_types import SampleType, check_dtype
from voicecoil.sounds.playrec_request import Prepared, prepare, read_sound, resampled
from voicecoil.sounds.record_writer import Loss
from voicecoil.streams.base import CodeFactory
from voicecoil.streams.event_list import Events
from voicecoil.streams.monitor import StreamMonitor
from voicecoil.streams.stream import Stream

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from numpy.typing import NDArray

    from voicecoil.files.protocol import Source

from voicecoil.sealed import Unique

__all__ = ["Measurement", "playrec"]


class Measurement(Unique):
    """A sound that is played while its response is recorded, returned by :func:`playrec`.

    All frame counts have the sound's rate. If the program drops this object, the measurement ends.
    """

    def __init__(self, stream: Stream, prepared: Prepared, align: bool, dtype: SampleType) -> None:
        """Start the measurement. If that fails, the stream is closed."""
        self._stream = stream
        self._prepared = prepared
        self._code = prepared.code
        self._align = align
        self._dtype = dtype
        self._monitor = StreamMonitor(stream)
        self._found: deque[tuple[int, int, bool]] = deque()  # losses taken from the code
        self._result: NDArray[Any] | None = None
        self._clipped = 0
        try:
            stream.start()
        except BaseException:
            stream.close()
            raise

    @property
    def samplerate(self) -> float:
        """Sample rate of the sound and of the result, Hz."""
        return float(self._prepared.samplerate)

    @property
    def channels(self) -> tuple[int, int]:
        """Number of recorded channels and of played channels."""
        return self._stream.channels

    @property
    def device(self) -> Device:
        """The device that plays and records."""
        return self._stream.device

    @property
    def frames(self) -> int:
        """Length of the sound and of the whole result, frames."""
        return self._prepared.frames

    @property
    def position(self) -> int:
        """Frames of the result that have been recorded, including lost frames."""
        have = self._code.state()["recorded"] - self._shift()
        return max(0, min(self.frames, math.floor(self._prepared.at_sound_rate(have)) - self._pad))

    @property
    def position_s(self) -> float:
        """`position` in seconds."""
        return self.position / self.samplerate

    @property
    def recording(self) -> bool:
        """True while the measurement continues."""
        return self._monitor.frames_may_come

    @property
    def round_trip_frames(self) -> int:
        """Frames from the output to the input of a stream, without the way between the connectors.

        With ``align=True``, the result begins this many frames after the first input frame.
        """
        return round(self._prepared.at_sound_rate(self._round_trip()))

    @property
    def alignment_error_frames(self) -> int:
        """Limit of the error of the alignment, frames. 0 if the audio system reports its latencies.

        On two devices it is at least 1. If the audio system only estimates its latencies, the
        alignment is computed from host times. The limit is then the range of the latencies that
        were reported in this run, or the length of the buffers.
        """
        if not self._estimated:
            return int(isinstance(self.device, DevicePair))
        error = 1  # host times are rounded
        for latency in self._stream.latency:
            most = latency.at_most_frames
            error += latency.frames if most is None else most - latency.at_least_frames
        return math.ceil(self._prepared.at_sound_rate(error))

    @property
    def first_frame_ns(self) -> int | None:
        """Host time at which the first frame of the sound was at the output connector, ns.

        With ``align=True``, the first frame of the result was recorded at this time. The clock is
        that of ``stream.now_ns()``. None until the IO cycle with this frame, and if the device
        gives no host times. On two devices, this cycle is 4 s after the start, because the ratio of
        their clocks is measured before. At another rate than the device's it is some ms later.
        """
        zero_ns = self._code.state()["zero_ns"]
        return None if zero_ns is None else int(zero_ns)

    @property
    def losses(self) -> list[Loss]:
        """All losses so far, by position.

        A loss of the direction "output" is a part of the sound that was not played. A loss of the
        direction "input" is a part of the result that is silence, because it was not recorded. No
        loss shifts the frames after it. Losses of the silence before and after the sound have no
        effect and are not listed. If the rate is converted, or on two devices, a loss just beside
        the result may still change it. It is listed as the nearest frame.
        If the input is another device than the output, the position of an input loss is exact to
        an IO cycle.
        """
        while (loss := self._code.take_loss()) is not None:
            self._found.append(loss)
        losses = [self._loss(*loss) for loss in self._found.copy()]
        return sorted(
            (loss for loss in losses if loss is not None),
            key=lambda loss: (loss.position, loss.direction),
        )

    def _all_listed(self) -> bool:
        """Whether every loss was listed. The queue of the code has room for 1,024."""
        state = self._code.state()  # before the losses, as they are queued before they are counted
        self.losses  # noqa: B018 - takes them
        found = self._found.copy()
        counted: int = state["lost_input"] + state["lost_output"]
        return sum(frames for _, frames, _ in found) >= counted

    @property
    def lost_frames(self) -> tuple[int, int]:
        """Frames of the result that were not recorded, and of the sound that were not played."""
        losses = self.losses
        return (
            sum(loss.frames for loss in losses if loss.direction == "input"),
            sum(loss.frames for loss in losses if loss.direction == "output"),
        )

    @property
    def overloads(self) -> int:
        """Number of times that the audio system reported that its IO thread was too late."""
        return self._stream.statistics().overloads

    @property
    def valid(self) -> bool:
        """True if the whole sound was played and the whole response recorded, without a loss.

        False until the end, if `losses` has any, and if the audio system has reported an overload.
        """
        recorded = self._code.state()["recorded"]
        whole = recorded >= self._shift() + self._prepared.sound_frames
        complete = whole and not self.overloads and not self.recording
        return complete and self._all_listed() and not self.losses

    @property
    def clipped_samples(self) -> int:
        """Samples beyond full scale that were clipped, because the result has integers.

        They are counted when :meth:`wait` or :meth:`stop` makes the result.
        """
        return self._clipped

    def events(self) -> Events:
        """Return and remove the events since the last call, oldest first.

        Returns
        -------
        list of Event
            Empty if nothing happened.
        """
        return self._stream.events()

    def levels(self) -> tuple[list[Level], list[Level]]:
        """Return the level of each channel since the last call.

        Returns
        -------
        (list of Level, list of Level)
            The levels of the recorded and of the played channels.
        """
        return self._stream.levels()

    def stop(self) -> NDArray[Any]:
        """End the measurement at once and return the part that was recorded.

        Returns
        -------
        ndarray of `dtype`, shape (frames, channels)
            At most `frames` frames.
        """
        self._monitor.abort(self._stream)
        result = self.wait()
        assert result is not None
        return result

    @overload
    def wait(self, timeout: None = None) -> NDArray[Any]: ...

    @overload
    def wait(self, timeout: float | None) -> NDArray[Any] | None: ...

    @resource_errors("make the array")
    def wait(self, timeout: float | None = None) -> NDArray[Any] | None:
        """Wait until the response of the whole sound is recorded.

        Parameters
        ----------
        timeout : float or None
            Longest wait, s. None waits without a limit.

        Returns
        -------
        ndarray of `dtype`, shape (frames, channels), or None
            The response. None if `timeout` has passed.

        Raises
        ------
        DeviceLostError
            The device was lost. The frames before that are kept, and a second `wait` returns them.
        """
        self._monitor.refuse_in_fork()
        check_timeout(timeout)
        if self._stream.state != "closed" and not self._stream.wait(timeout):
            return None
        return uninterrupted("finish", self._finish)

    def __await__(self) -> Generator[Any, None, NDArray[Any]]:
        """Wait in an asyncio or trio task like :meth:`wait`, without blocking the event loop.

        If the task is cancelled, the measurement continues.
        """
        return self._ended().__await__()

    async def _ended(self) -> NDArray[Any]:
        from voicecoil.lifetime.awaiting import off_the_loop

        await self._monitor.last_frame()
        return await off_the_loop(self.wait)

    @property
    def _estimated(self) -> bool:
        return any(latency.is_estimate for latency in self._stream.latency)

    @property
    def _pad(self) -> int:
        return self._prepared.pad_frames

    def _round_trip(self) -> int:
        """Return the round trip at the device's rate."""
        state = self._code.state()
        reported, apart_ns = state["round_trip_frames"], state["apart_ns"]
        if apart_ns is not None and (self._estimated or reported is None):
            frames = round(apart_ns * self._prepared.device_rate / 1e9)
        elif reported is not None:
            frames = reported
        else:
            frames = sum(latency.frames for latency in self._stream.latency)
        return max(0, int(frames))

    def _shift(self) -> int:
        """Return the recorded frame with which the result begins, at the device's rate."""
        return self._round_trip() if self._align else 0

    def _loss(self, position: int, frames: int, is_output: bool) -> Loss | None:
        """Return a loss at the sound's rate. None if it does not change the result."""
        begin = position if is_output else position - self._shift()
        first = math.floor(self._prepared.at_sound_rate(begin)) - self._pad
        end = math.ceil(self._prepared.at_sound_rate(begin + frames)) - self._pad
        reach = self._prepared.reach_frames
        if end <= -reach or first >= self.frames + reach:
            return None
        first = min(max(0, first), self.frames - 1)
        end = max(first + 1, min(self.frames, end))
        return Loss(first, end - first, "device", "output" if is_output else "input")

    def _finish(self) -> NDArray[Any]:
        if self._stream.state != "closed":
            self._stream.close()
        if self._result is None:
            self._result = self._make_result()
        return self._result

    def _make_result(self) -> NDArray[Any]:
        prepared, first = self._prepared, self._shift()
        have = min(self._code.state()["recorded"], first + prepared.sound_frames)
        frames = prepared.recorded[first:have]
        frames = resampled(frames, prepared.device_rate, prepared.samplerate)
        frames = frames[self._pad : self._pad + prepared.frames]
        result, self._clipped = from_float32(frames, self._dtype)
        return result

    def __enter__(self) -> Measurement:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def _repr_html_(self) -> str:
        """Return the measurement for a notebook. After `wait`, with its waveform and a player."""
        from voicecoil.sounds.sound_html import MAX_FRAMES, sound_html

        rows = [
            ("device", self.device.name),
            ("state", "recording" if self.recording else "done"),
            ("valid", self.valid),
            ("length", f"{self.position_s:.3f} s"),
            ("samplerate", f"{self.samplerate:g} Hz"),
            ("losses", len(self.losses)),
        ]
        result = self._result
        frames = None if result is None else as_float32(result[:MAX_FRAMES])
        return sound_html("Measurement", rows, frames, self.samplerate)

    def __repr__(self) -> str:
        state = "recording" if self.recording else "valid" if self.valid else "not valid"
        return f"<Measurement on {self.device.name!r}, {state}, {self.position_s:.3f} s>"


@resource_errors("playrec")
def playrec(
    sound: NDArray[Any] | str | os.PathLike[str] | Source,
    samplerate: float | None = None,
    *,
    input_channels: int | Sequence[int] | None,
    output_channels: int | Sequence[int] | None = None,
    device: DeviceRequest = None,
    driver: str | Driver | None = None,
    align: bool = True,
    dtype: Any = "float32",
    blocksize: int | None = None,
    name: str | None = None,
) -> Measurement:
    """Play a sound and record its response. Returns at once.

    In the result of :meth:`Measurement.wait`, frame n was recorded when frame n of the sound was
    at the output connector. If output and input are connected by a cable, the result equals the
    sound. Both directions run in one stream, in C on the IO thread, so that the rest of the program
    cannot disturb the measurement.

    Where :attr:`Measurement.alignment_error_frames` is greater than 0, begin the sound with at
    least that many frames of silence. The response may be earlier in the result by as many frames.
    Its frames before the beginning of the result are missing, even if :attr:`Measurement.valid` is
    True.

    Parameters
    ----------
    sound : array, path or source
        As for :func:`play`. It is read into memory before the measurement begins. The result has
        the same length. If the response is longer, append silence to the sound.
    samplerate : float or None
        The array's sample rate, Hz. Required for an array. If the device runs at another rate, the
        sound is converted before it is played and the response after it was recorded. These
        conversions have no delay. The device keeps its rate.
    input_channels : int, sequence of int, or None
        As for :class:`Stream`.
    output_channels : int, sequence of int, or None
        As for :class:`Stream`. None: as many as the sound has. A sound with one channel is played
        on all of them.
    device : str, Device, (input, output), or None
        As for :class:`Stream`.
    driver : str, Driver or None
        As for :class:`Stream`.
    align : bool
        False: the result begins with the input of the block that begins with the first frame of the
        sound. The response is then later by :attr:`Measurement.round_trip_frames`.
    dtype : {"float32", "int16", "int32", "uint8"}
        The type of the result, as for :class:`InputStream`.
    blocksize : int or None
        Frames per IO cycle that are requested from the device.
    name : str or None
        As for :class:`Stream`.

    Returns
    -------
    Measurement
        The measurement, which is running.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        An argument is impossible. The sound is empty, or has NaN or infinite samples.
    FileMissingError, FileFormatError
        The file does not exist, or is not audio.
    DeviceNotFoundError, DriverError
        As for :class:`Stream`.

    Examples
    --------
    >>> measurement = voicecoil.playrec(sweep, 48000, input_channels=1)
    >>> response = measurement.wait()
    >>> assert measurement.valid
    """
    from voicecoil.files.convert import as_source

    check_sound_first(sound, samplerate)
    check_samplerate(samplerate)
    check_blocksize(blocksize)
    check_stream_name(name)
    sample_type = check_dtype(dtype)
    chosen = get_driver(driver)
    target = find_device(device, ("input", "output"), chosen)
    two_devices = isinstance(target, DevicePair)
    source = as_source(sound, samplerate)
    rate = round(source.samplerate)
    frames = read_sound(source)
    wanted = frames.shape[1] if output_channels is None else output_channels
    made: list[Prepared] = []

    def make(opened_format: OpenedFormat, inputs: int, outputs: int) -> _core.Code:
        made.append(prepare(frames, rate, opened_format, inputs, outputs, two_devices))
        return made[0].code

    def begin() -> Measurement:
        stream = Stream(
            CodeFactory(make),
            device=target,
            driver=chosen,
            input_channels=input_channels,
            output_channels=wanted,
            blocksize=blocksize,
            name=name,
        )
        return Measurement(stream, made[0], bool(align), sample_type)

    return uninterrupted("playrec", begin, undo=Measurement.stop)
