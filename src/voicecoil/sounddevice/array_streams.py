"""The streams whose samples are NumPy arrays: `InputStream`, `OutputStream` and `Stream`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from voicecoil.sounddevice.exchanges import InputStreamBase, OutputStreamBase
from voicecoil.sounddevice.formats import BYTES
from voicecoil.sounddevice.streams import StreamBase

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["InputStream", "OutputStream", "Stream"]


class InputStream(InputStreamBase):
    """Records.

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
            wrap_callback="array",
        )

    def read(self, frames: int) -> tuple[NDArray[Any], bool]:
        """Wait for input and return it.

        Parameters
        ----------
        frames : int
            The number of frames.

        Returns
        -------
        (array, bool)
            The frames, shape (frames, channels), and whether input was lost before them.

        Raises
        ------
        PortAudioError
            The stream is not running, or was opened with a callback.
        """
        import numpy as np

        channels, dtype = self._input_shape()
        data, lost = self._read(frames, channels, BYTES[dtype])
        kind = np.dtype(dtype)  # there is no int24 in NumPy
        return np.frombuffer(data, kind).reshape(-1, channels), lost


class OutputStream(OutputStreamBase):
    """Plays.

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
            wrap_callback="array",
        )

    def write(self, data: Any) -> bool:
        """Play frames. Waits until there is room for all of them.

        Parameters
        ----------
        data : array
            The frames, C-contiguous, shape (frames, channels), in the stream's sample format. One
            dimension is one channel.

        Returns
        -------
        bool
            True: a gap was heard since the last call, because this one came too late.

        Raises
        ------
        PortAudioError
            The stream is not running, or was opened with a callback.
        TypeError, ValueError
            `data` has another format, or another number of channels.
        """
        import numpy as np

        channels, dtype = self._output_shape()
        array = np.asarray(data)
        given = array.shape[1] if array.ndim == 2 else 1
        if array.ndim > 2 or given != channels:
            raise ValueError(
                f"number of channels must match: data has shape {array.shape}, and the stream "
                f"{channels} channels"
            )
        if array.dtype != dtype:
            raise TypeError(f"dtype mismatch: data has {array.dtype.name}, and the stream {dtype}")
        if not array.flags.c_contiguous:
            raise TypeError("data must be C-contiguous; give numpy.ascontiguousarray(data)")
        return self._write(
            memoryview(cast("Any", array)).cast("B") if array.size else memoryview(b"")
        )


class Stream(InputStream, OutputStream):
    """Records and plays.

    Parameters
    ----------
    samplerate : float, optional
        Frames per second, Hz. None: the device's rate.
    blocksize : int, optional
        Frames per block; 0: the device's own number.
    device : int, str or dict, or a pair (input, output), optional
        As for `query_devices`.
    channels : int, or a pair, optional
        The number of channels. None: all channels of the device.
    dtype : str or numpy.dtype, or a pair, optional
        The sample format: "float32", "int32", "int16", "int8" or "uint8", and "int24" for streams
        of bytes.
    latency : float or {"low", "high"}, or a pair, optional
        "low": the callback runs on the device's own thread. "high": on a thread that is 60 ms ahead
        of the device. Seconds: the same, this number of seconds ahead.
    extra_settings : CoreAudioSettings or WasapiSettings, or a pair, optional
        Settings of one audio system.
    callback : callable, optional
        Called for each block with ``(indata, outdata, frames, time, status)``. It may raise
        `CallbackStop` or `CallbackAbort`. Without it, use `read` and `write`.
    finished_callback : callable, optional
        Called without arguments when the stream has ended.
    clip_off, dither_off : bool, optional
        Accepted without effect: float samples are not clipped, and nothing is dithered.
    never_drop_input : bool, optional
        Accepted for a duplex stream with a callback and ``blocksize=0``, as in PortAudio.
    prime_output_buffers_using_stream_callback : bool, optional
        The first block is made before the device starts, with the flag `priming_output`.

    Raises
    ------
    PortAudioError
        The device, the channels or the sample rate are not possible, or the audio system refused.
    ValueError, TypeError
        An argument is not valid, or no device matches `device`.
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
            wrap_callback="array",
        )
