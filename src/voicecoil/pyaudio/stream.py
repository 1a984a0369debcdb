"""PyAudio's streams."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from voicecoil.arguments import shown
from voicecoil.pyaudio import constants as pa
from voicecoil.pyaudio.formats import FORMATS, sample_bytes
from voicecoil.sounddevice.errors import CallbackAbort, CallbackStop, PortAudioError
from voicecoil.sounddevice.raw_streams import RawInputStream, RawOutputStream, RawStream

if TYPE_CHECKING:
    from voicecoil.pyaudio.devices import PyAudio

__all__ = ["Stream"]


def _checked(error: PortAudioError) -> OSError:
    """Return the OSError that PyAudio raises for an error."""
    code = error.args[1] if len(error.args) > 1 else pa.paInternalError
    found = OSError(code, str(error.args[0]))
    found.__cause__ = error
    return found


class Stream:
    """Plays, records or does both. ``PyAudio.open`` opens one.

    Parameters
    ----------
    PA_manager : PyAudio
        The object that closes the stream when it is terminated.
    rate : float
        Frames per second, Hz.
    channels : int
        The number of channels.
    format : int
        The sample format, such as `paInt16`.
    input, output : bool, optional
        The directions; at least one.
    input_device_index, output_device_index : int, optional
        The devices; None and negative numbers: the default ones.
    frames_per_buffer : int, optional
        Frames per block; 0: the device's own number.
    start : bool, optional
        Start the stream at once.
    input_host_api_specific_stream_info, output_host_api_specific_stream_info : object, optional
        Accepted, and not used.
    stream_callback : callable, optional
        Called for each block with ``(in_data, frame_count, time_info, status)``. It returns
        ``(out_data, flag)``. Without it, use `read` and `write`.
    """

    def __init__(
        self,
        PA_manager: PyAudio,  # noqa: N803 - PyAudio's name
        rate: float,
        channels: int,
        format: int,
        input: bool = False,
        output: bool = False,
        input_device_index: int | None = None,
        output_device_index: int | None = None,
        frames_per_buffer: int = pa.paFramesPerBufferUnspecified,
        start: bool = True,
        input_host_api_specific_stream_info: Any = None,
        output_host_api_specific_stream_info: Any = None,
        stream_callback: Callable[..., Any] | None = None,
    ) -> None:
        if not input and not output:
            raise ValueError("Must specify an input or output stream.")
        if channels < 1:
            raise ValueError(f"Invalid audio channels: {channels}")
        if format not in FORMATS:
            raise OSError(pa.paSampleFormatNotSupported, "Sample format not supported")
        self._parent = PA_manager
        self._is_input, self._is_output = bool(input), bool(output)
        self._is_running = False
        self._rate, self._channels, self._format = rate, channels, format
        self._frames_per_buffer = frames_per_buffer
        self._frame_bytes = channels * sample_bytes(format)
        self._stream_callback = stream_callback
        devices: Any = (_index(input_device_index), _index(output_device_index))
        kind: Any = RawStream
        if not input or not output:
            kind = RawInputStream if input else RawOutputStream
            devices = devices[0] if input else devices[1]
        arguments: dict[str, Any] = {
            "samplerate": rate,
            "blocksize": frames_per_buffer,
            "device": devices,
            "channels": channels,
            "dtype": FORMATS[format],
            # PyAudio asks for the lowest latency. Its programs are mostly in Python threads that
            # hold the GIL, so these streams run ahead of the device.
            "latency": "high",
            "callback": None if stream_callback is None else self._call,
        }
        try:
            self._stream: Any = kind(**arguments)
        except PortAudioError as error:
            raise _checked(error) from error
        except ValueError as error:
            raise OSError(pa.paInvalidDevice, str(error)) from error
        latencies = self._stream.latency
        if not isinstance(latencies, tuple):
            latencies = (latencies if input else 0.0, latencies if output else 0.0)
        self._input_latency, self._output_latency = latencies
        if start:
            self.start_stream()

    def _call(self, *arguments: Any) -> None:
        """Call the program's callback for a block of the raw stream."""
        assert self._stream_callback is not None
        *blocks, frames, time, status = arguments
        times = {
            "input_buffer_adc_time": time.inputBufferAdcTime,
            "current_time": time.currentTime,
            "output_buffer_dac_time": time.outputBufferDacTime,
        }
        given = bytes(blocks[0]) if self._is_input else None
        answer = self._stream_callback(given, frames, times, status._flags)
        made, flag = answer
        if self._is_output:
            outdata = blocks[-1]
            data = memoryview(made if made is not None else b"").cast("B")[: len(outdata)]
            outdata[: len(data)] = data
            if len(data) < len(outdata):
                fill = b"\x80" if self._format == pa.paUInt8 else b"\0"
                outdata[len(data) :] = fill * (len(outdata) - len(data))
                flag = flag or pa.paComplete  # a short block is the last one
        if flag == pa.paComplete:
            raise CallbackStop
        if flag == pa.paAbort:
            raise CallbackAbort
        if flag != pa.paContinue:
            raise ValueError(
                f"the callback returned the flag {shown(flag)}; possible are 0, 1 and 2"
            )

    def _open_stream(self) -> Any:
        if self._stream.closed:
            raise OSError("Stream closed", pa.paBadStreamPtr)
        return self._stream

    def close(self) -> None:
        """End the stream at once, and release the device."""
        self._is_running = False
        try:
            self._stream.close()  # raises the exception that has ended the callback
        finally:
            self._parent._remove_stream(self)

    def get_input_latency(self) -> float:
        """Return the latency of the input.

        Returns
        -------
        float
            Seconds; 0.0 without input.
        """
        self._open_stream()
        return float(self._input_latency)

    def get_output_latency(self) -> float:
        """Return the latency of the output.

        Returns
        -------
        float
            Seconds; 0.0 without output.
        """
        self._open_stream()
        return float(self._output_latency)

    def get_time(self) -> float:
        """Return the time now on the clock of the times that callbacks get.

        Returns
        -------
        float
            Seconds.
        """
        return float(self._open_stream().time)

    def get_cpu_load(self) -> float:
        """Return the part of a block's duration that the callback takes.

        Returns
        -------
        float
            0.0 for streams without a callback.
        """
        return float(self._open_stream().cpu_load) if self._stream_callback else 0.0

    def start_stream(self) -> None:
        """Start the stream. It does nothing if the stream runs."""
        if self._is_running:
            return
        try:
            self._open_stream().start()
        except PortAudioError as error:
            raise _checked(error) from error
        self._is_running = True

    def stop_stream(self) -> None:
        """End the stream when all its frames were played. It can be started again."""
        if not self._is_running:
            return
        self._is_running = False
        try:
            self._open_stream().stop()
        except PortAudioError as error:
            raise _checked(error) from error

    def is_active(self) -> bool:
        """Return whether the stream runs.

        Returns
        -------
        bool
            False also if its callback has ended it.
        """
        return bool(self._open_stream().active)

    def is_stopped(self) -> bool:
        """Return whether the stream was not started, or was stopped.

        Returns
        -------
        bool
            False if its callback has ended it.
        """
        return bool(self._open_stream().stopped)

    def write(
        self, frames: Any, num_frames: int | None = None, exception_on_underflow: bool = False
    ) -> None:
        """Play frames. Waits until there is room for all of them.

        Parameters
        ----------
        frames : bytes
            The frames, interleaved.
        num_frames : int, optional
            How many of them; None: all.
        exception_on_underflow : bool, optional
            Raise OSError if a gap was heard since the last call.
        """
        if not self._is_output:
            raise OSError("Not output stream", pa.paCanNotWriteToAnInputOnlyStream)
        data = memoryview(frames.encode("latin-1") if isinstance(frames, str) else frames)
        data = data.cast("B") if data.nbytes else memoryview(b"")
        count = len(data) // self._frame_bytes
        if num_frames is not None:
            count = min(count, operator.index(num_frames))
        try:
            missed = self._open_stream().write(data[: count * self._frame_bytes])
        except PortAudioError as error:
            raise _checked(error) from error
        if missed and exception_on_underflow:
            raise OSError(pa.paOutputUnderflowed, "Output underflowed")

    def read(self, num_frames: int, exception_on_overflow: bool = True) -> bytes:
        """Wait for input and return it.

        Parameters
        ----------
        num_frames : int
            The number of frames.
        exception_on_overflow : bool, optional
            Raise OSError if input was lost since the last call.

        Returns
        -------
        bytes
            The frames, interleaved.
        """
        if not self._is_input:
            raise OSError("Not input stream", pa.paCanNotReadFromAnOutputOnlyStream)
        if operator.index(num_frames) < 0:
            raise ValueError(f"Invalid number of frames: {num_frames}")
        try:
            data, lost = self._open_stream().read(num_frames)
        except PortAudioError as error:
            raise _checked(error) from error
        if lost and exception_on_overflow:
            raise OSError(pa.paInputOverflowed, "Input overflowed")
        return bytes(data)

    def get_read_available(self) -> int:
        """Return how many frames can be read without waiting.

        Returns
        -------
        int
            The number of frames.
        """
        if not self._is_input:
            raise OSError("Not input stream", pa.paCanNotReadFromAnOutputOnlyStream)
        try:
            return int(self._open_stream().read_available)
        except PortAudioError as error:
            raise _checked(error) from error

    def get_write_available(self) -> int:
        """Return how many frames can be written without waiting.

        Returns
        -------
        int
            The number of frames.
        """
        if not self._is_output:
            raise OSError("Not output stream", pa.paCanNotWriteToAnInputOnlyStream)
        try:
            return int(self._open_stream().write_available)
        except PortAudioError as error:
            raise _checked(error) from error


def _index(device: Any) -> int | None:
    if device is None:
        return None
    try:
        index = operator.index(device)
    except TypeError:
        raise ValueError(f"the index of a device must be an integer, not {shown(device)}") from None
    return index if index >= 0 else None  # as PyAudio; programs have -1 for "no choice"
