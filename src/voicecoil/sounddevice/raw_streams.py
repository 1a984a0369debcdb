"""The streams whose samples are bytes: `RawInputStream`, `RawOutputStream` and `RawStream`."""

from __future__ import annotations

from typing import Any

from voicecoil.sounddevice.exchanges import InputStreamBase, OutputStreamBase
from voicecoil.sounddevice.formats import BYTES
from voicecoil.sounddevice.streams import StreamBase

__all__ = ["RawInputStream", "RawOutputStream", "RawStream"]


class RawInputStream(InputStreamBase):
    """Records, with buffers of bytes in place of arrays.

    Parameters
    ----------
    samplerate, blocksize, device, channels, dtype, latency, extra_settings, callback, \
    finished_callback, clip_off, dither_off, never_drop_input, \
    prime_output_buffers_using_stream_callback
        As for `Stream`. `callback` is called with ``(indata, frames, time, status)``.
    """

    def __init__(
        self,
        samplerate: Any = None,
        blocksize: Any = None,
        device: Any = None,
        channels: Any = None,
        dtype: Any = None,
        latency: Any = None,
        extra_settings: Any = None,
        callback: Any = None,
        finished_callback: Any = None,
        clip_off: Any = None,
        dither_off: Any = None,
        never_drop_input: Any = None,
        prime_output_buffers_using_stream_callback: Any = None,
    ) -> None:
        StreamBase.__init__(
            self,
            "input",
            samplerate,
            blocksize,
            device,
            channels,
            dtype,
            latency,
            extra_settings,
            callback,
            finished_callback,
            clip_off,
            dither_off,
            never_drop_input,
            prime_output_buffers_using_stream_callback,
            wrap_callback="buffer",
        )

    def read(self, frames: int) -> tuple[Any, bool]:
        """Wait for input and return it.

        Parameters
        ----------
        frames : int
            The number of frames.

        Returns
        -------
        (buffer, bool)
            The frames, interleaved, and whether input was lost before them.

        Raises
        ------
        PortAudioError
            The stream is not running, or was opened with a callback.
        """
        from _cffi_backend import FFI

        channels, dtype = self._input_shape()
        data, lost = self._read(frames, channels, BYTES[dtype])
        ffi = FFI()
        return ffi.buffer(ffi.from_buffer(data)), lost


class RawOutputStream(OutputStreamBase):
    """Plays, with buffers of bytes in place of arrays.

    Parameters
    ----------
    samplerate, blocksize, device, channels, dtype, latency, extra_settings, callback, \
    finished_callback, clip_off, dither_off, never_drop_input, \
    prime_output_buffers_using_stream_callback
        As for `Stream`. `callback` is called with ``(outdata, frames, time, status)``.
    """

    def __init__(
        self,
        samplerate: Any = None,
        blocksize: Any = None,
        device: Any = None,
        channels: Any = None,
        dtype: Any = None,
        latency: Any = None,
        extra_settings: Any = None,
        callback: Any = None,
        finished_callback: Any = None,
        clip_off: Any = None,
        dither_off: Any = None,
        never_drop_input: Any = None,
        prime_output_buffers_using_stream_callback: Any = None,
    ) -> None:
        StreamBase.__init__(
            self,
            "output",
            samplerate,
            blocksize,
            device,
            channels,
            dtype,
            latency,
            extra_settings,
            callback,
            finished_callback,
            clip_off,
            dither_off,
            never_drop_input,
            prime_output_buffers_using_stream_callback,
            wrap_callback="buffer",
        )

    def write(self, data: Any) -> bool:
        """Play frames. Waits until there is room for all of them.

        Parameters
        ----------
        data : buffer
            The frames, interleaved, in the stream's sample format.

        Returns
        -------
        bool
            True: a gap was heard since the last call, because this one came too late.

        Raises
        ------
        PortAudioError
            The stream is not running, or was opened with a callback.
        ValueError
            `data` is not a whole number of frames.
        """
        channels, dtype = self._output_shape()
        view = memoryview(data.encode("latin-1") if isinstance(data, str) else data)
        if not view.c_contiguous:
            view = memoryview(view.tobytes())
        view = view.cast("B") if view.nbytes else memoryview(b"")
        if len(view) % BYTES[dtype]:
            raise ValueError(
                f"len(data) not divisible by samplesize: {len(view)} bytes, and a sample has "
                f"{BYTES[dtype]}"
            )
        if len(view) % (BYTES[dtype] * channels):
            raise ValueError(
                f"Number of samples not divisible by channels: {len(view) // BYTES[dtype]} "
                f"samples, and a frame has {channels}"
            )
        return self._write(view)


class RawStream(RawInputStream, RawOutputStream):
    """Records and plays, with buffers of bytes in place of arrays.

    Parameters
    ----------
    samplerate, blocksize, device, channels, dtype, latency, extra_settings, callback, \
    finished_callback, clip_off, dither_off, never_drop_input, \
    prime_output_buffers_using_stream_callback
        As for `Stream`.
    """

    def __init__(
        self,
        samplerate: Any = None,
        blocksize: Any = None,
        device: Any = None,
        channels: Any = None,
        dtype: Any = None,
        latency: Any = None,
        extra_settings: Any = None,
        callback: Any = None,
        finished_callback: Any = None,
        clip_off: Any = None,
        dither_off: Any = None,
        never_drop_input: Any = None,
        prime_output_buffers_using_stream_callback: Any = None,
    ) -> None:
        StreamBase.__init__(
            self,
            "duplex",
            samplerate,
            blocksize,
            device,
            channels,
            dtype,
            latency,
            extra_settings,
            callback,
            finished_callback,
            clip_off,
            dither_off,
            never_drop_input,
            prime_output_buffers_using_stream_callback,
            wrap_callback="buffer",
        )
