"""`play`, `rec` and `playrec`, and the functions that wait for them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from voicecoil.arguments import shown
from voicecoil.sounddevice import state
from voicecoil.sounddevice.array_streams import InputStream, OutputStream, Stream
from voicecoil.sounddevice.errors import BAD_STREAM, CallbackStop, fault
from voicecoil.sounddevice.flags import CallbackFlags
from voicecoil.sounddevice.options import options
from voicecoil.sounddevice.query import query_devices

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from voicecoil.sounddevice.streams import StreamBase

__all__ = ["get_status", "get_stream", "play", "playrec", "rec", "stop", "wait"]

_FORMATS = ("float64", "float32", "int32", "int16", "int8", "uint8")
_LOOK_S = 0.1


def play(
    data: Any,
    samplerate: Any = None,
    mapping: Any = None,
    blocking: bool = False,
    loop: bool = False,
    **kwargs: Any,
) -> None:
    """Play an array. The sound of an earlier call ends.

    Parameters
    ----------
    data : array-like
        The samples, shape (frames,) or (frames, channels). float64 becomes float32.
    samplerate : float, optional
        Frames per second, Hz; None: the default.
    mapping : array-like, optional
        The device's channel, counted from 1, for each channel of `data`.
    blocking : bool, optional
        Return when the sound has been played.
    loop : bool, optional
        Begin again at the end, until `stop`.
    **kwargs
        Other arguments of `OutputStream`.
    """
    take = _Take(loop)
    take.use_data(data, mapping, kwargs.get("device"))

    def callback(outdata: Any, frames: int, time: Any, status: CallbackFlags) -> None:
        assert len(outdata) == frames
        take.status |= status
        take.write(outdata)
        take.advance(frames)

    take.start(
        OutputStream,
        samplerate,
        take.output_channels,
        take.output_dtype,
        callback,
        blocking,
        **kwargs,
    )


def rec(
    frames: Any = None,
    samplerate: Any = None,
    channels: Any = None,
    dtype: Any = None,
    out: Any = None,
    mapping: Any = None,
    blocking: bool = False,
    **kwargs: Any,
) -> NDArray[Any]:
    """Record into an array, which is returned at once and is filled while time passes.

    Parameters
    ----------
    frames : int, optional
        The number of frames; not needed with `out`.
    samplerate : float, optional
        Frames per second, Hz; None: the default.
    channels : int, optional
        The number of channels; not needed with `out` or `mapping`.
    dtype : str or numpy.dtype, optional
        The sample format, also "float64".
    out : array, optional
        The array to record into.
    mapping : array-like, optional
        The device's channel, counted from 1, for each channel of the result.
    blocking : bool, optional
        Return when the recording is complete.
    **kwargs
        Other arguments of `InputStream`.

    Returns
    -------
    array
        Shape (frames, channels). It is complete when `wait` has returned.
    """
    take = _Take()
    recording = take.use_out(out, frames, channels, dtype, mapping)

    def callback(indata: Any, frames: int, time: Any, status: CallbackFlags) -> None:
        assert len(indata) == frames
        take.status |= status
        take.read(indata)
        take.advance(frames)

    take.start(
        InputStream, samplerate, take.input_channels, take.input_dtype, callback, blocking, **kwargs
    )
    return recording


def playrec(
    data: Any,
    samplerate: Any = None,
    channels: Any = None,
    dtype: Any = None,
    out: Any = None,
    input_mapping: Any = None,
    output_mapping: Any = None,
    blocking: bool = False,
    **kwargs: Any,
) -> NDArray[Any]:
    """Play an array and record at the same time.

    Parameters
    ----------
    data : array-like
        As for `play`.
    samplerate : float, optional
        Frames per second, Hz; None: the default.
    channels : int, optional
        The number of input channels; not needed with `out` or `input_mapping`.
    dtype : str or numpy.dtype, optional
        The sample format of the recording.
    out : array, optional
        The array to record into, as long as `data`.
    input_mapping, output_mapping : array-like, optional
        As `mapping` of `rec` and of `play`.
    blocking : bool, optional
        Return when the recording is complete.
    **kwargs
        Other arguments of `Stream`.

    Returns
    -------
    array
        The recording, shape (frames, channels). It is complete when `wait` has returned.
    """
    take = _Take()
    sound = take.use_data(data, output_mapping, kwargs.get("device"))
    if dtype is None:
        dtype = sound.dtype
    frames = take.frames
    recording = take.use_out(out, frames, channels, dtype, input_mapping)
    if len(recording) != frames:
        raise ValueError(
            f"len(data) != len(out): {frames} frames are played, and `out` has {len(recording)}"
        )

    def callback(indata: Any, outdata: Any, frames: int, time: Any, status: CallbackFlags) -> None:
        assert len(indata) == len(outdata) == frames
        take.status |= status
        take.read(indata)
        take.write(outdata)
        take.advance(frames)

    take.start(
        Stream,
        samplerate,
        (take.input_channels, take.output_channels),
        (take.input_dtype, take.output_dtype),
        callback,
        blocking,
        **kwargs,
    )
    return recording


def wait(ignore_errors: bool = True) -> CallbackFlags | None:
    """Wait until the newest `play`, `rec` or `playrec` is complete.

    Parameters
    ----------
    ignore_errors : bool, optional
        False: raise the errors of closing the stream.

    Returns
    -------
    CallbackFlags or None
        What happened, if a flag is set.
    """
    return _newest.wait(ignore_errors) if _newest is not None else None


def stop(ignore_errors: bool = True) -> None:
    """End `play`, `rec` or `playrec`.

    Parameters
    ----------
    ignore_errors : bool, optional
        False: raise PortAudioError if nothing runs.
    """
    global _overlapping
    others, _overlapping = _overlapping, []
    for take in others:
        take.stop(True)
    if _newest is not None:
        _newest.stop(ignore_errors)


def get_status() -> CallbackFlags:
    """Return what happened in the newest `play`, `rec` or `playrec`.

    Returns
    -------
    CallbackFlags
        The flags of all its blocks.
    """
    if _newest is None:
        raise RuntimeError("play()/rec()/playrec() was not called yet")
    return _newest.status


def get_stream() -> StreamBase:
    """Return the stream of the newest `play`, `rec` or `playrec`.

    Returns
    -------
    OutputStream, InputStream or Stream
    """
    if _newest is None:
        raise RuntimeError("play()/rec()/playrec() was not called yet")
    assert _newest.stream is not None
    return _newest.stream


class _Take:
    """One call of `play`, `rec` or `playrec`."""

    out: NDArray[Any] | None = None  # the arrays; None at the end, because this object stays
    data: NDArray[Any] | None = None

    def __init__(self, loop: bool = False) -> None:
        import numpy as np

        self._np = np
        self._loop = loop
        self.status = CallbackFlags()
        self.stream: StreamBase | None = None
        self.frames = 0
        self._frame = 0  # the frame that comes next

    @property
    def over(self) -> bool:
        """Whether the stream has ended."""
        return self.stream is None or self.stream.over.is_set()

    def use_data(self, data: Any, mapping: Any, device: Any) -> NDArray[Any]:
        """Take the sound, and find the channels that play it. Returns its array."""
        np = self._np
        sound: NDArray[Any] = np.asarray(data)
        if sound.ndim < 2:
            sound = sound.reshape(-1, 1)
        if sound.ndim > 2:
            raise ValueError(
                f"audio data to be played back must be one- or two-dimensional, not {sound.shape}"
            )
        self.data = sound
        self.frames, channels = sound.shape
        self.output_dtype = self._format(sound.dtype)
        if mapping is None:
            self.output_channels = channels
            self._places = np.arange(channels)
            self._silent = np.empty(0, int)
            return sound
        self._places, self.output_channels = self._mapping(mapping)
        if len(set(self._places.tolist())) < self._places.size:
            raise ValueError(f"each channel may only appear once in mapping, not {shown(mapping)}")
        if channels not in (1, self._places.size):
            raise ValueError(
                "number of output channels != size of output mapping: data has "
                f"{channels} channels, and mapping={shown(mapping)}"
            )
        if self.output_channels == 1:
            # A stream with one channel would be played on both channels of the stereo pair.
            most = query_devices(device, "output")["max_output_channels"]
            self.output_channels = min(2, most)
        self._silent = np.setdiff1d(np.arange(self.output_channels), self._places)
        return sound

    def use_out(
        self, out: Any, frames: Any, channels: Any, dtype: Any, mapping: Any
    ) -> NDArray[Any]:
        """Take or make the array of the recording, and find the channels that it has."""
        np = self._np
        self._sources = None
        if mapping is not None:
            self._sources, self.input_channels = self._mapping(mapping)
        recording: NDArray[Any] = self._new_out(frames, channels, dtype) if out is None else out
        self.out = recording
        _, channels = recording.shape
        self.frames = len(recording)
        if self._sources is None:
            self._sources, self.input_channels = np.arange(channels), channels
        elif channels != self._sources.size:
            raise ValueError(
                "number of input channels != size of input mapping: "
                f"{channels} channels, and mapping={shown(mapping)}"
            )
        self.input_dtype = self._format(recording.dtype)
        return recording

    def _new_out(self, frames: Any, channels: Any, dtype: Any) -> NDArray[Any]:
        if frames is None:
            raise TypeError("frames must be specified, or `out`")
        if channels is None:
            channels = state.default.channels["input"]
        if channels is None:
            if self._sources is None:
                raise TypeError(
                    "Unable to determine number of input channels; give channels, mapping or out"
                )
            channels = self._sources.size
        if dtype is None:
            dtype = state.default.dtype["input"]
        try:
            return self._np.zeros((frames, channels), dtype, order="C")
        except TypeError as error:
            if isinstance(frames, float):
                raise TypeError(f"'frames' must be an integer, not {shown(frames)}") from error
            raise

    def _mapping(self, mapping: Any) -> tuple[NDArray[Any], int]:
        """Return the channels of a mapping, 0-based, and the number that the stream needs."""
        places = self._np.array(mapping, copy=True).reshape(-1)
        if places.min() < 1:
            raise ValueError(f"channel numbers must not be < 1, and mapping={shown(mapping)}")
        return (places - 1).astype(int), int(places.max())

    def _format(self, dtype: Any) -> str:
        """Return the stream's sample format for an array."""
        name = str(dtype.name)
        if name not in _FORMATS:
            raise TypeError(
                f"Unsupported data type: {shown(name)}; possible are {', '.join(_FORMATS)}"
            )
        return "float32" if name == "float64" else name

    def write(self, outdata: NDArray[Any]) -> None:
        """Fill a block with the next frames of the sound, and silence after its end."""
        wanted, made = len(outdata), 0
        start, data = self._frame, self.data
        if data is None:
            raise CallbackStop
        while made < wanted and start < self.frames:
            part = data[start : start + wanted - made]
            outdata[made : made + len(part), self._places] = part
            made, start = made + len(part), start + len(part)
            if self._loop and start >= self.frames:
                start = 0
        if self._silent.size:
            outdata[:made, self._silent] = 128 * (self.output_dtype == "uint8")
        if made < wanted:
            outdata[made:] = 128 * (self.output_dtype == "uint8")
        if self._loop:
            self._frame = start

    def read(self, indata: NDArray[Any]) -> None:
        """Store a block of the recording."""
        room, out = self.frames - self._frame, self.out
        if out is None:
            raise CallbackStop
        if room > 0:
            out[self._frame : self._frame + len(indata)] = indata[:room][:, self._sources]

    def advance(self, frames: int) -> None:
        """Go on, or end the stream with the block that has the last frame."""
        if self._loop and self.frames:
            return
        self._frame += frames
        if self._frame >= self.frames:
            raise CallbackStop

    def start(
        self,
        StreamClass: Any,  # noqa: N803 - seen in error messages of python-sounddevice
        samplerate: Any,
        channels: Any,
        dtype: Any,
        callback: Any,
        blocking: bool,
        **kwargs: Any,
    ) -> None:
        """Open and start the stream."""
        global _newest, _overlapping
        kwargs.setdefault("prime_output_buffers_using_stream_callback", False)
        if _newest is not None:
            if options.overlapping_play:
                _overlapping = [one for one in _overlapping if not one.over]
                _overlapping.append(_newest)
            else:
                stop()
        self.stream = StreamClass(
            samplerate=samplerate,
            channels=channels,
            dtype=dtype,
            callback=callback,
            **kwargs,
        )
        self.stream.when_over = self._drop_arrays
        self.stream.start()
        _newest = self
        if blocking:
            self.wait()

    def wait(self, ignore_errors: bool = True) -> CallbackFlags | None:
        """Wait until the stream has ended, and close it."""
        assert self.stream is not None
        lost = None
        try:
            # Not for `finished_callback`, which may wait here itself, or behind one that is slow.
            while not self.stream.over.wait(_LOOK_S):
                pass
            lost = self.stream.loss()
        finally:
            self.stream.close(ignore_errors)
        if lost is not None:
            raise lost
        return self.status if self.status else None

    def _drop_arrays(self) -> None:
        self.data = self.out = None

    def stop(self, ignore_errors: bool = True) -> None:
        """End the stream."""
        assert self.stream is not None
        if self.stream.closed and not ignore_errors:
            raise fault(BAD_STREAM, "Error stopping stream")
        self.stream.stop(ignore_errors)
        self.stream.close(ignore_errors)


_newest: _Take | None = None
_overlapping: list[_Take] = []


def _after_fork_in_child() -> None:
    """Forget the sounds of the parent, whose streams do not run in a forked child."""
    global _newest, _overlapping
    _newest, _overlapping = None, []


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
