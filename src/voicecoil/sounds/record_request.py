"""Checks the arguments of `record`, and makes the objects that receive the frames."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Any, Literal

from voicecoil import _core
from voicecoil.arguments import check_count, check_samplerate, check_seconds, shown
from voicecoil.drivers.protocol import OpenedFormat
from voicecoil.errors import ArgumentError, ArgumentTypeError
from voicecoil.files.gaps import MAX_GAPS
from voicecoil.sample_types import SampleType, check_dtype
from voicecoil.wording import plural

__all__ = ["OnLoss", "RecordRequest", "Reception", "check_record_request"]

OnLoss = Literal["silence", "cut", "stop"]

BUFFER_RANGE_S = (0.1, 3600.0)


@dataclass(frozen=True)
class Reception:
    """The objects that receive the frames of a device for a recording.

    Attributes
    ----------
    code : RecorderCode
        The code that runs on the IO thread and writes into the ring.
    ring : Ring
    samplerate : float
        Sample rate of the recording, Hz. The ring's frames have the device's rate.
    frames : int or None
        Length of the recording; None: it continues until `stop`.
    """

    code: _core.RecorderCode
    ring: _core.Ring
    samplerate: float
    frames: int | None


@dataclass(frozen=True)
class RecordRequest:
    """The checked arguments of a recording.

    Attributes
    ----------
    frames : int or None
    duration_s : float or None
        At most one of these two is given. If both are None, the recording continues until `stop`.
    samplerate : float or None
        Hz; None: the device's rate.
    buffer_s : float
    on_loss : {"silence", "cut", "stop"}
    dtype : {"float32", "int16", "int32", "uint8"}
    """

    frames: int | None
    duration_s: float | None
    samplerate: float | None
    buffer_s: float
    on_loss: OnLoss
    dtype: SampleType

    def receive(self, opened_format: OpenedFormat, channels: int) -> Reception:
        """Makes the ring and the code for a device that was opened.

        Raises
        ------
        ArgumentError
            There is not enough memory for `buffer_s`.
        """
        theirs = opened_format.samplerate
        rate = self.samplerate or theirs
        frames = self.frames
        if frames is None and self.duration_s is not None:
            frames = max(1, round(self.duration_s * rate))
        try:
            ring = _core.Ring(math.ceil(self.buffer_s * theirs), channels, MAX_GAPS)
        except (MemoryError, OverflowError) as error:
            raise ArgumentError(
                f"buffer_s={self.buffer_s:g} s of {plural(channels, 'channel')} at {theirs:g} Hz "
                "do not fit into memory; give less"
            ) from error
        limit = math.ceil((frames or 0) * theirs / rate)
        code = _core.RecorderCode(ring, limit, self.on_loss == "stop")
        return Reception(code, ring, rate, frames)


def check_record_request(
    file: str | os.PathLike[str] | None,
    *,
    frames: int | None,
    duration_s: float | None,
    samplerate: float | None,
    subtype: str | None,
    buffer_s: float,
    on_loss: Any,
    dtype: Any,
) -> RecordRequest:
    """Check the arguments of a recording that need no device.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        An argument is impossible.
    """
    if frames is not None and duration_s is not None:
        raise ArgumentError(
            f"frames={frames!r} and duration_s={duration_s!r}; give one of them, or neither to "
            "record until stop()"
        )
    if frames is not None:
        frames = check_count(frames, "frames", "a number of frames, 1 or more", least=1)
    if duration_s is not None:
        duration_s = check_seconds(duration_s, "duration_s", least_excluded=True)
    if isinstance(file, (int, float)):
        raise ArgumentTypeError(
            f"file={file!r} is a number; for that many seconds give duration_s={file!r}"
        )
    if subtype is not None and file is None:
        raise ArgumentError(f"subtype={shown(subtype)} is for files; give a file, or leave it out")
    if on_loss not in ("silence", "cut", "stop"):
        raise ArgumentError(f'on_loss={shown(on_loss)}; possible are "silence", "cut" and "stop"')
    buffer_s = check_seconds(buffer_s, "buffer_s")
    if not BUFFER_RANGE_S[0] <= buffer_s <= BUFFER_RANGE_S[1]:
        low, high = BUFFER_RANGE_S
        raise ArgumentError(f"buffer_s={buffer_s!r} s; give {low:g} to {high:g}")
    rate, sample_type = check_samplerate(samplerate), check_dtype(dtype)
    if sample_type != "float32" and file is not None:
        raise ArgumentError(
            f'dtype="{sample_type}" is for arrays; the samples of a file are its subtype, such as '
            '"PCM_16"'
        )
    return RecordRequest(frames, duration_s, rate, buffer_s, on_loss, sample_type)
