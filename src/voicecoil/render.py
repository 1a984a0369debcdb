"""Sound into an array, as fast as the machine can."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from voicecoil import _core
from voicecoil.arguments import check_gain, check_samplerate
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver
from voicecoil.errors import ArgumentError, ArgumentTypeError
from voicecoil.stream import Callback, OutputStream, _CodeFactory

if TYPE_CHECKING:
    import os

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Clip", "render"]

# A cycle of a callback that computes for this long is stuck, not slow.
STEP_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Clip:
    """A piece of sound at an exact frame.

    Parameters
    ----------
    sound : array_like or path
        float32 -1..1 (or an integer type, scaled), shape (frames,) or (frames, channels); or an
        audio file.
    start_frame : int
        Where its first frame goes; 0 or more.
    gain : float
        Linear.
    loops : int
        How often it is played; 0: for ever.
    samplerate : float or None
        The array's rate, Hz; None: that of the rendering.
    """

    sound: NDArray[Any] | str | os.PathLike[str]
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

    total = _frame_count(frames)
    rate = check_samplerate(samplerate)
    assert rate is not None
    device = VirtualDevice(
        "Render",
        input_channels=0,
        output_channels=_channel_count(channels),
        samplerate=rate,
        clock="stepped",
        loopback=False,
    )
    code = callback_or_clips
    if isinstance(code, Clip) or not (callable(code) or hasattr(code, "__int__")):
        code = _mixer_of(code, rate)
    stream = OutputStream(
        code,
        driver=VirtualDriver([device]),
        samplerate=rate,
        channels=channels,
        blocksize=blocksize,
    )
    result = np.zeros((total, channels), np.float32)
    try:
        if total:
            device.capture_into(result)
            stream.start()
            device.step(-(-total // blocksize), timeout_s=None)
            stream.abort()
    finally:
        stream.close()
    return result


def _frame_count(frames: Any) -> int:
    try:
        count = operator.index(frames)
    except TypeError:
        raise ArgumentTypeError(
            f"frames={frames!r} is a {type(frames).__name__}; give a whole number of frames"
        ) from None
    if not 0 <= count < 1 << 40:
        raise ArgumentError(f"frames={count}; give 0 or more, and what fits into memory")
    return count


def _channel_count(channels: Any) -> int:
    if isinstance(channels, bool) or not isinstance(channels, int):
        raise ArgumentTypeError(f"channels={channels!r}; give a whole number, 1 to 1024")
    if not 1 <= channels <= _core.MAX_CHANNELS:
        raise ArgumentError(f"channels={channels}; possible is 1 to {_core.MAX_CHANNELS}")
    return channels


def _mixer_of(clips: Any, samplerate: float) -> _CodeFactory:
    listed = [clips] if isinstance(clips, Clip) else list(clips) if _is_sequence(clips) else None
    if listed is None or not all(isinstance(clip, Clip) for clip in listed):
        raise ArgumentTypeError(
            f"{clips!r} is neither a callback nor clips; give a function of one argument, "
            "the Block, or a sequence of voicecoil.Clip"
        )
    for clip in listed:
        if clip.start_frame < 0 or clip.loops < 0:
            raise ArgumentError(f"{clip!r}: start_frame and loops are 0 or more")

    def make(got: Any, inputs: int, outputs: int) -> _core.Code:
        mixer = _core.MixerCode(outputs, max(1, len(listed)), False)
        for clip in listed:
            sound = _sound(clip, samplerate, outputs)
            mixer.add(
                _core.Clip.from_memory(sound, clip.loops, clip.start_frame, check_gain(clip.gain))
            )
        return mixer

    return _CodeFactory(make)


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def _sound(clip: Clip, samplerate: float, channels: int) -> NDArray[np.float32]:
    from voicecoil.conversion import as_source, converted, read_all

    source = as_source(clip.sound, clip.samplerate or samplerate)
    return read_all(converted(source, samplerate, channels))
