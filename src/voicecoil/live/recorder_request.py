"""Checks the arguments of a recorder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from voicecoil.arguments import check_blocksize, check_samplerate, check_seconds, shown
from voicecoil.errors import ArgumentError
from voicecoil.sample_types import SampleType, check_dtype

__all__ = ["OnOverflow", "RecorderRequest", "check_recorder"]

OnOverflow = Literal["drop_oldest", "stop", "raise"]

BLOCK_S = 0.02
BUFFER_RANGE_S = (0.05, 3600.0)


@dataclass(frozen=True)
class RecorderRequest:
    """The checked arguments of a recorder.

    Attributes
    ----------
    samplerate : float or None
    dtype : {"float32", "int16", "int32", "uint8"}
    block_s : float
    blocksize : int or None
    buffer_s : float
    on_overflow : {"drop_oldest", "stop", "raise"}
    """

    samplerate: float | None
    dtype: SampleType
    block_s: float
    blocksize: int | None
    buffer_s: float
    on_overflow: OnOverflow

    def block_frames(self, samplerate: float) -> int:
        """Return the frames of a block."""
        return self.blocksize or max(1, round(self.block_s * samplerate))

    def last_frames(self, seconds: Any, samplerate: float) -> int:
        """Return the frames that `last` returns at most.

        Raises
        ------
        ArgumentError, ArgumentTypeError
            The recorder does not keep that many.
        """
        checked = check_seconds(seconds, "seconds", least_excluded=True)
        if checked > self.buffer_s:
            raise ArgumentError(
                f"seconds={seconds!r} s; the recorder keeps buffer_s={self.buffer_s:g} s, so give "
                "that or less, or make the recorder with a longer buffer_s"
            )
        return max(1, round(checked * samplerate))


def check_recorder(
    samplerate: Any, dtype: Any, block_s: Any, blocksize: Any, buffer_s: Any, on_overflow: Any
) -> RecorderRequest:
    """Check the arguments of a recorder that need no device.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        An argument is impossible.
    """
    frames = check_blocksize(blocksize)
    if block_s is not None and frames is not None:
        raise ArgumentError(
            f"block_s={shown(block_s)} and blocksize={shown(blocksize)}; give one of them"
        )
    seconds = BLOCK_S if block_s is None else check_seconds(block_s, "block_s", least_excluded=True)
    buffer = check_seconds(buffer_s, "buffer_s")
    low, high = BUFFER_RANGE_S
    if not low <= buffer <= high:
        raise ArgumentError(f"buffer_s={buffer_s!r} s; give {low:g} to {high:g}")
    if frames is None and seconds > buffer:
        raise ArgumentError(
            f"block_s={seconds:g} s is longer than buffer_s={buffer:g} s; give a longer buffer_s"
        )
    if on_overflow not in ("drop_oldest", "stop", "raise"):
        raise ArgumentError(
            f'on_overflow={shown(on_overflow)}; possible are "drop_oldest", "stop" and "raise"'
        )
    return RecorderRequest(
        check_samplerate(samplerate), check_dtype(dtype), seconds, frames, buffer, on_overflow
    )
