"""Conversion of sources to another sample rate or other channels, and of sounds to sources."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar

from voicecoil.arguments import shown
from voicecoil.errors import ArgumentError, ArgumentTypeError, StreamClosedError
from voicecoil.files.arrays import ArraySource
from voicecoil.files.channels import apply, check_channels, mix_matrix
from voicecoil.files.checked import CheckedSource
from voicecoil.files.loop import LoopedSource
from voicecoil.files.protocol import Source, check_max_frames, check_seek
from voicecoil.files.rates import QUALITIES, check_file_rate
from voicecoil.files.source import FileSource, open_source
from voicecoil.resources import resource_errors

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    import numpy as np
    from numpy.typing import NDArray

    from voicecoil.files.channels import Mapping

from voicecoil.sealed import Unique
from voicecoil.wording import with_article

__all__ = ["QUALITIES", "ArraySource", "ConvertedSource", "as_source", "converted", "read_all"]

_CHUNK_FRAMES = 4096
# The most samples that one step of the rate converter may make. The converter does not check
# whether its allocations succeed. From 1 Hz to 48 kHz, 4096 frames needed 4.7 GB, and the process
# crashed on machines with less memory.
_MADE_SAMPLES = 2**18
# Longer than the memory of the longest filter, which is that of VHQ at a large ratio of the rates.
_PREROLL_FRAMES = 8192


def as_source(array_or_path: Any, samplerate: float | None = None) -> Source:
    """Return a source for an array or a file.

    A source of this library is returned unchanged. Another source is wrapped and checked.

    Parameters
    ----------
    array_or_path : ndarray, str, path-like or Source
        See :class:`ArraySource` and :func:`~voicecoil.files.open_source`.
    samplerate : int, optional
        Frames per second of the array. A file has its own rate, so omit `samplerate` for a file.
        A value other than the file's own rate is refused. Use :func:`converted` for another rate.

    Returns
    -------
    Source
        Positioned at its first frame. A source that was given keeps its position.

    Raises
    ------
    ArgumentError
        `samplerate` is missing for an array, or differs from the rate of a file or source.
    ArgumentTypeError
        `array_or_path` is neither an array, a path nor a source.
    VoicecoilError
        Any error of :class:`ArraySource` or :func:`~voicecoil.files.open_source`.
    """
    if all(hasattr(array_or_path, name) for name in ("read", "samplerate", "channels", "frames")):
        own = (ArraySource, CheckedSource, ConvertedSource, FileSource, LoopedSource)
        source: Source = array_or_path
        if not isinstance(array_or_path, own):
            source = CheckedSource(array_or_path)
        if samplerate is not None and check_file_rate(samplerate) != source.samplerate:
            raise ArgumentError(
                f"samplerate is {shown(samplerate)} and the source has {source.samplerate}; "
                "leave it out"
            )
        return source
    if not isinstance(array_or_path, (str, os.PathLike)):
        if not hasattr(array_or_path, "dtype"):
            kind = type(array_or_path)
            given = {type(None): "None is", bytes: "bytes are"}.get(
                kind, f"{with_article(kind.__name__)} is"
            )
            raise ArgumentTypeError(
                f"{given} not a sound; give a NumPy "
                "array of shape (frames,) or (frames, channels), or the path of an audio file"
            )
        if samplerate is None:
            raise ArgumentError(
                "samplerate is missing, and an array does not contain its rate. "
                "Give its frames per second, such as samplerate=48000"
            )
        return ArraySource(array_or_path, samplerate)
    wanted = None if samplerate is None else check_file_rate(samplerate)
    source = open_source(array_or_path)
    if wanted not in (None, source.samplerate):
        source.close()
        raise ArgumentError(
            f"samplerate is {wanted} and {source.path!r} has {source.samplerate}; leave it out "
            "for a file"
        )
    return source


@resource_errors("convert the sound")
def converted(
    source: Source,
    samplerate: float,
    channels: int,
    mapping: Mapping | None = None,
    quality: str = "HQ",
) -> Source:
    """Return a source with another sample rate and other channels.

    Parameters
    ----------
    source : Source
        Read from its present position, and closed when the result is closed.
    samplerate : int
        Frames per second of the result.
    channels : int
        Number of channels of the result.
    mapping : sequence of int or None, or array_like of shape (channels, source.channels)
        See :func:`~voicecoil.files.channels.mix_matrix`.
    quality : {"QQ", "LQ", "MQ", "HQ", "VHQ"}
        Quality of the rate conversion.

    Returns
    -------
    Source
        `source` itself if nothing changes; otherwise a :class:`ConvertedSource`.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        The rate, the number of channels, the mapping or the quality is impossible.
    """
    rate = check_file_rate(samplerate)
    count = check_channels(channels)
    if not isinstance(quality, str) or quality.upper() not in QUALITIES:
        raise ArgumentError(
            f"quality is {shown(quality)}; possible are {', '.join(QUALITIES)}. Use 'HQ'"
        )
    mix = mix_matrix(source.channels, count, mapping)
    same_channels = isinstance(mix, tuple) and mix == tuple(range(source.channels))
    if rate == source.samplerate and same_channels:
        return source
    return ConvertedSource(source, rate, count, mapping, quality.upper())


class ConvertedSource(Unique):
    """A source with a channel mix and a rate converter; see :func:`converted`.

    The number of frames is exact. For ``n`` frames of the source it is
    ``n * samplerate / source.samplerate``, rounded to the nearest integer, with halves rounded up.
    The result is aligned in time, so that frame ``k`` is the source at the time ``k / samplerate``.
    The result does not depend on the number of frames in each read.

    Rate conversion would spread NaN and infinity to neighbouring samples. Therefore such samples
    are replaced by silence before the conversion and counted. Without rate conversion they are
    kept.

    If a file is truncated, or continues with another rate, all its frames and the converter's tail
    are returned first. The next read raises :class:`~voicecoil.errors.FileTruncatedError` or
    :class:`~voicecoil.errors.FileChangesError`.

    Attributes
    ----------
    samplerate, channels : int
    frames : int or None
        Expected number of frames after the conversion. None if the source's length is unknown.
    silenced_samples : int
        Number of NaN and infinite samples that were replaced by silence.
    """

    _attributes: ClassVar[tuple[str, ...]] = (
        "samplerate",
        "channels",
        "frames",
        "silenced_samples",
    )

    def __init__(
        self,
        source: Source,
        samplerate: int,
        channels: int,
        mapping: Mapping | None = None,
        quality: str = "HQ",
    ) -> None:
        self.samplerate = samplerate
        self.channels = channels
        self.silenced_samples = 0
        self._source = source
        self._mix = mix_matrix(source.channels, channels, mapping)
        # If the mix reduces the channels, mixing first makes the rate conversion cheaper.
        self._mix_first = channels < source.channels
        self._quality = quality
        self._closed = False
        self._converts = samplerate != source.samplerate
        made_frames = _MADE_SAMPLES // min(channels, source.channels)
        step_frames = made_frames * source.samplerate // samplerate
        self._step_frames = max(1, min(_CHUNK_FRAMES, step_frames))
        self.frames: int | None = None
        if source.frames is not None:
            self.frames = self._target_frames(source.frames)
        self._start_at(0)

    def _target_frames(self, source_frames: int) -> int:
        rate = self._source.samplerate
        return (2 * source_frames * self.samplerate + rate) // (2 * rate)

    def _start_at(self, target_frame: int) -> None:
        """Begin a new conversion at a frame that coincides with a frame of the source."""
        import numpy as np

        self._source_frame = target_frame * self._source.samplerate // self.samplerate
        self._made_frames = target_frame
        self._ready: NDArray[np.float32] = np.zeros((0, self.channels), dtype=np.float32)
        self._pauses = False  # the source has returned fewer frames than were asked for
        self._drained = False  # the source has ended
        self._ended = False  # all frames of the result have been made
        self._failure: Exception | None = None
        if self._converts:
            import soxr

            inner = self.channels if self._mix_first else self._source.channels
            self._resampler: Any = soxr.ResampleStream(
                self._source.samplerate, self.samplerate, inner, "float32", self._quality
            )

    @resource_errors("convert the sound")
    def read(self, max_frames: int) -> NDArray[np.float32]:
        """Return the next frames as a new array.

        Parameters
        ----------
        max_frames : int
            1 or more.

        Returns
        -------
        ndarray of float32, shape (n, channels)
            ``n`` is `max_frames` until fewer are left, 0 at the end. If the length of the source is
            unknown, such as that of a pipe, ``n`` is also smaller if the source has no more frames
            now.

        Raises
        ------
        FileTruncatedError, FileChangesError
            The source is a file that ends too early or changes, and all frames before that have
            been returned. Any other error of the source is raised at that point as well.
        StreamClosedError
            The source is closed.
        """
        import numpy as np

        wanted = check_max_frames(max_frames)
        self._check_open()
        if not self._converts:
            return np.ascontiguousarray(apply(self._source.read(wanted), self._mix))
        blocks = [self._ready]
        have = len(self._ready)
        while have < wanted and not self._ended and not (have and self._pauses):
            block = self._convert_next()
            blocks.append(block)
            have += len(block)
        self._pauses = False
        everything = np.concatenate(blocks)
        block, self._ready = everything[:wanted], everything[wanted:]
        if not len(block) and self._failure is not None:
            raise self._failure
        return np.ascontiguousarray(block)

    def _convert_next(self) -> NDArray[np.float32]:
        import numpy as np

        frames = self._next_source_frames()
        if self._drained:
            # The converter rounds half a frame at the end down, so it would make one frame less
            # than `frames` states. A frame of silence instead would be audible as a click.
            # Therefore the converter gets silence after the sound until it has made all frames, and
            # the surplus is dropped. Its own flush is not used, because it makes all remaining
            # frames in one step, which can be hundreds of MiB.
            beyond = max(self._step_frames, 2 * -(-self._source.samplerate // self.samplerate))
            frames = np.zeros((beyond, frames.shape[1]), np.float32)
        made: NDArray[np.float32] = self._resampler.resample_chunk(np.ascontiguousarray(frames))
        if self._drained:
            left = self._target_frames(self._source_frame) - self._made_frames
            self._ended = len(made) >= left
            made = made[: max(0, left)]
        self._made_frames += len(made)
        return made if self._mix_first else apply(made, self._mix)

    def _next_source_frames(self) -> NDArray[np.float32]:
        """Return the next frames of the source, or an empty block at its end."""
        import numpy as np

        frames = np.zeros((0, self._source.channels), dtype=np.float32)
        if not self._drained:
            try:
                frames = self._source.read(self._step_frames)
            except Exception as failure:  # `read` raises it after all frames before it
                self._failure = failure
        # A pipe that returns fewer frames than were asked for has no more now. A wait for further
        # frames would delay those that are converted already, such as the end of a spoken sentence.
        self._pauses = self.frames is None and 0 < len(frames) < self._step_frames
        self._source_frame += len(frames)
        self._drained = not len(frames)
        if self._mix_first:
            frames = apply(frames, self._mix)
        finite = np.isfinite(frames)
        if not finite.all():
            self.silenced_samples += int(frames.size - np.count_nonzero(finite))
            frames = np.where(finite, frames, np.float32(0.0))
        return frames

    @resource_errors("convert the sound")
    def seek(self, frame: int) -> None:
        """Go to a frame; the next `read` starts with it.

        A new conversion begins far enough before that frame to fill the converter's filter. The
        frames then equal those of a read without a seek to within rounding (about -120 dB).

        Parameters
        ----------
        frame : int
            0 to `frames`.
        """
        self._check_open()
        frame = check_seek(frame, self.frames)
        if not self._converts:
            self._source.seek(frame)
            return
        import math

        # A conversion must begin at a time at which a frame of the source and a frame of the result
        # coincide. Otherwise the result would be shifted by a fraction of a frame.
        common = math.gcd(self._source.samplerate, self.samplerate)
        step = self.samplerate // common
        preroll = _PREROLL_FRAMES * max(1, -(-self.samplerate // self._source.samplerate))
        start = max(0, frame - preroll) // step * step
        self._start_at(start)
        self._source.seek(self._source_frame)
        surplus = frame - start
        while surplus > 0 and (skipped := len(self.read(min(surplus, _CHUNK_FRAMES)))):
            surplus -= skipped

    def _check_open(self) -> None:
        if self._closed:
            raise StreamClosedError("this source is closed; open it and convert it again")

    def close(self) -> None:
        """Close this source and the source that it reads. A second call has no effect."""
        self._closed = True
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


@resource_errors("hold the sound in memory")
def read_all(
    source: Source, chunk_frames: int = 65_536, max_frames: int | None = None
) -> NDArray[np.float32]:
    """Read the remaining frames of a source and close it.

    Parameters
    ----------
    source : Source
        Read from its present position.
    chunk_frames : int
        Number of frames in one read.
    max_frames : int or None
        Largest number of frames to read; None: all.

    Returns
    -------
    ndarray of float32, shape (frames, channels)
        A C-contiguous array.
    """
    import numpy as np

    left = 2**63 if max_frames is None else max_frames
    try:
        blocks = [np.empty((0, source.channels), np.float32)]
        while left > 0 and len(block := source.read(min(chunk_frames, left))):
            blocks.append(block)
            left -= len(block)
        return np.concatenate(blocks)
    finally:
        source.close()
