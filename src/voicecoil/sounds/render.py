"""Sound into an array, as fast as the machine can."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from voicecoil import _core
from voicecoil.arguments import check_blocksize, check_count, check_gain, check_samplerate
from voicecoil.drivers.virtual.driver import MAX_FRAMES, VirtualDevice, VirtualDriver
from voicecoil.errors import ArgumentError, ArgumentTypeError
from voicecoil.files.channels import check_channels
from voicecoil.resources import resource_errors
from voicecoil.streams.base import Callback, CodeFactory
from voicecoil.streams.stream import OutputStream

if TYPE_CHECKING:
    import os

    import numpy as np
    from numpy.typing import NDArray

    from voicecoil.files.source import Source

__all__ = ["Clip", "render"]

STEP_CYCLES = 1024  # between two looks whether the stream has ended


@dataclass(frozen=True)
class Clip:
    """A piece of sound at an exact frame.

    Parameters
    ----------
    sound : array, path or source
        As for :func:`play`.
    start_frame : int
        Where its first frame goes; 0 or more.
    gain : float
        Linear.
    loops : int
        How often it is played; 0: for ever.
    samplerate : float or None
        The array's rate, Hz; None: that of the rendering.
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
    channels: int = 2,
    blocksize: int = 512,
) -> NDArray[np.float32]:
    """What a device would have heard.

    The callback runs through the same engine as on a device, on a thread of its own, one block
    after the other without waiting for a clock: the result depends on nothing but the callback.

    Parameters
    ----------
    callback_or_clips : callable, native function, Clip, or sequence of Clip
        As for :class:`OutputStream`; or clips that are mixed.
    frames : int
        How many.
    samplerate : float
        Hz.
    channels : int
        Of the result.
    blocksize : int
        Frames per block. The callback is called ceil(frames / blocksize) times, always for a whole
        block; what exceeds `frames` is dropped.

    Returns
    -------
    numpy.ndarray
        float32, shape (frames, channels). Silent behind a `Stop`.

    Raises
    ------
    Exception
        What the callback raised.
    ArgumentError, ArgumentTypeError
        What was given cannot work.
    """
    import numpy as np

    total = check_count(frames, "frames", "how many, 0 or more, that fit into memory")
    rate = check_samplerate(samplerate)
    if rate is None:
        raise ArgumentTypeError("samplerate=None; give the rate of the result, such as 48000")
    count = check_channels(channels)
    size = check_blocksize(blocksize)
    if size is None:
        raise ArgumentError(f"blocksize={blocksize!r}; give frames per block, such as 512")
    code = callback_or_clips
    if isinstance(code, Clip) or _is_sequence(code):
        code = _mixer_of(code, rate, total)
    try:
        result = np.empty((total, count), np.float32)  # zeros() comes in small pages
    except MemoryError:
        raise ArgumentError(
            f"frames={total} of {count} channels are {total * count * 4 / 2**30:.0f} GiB, more "
            "than there is; render shorter pieces"
        ) from None
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
            channels=count,
            blocksize=size,
            latency="low",  # nobody waits for a clock here
        )
    try:
        if total:
            device.capture_into(result)
            with resource_errors("render"):
                stream.start()
            cycles = -(-total // min(size, MAX_FRAMES))
            while cycles > 0 and stream.active:  # a `Stop` or an exception ends it early
                device.step(min(cycles, STEP_CYCLES), timeout_s=None)
                cycles -= STEP_CYCLES
            stream.abort()
            result[total - device.capture_room :] = 0.0
    finally:
        stream.close()
    return result


def _mixer_of(clips: Any, samplerate: float, frames: int) -> CodeFactory:
    listed = [clips] if isinstance(clips, Clip) else list(clips)
    for clip in listed:
        if not isinstance(clip, Clip):
            raise ArgumentTypeError(
                f"a {type(clip).__name__} is no clip; give a function of one argument, the Block, "
                "a voicecoil.Clip, or a sequence of them"
            )
        _check(clip)

    def make(got: Any, inputs: int, outputs: int) -> _core.Code:
        mixer = _core.MixerCode(outputs, max(1, len(listed)), False)
        for clip in listed:
            sound, loops = _sound(clip, samplerate, outputs, max(1, frames - clip.start_frame))
            mixer.add(_core.Clip.from_memory(sound, loops, clip.start_frame, clip.gain))
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
    """Return the frames of a clip that can be heard, and how often the mixer repeats them."""
    from voicecoil.files.convert import as_source, converted, read_all
    from voicecoil.files.loop import LoopedSource
    from voicecoil.files.source import FileSource

    # An array is at the rendering's rate unless it says otherwise; a file knows its own.
    rate = clip.samplerate or (samplerate if hasattr(clip.sound, "dtype") else None)
    source = file = as_source(clip.sound, rate)
    loops = clip.loops
    if loops != 1 and source.samplerate != samplerate:
        source, loops = LoopedSource(source, loops), 1  # the seams are converted as well
    try:
        sound = read_all(converted(source, samplerate, channels), max_frames=max_frames)
        if isinstance(file, FileSource):
            file.check_complete()
        return sound, loops
    finally:
        source.close()
