"""Offline rendering of callbacks and clips into an array."""

from __future__ import annotations

import contextlib
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from voicecoil import _core
from voicecoil.arguments import check_blocksize, check_count, check_gain, check_samplerate
from voicecoil.drivers.virtual.driver import MAX_FRAMES, VirtualDevice, VirtualDriver
from voicecoil.errors import ArgumentError, ArgumentTypeError, StreamClosedError
from voicecoil.files.channels import check_channels
from voicecoil.resources import resource_errors
from voicecoil.streams.base import Callback, CodeFactory
from voicecoil.streams.channel_map import is_number, reusable_channels
from voicecoil.streams.stream import OutputStream
from voicecoil.wording import plural, with_article

if TYPE_CHECKING:
    import os

    import numpy as np
    from numpy.typing import NDArray

    from voicecoil.files.protocol import Source

__all__ = ["Clip", "render"]

STEP_CYCLES = 1024  # IO cycles between two checks whether the stream has ended


@dataclass(frozen=True)
class Clip:
    """A piece of sound at an exact frame.

    Parameters
    ----------
    sound : array, path or source
        As for :func:`play`.
    start_frame : int
        Frame of the result at which the sound begins; 0 or more.
    gain : float
        Linear gain.
    loops : int
        Number of times that the sound is played; 0 repeats it to the end of the result.
    samplerate : float or None
        The array's sample rate, Hz. None means the rate of the rendering.
    """

    sound: NDArray[Any] | str | os.PathLike[str] | Source
    start_frame: int = 0
    gain: float = 1.0
    loops: int = 1
    samplerate: float | None = None


def render(
    callback_or_clips: Callback | Clip | Sequence[Clip] | Any,
    *,
    frames: int,
    samplerate: float = 48_000.0,
    channels: int | Sequence[int] = 2,
    blocksize: int = 512,
    dtype: Any = "float32",
) -> NDArray[np.float32]:
    """Return the frames that a device would have played, faster than real time.

    The callback runs in the same engine as on a device and on a thread of its own. The engine calls
    it for one block after the other and does not wait for a clock. Therefore the result depends
    only on the callback.

    Parameters
    ----------
    callback_or_clips : callable, native function, Clip, or sequence of Clip
        A callback as for :class:`OutputStream`, or clips that are mixed.
    frames : int
        Length of the result in frames.
    samplerate : float
        Sample rate of the result, Hz.
    channels : int or sequence of int
        The number of channels of ``block.output`` and of the result, or a list. A list has the
        channel of the result, 0-based, for each channel of ``block.output``, as for
        :class:`OutputStream`. The result then has all channels up to the highest in the list. The
        channels that are not in the list are silent.
    blocksize : int
        Frames per block. The callback is called ceil(frames / blocksize) times, each time for a
        whole block. Frames beyond `frames` are dropped.
    dtype : {"float32", "int16", "int32", "uint8"}
        The type of the samples in ``block.output``, as for :class:`OutputStream`.

    Returns
    -------
    ndarray of float32, shape (frames, channels)
        If the callback raises `Stop`, the rest is silence.

    Raises
    ------
    Exception
        The exception that the callback raised.
    ArgumentError, ArgumentTypeError
        An argument is impossible.
    """
    total = check_count(frames, "frames", "how many, 0 or more, that fit into memory")
    rate = check_samplerate(samplerate)
    if rate is None:
        raise ArgumentTypeError("samplerate=None; give the rate of the result, such as 48000")
    channels = reusable_channels(channels)
    count = _result_channels(channels)
    size = check_blocksize(blocksize)
    if size is None:
        raise ArgumentError(f"blocksize={blocksize!r}; give frames per block, such as 512")
    code = callback_or_clips
    if isinstance(code, Clip) or _is_sequence(code):
        code = _mixer_of(code, rate, total)
    result = _empty(total, count)
    device = VirtualDevice(
        "Render",
        input_channels=0,
        output_channels=count,
        samplerate=rate,
        clock="stepped",
        frames=min(size, MAX_FRAMES),
        loopback=False,
    )
    with resource_errors("render"):
        stream = OutputStream(
            code,
            driver=VirtualDriver([device]),
            samplerate=rate,
            channels=channels,
            blocksize=size,
            dtype=dtype,
            latency="low",  # the stepped clock waits for the callback, so no lead is needed
        )
    try:
        if total:
            device.capture_into(result)
            with resource_errors("render"):
                stream.start()
            cycles = -(-total // min(size, MAX_FRAMES))
            while cycles > 0 and stream.active:  # `Stop` or an exception ends the stream early
                device.step(min(cycles, STEP_CYCLES), timeout_s=None)
                cycles -= STEP_CYCLES
            # At exit the stream of a daemon thread is closed. Nothing uses its result then.
            with contextlib.suppress(StreamClosedError):
                stream.abort()
            result[total - device.capture_room :] = 0.0
    finally:
        stream.close()
    return result


def _result_channels(channels: Any) -> int:
    """Return the number of channels of the result."""
    try:
        if isinstance(channels, (str, bytes)) or is_number(channels):
            return check_channels(channels)
        listed = [operator.index(channel) for channel in channels if is_number(channel)]
    except TypeError:
        return check_channels(channels)
    return check_channels(max([0, *listed]) + 1)


def _empty(frames: int, channels: int) -> NDArray[np.float32]:
    """Return memory for the result. Its content is undefined."""
    import numpy as np

    try:
        # zeros() is slower than empty(), because it gets small memory pages instead of large ones.
        return np.empty((frames, channels), np.float32)
    except MemoryError:
        raise ArgumentError(
            f"frames={frames} of {plural(channels, 'channel')} are "
            f"{frames * channels * 4 / 2**30:.0f} GiB, more memory than is available; "
            "render shorter pieces"
        ) from None


def _mixer_of(clips: Any, samplerate: float, frames: int) -> CodeFactory:
    listed = [clips] if isinstance(clips, Clip) else list(clips)
    for clip in listed:
        if not isinstance(clip, Clip):
            raise ArgumentTypeError(
                f"{with_article(type(clip).__name__)} is not a clip; give a function of one "
                "argument, the Block, a voicecoil.Clip, or a sequence of them"
            )
        _check(clip)

    def make(opened_format: Any, inputs: int, outputs: int) -> _core.Code:
        mixer = _core.MixerCode(outputs, max(1, len(listed)), False)
        for clip in listed:
            sound, loops = _sound(clip, samplerate, outputs, max(1, frames - clip.start_frame))
            mixer.add(_core.MixerClip.from_memory(sound, loops, clip.start_frame, clip.gain))
        return mixer

    return CodeFactory(make)


def _check(clip: Clip) -> None:
    check_count(clip.start_frame, "start_frame", "the frame where the clip begins, 0 or more")
    check_count(clip.loops, "loops", "how often it is played, or 0 for ever")
    check_gain(clip.gain)
    check_samplerate(clip.samplerate)


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def _sound(
    clip: Clip, samplerate: float, channels: int, max_frames: int
) -> tuple[NDArray[np.float32], int]:
    """Return at most `max_frames` frames of a clip, and how often the mixer must play them."""
    from voicecoil.files.convert import as_source, converted, read_all
    from voicecoil.files.loop import LoopedSource
    from voicecoil.files.source import FileSource

    # The rate of an array defaults to that of the rendering. A file has its own rate.
    rate = clip.samplerate or (samplerate if hasattr(clip.sound, "dtype") else None)
    source = file = as_source(clip.sound, rate)
    loops = clip.loops
    if loops != 1 and source.samplerate != samplerate:
        # Loop before the conversion, because separate conversions would click between passes.
        source, loops = LoopedSource(source, loops), 1
    try:
        sound = read_all(converted(source, samplerate, channels), max_frames=max_frames)
        if isinstance(file, FileSource):
            file.check_complete()
        return sound, loops
    finally:
        source.close()
