"""Audio files as sources of frames, streamed from disk in constant memory.

A **source** is whatever has the attributes and methods of :class:`Source`: a file here, an array
or a conversion in :mod:`voicecoil.files.convert`. A file for writing is a
:class:`~voicecoil.files.sink.FileSink`.

A file that is cut short is played as far as it goes, and then says so: `read` gives every whole
frame that is there, and the read after the last one raises
:class:`~voicecoil.errors.FileTruncatedError` instead of returning 0 frames.
"""

from __future__ import annotations

import os
from operator import index
from typing import TYPE_CHECKING, Any, Protocol

from voicecoil.errors import (
    ArgumentError,
    ArgumentTypeError,
    FileFormatError,
    FileTruncatedError,
    StreamClosedError,
)
from voicecoil.files.containers import LengthlessFile, missing_audio, mp3_length_is_guess
from voicecoil.files.path_errors import READABLE, check_path, check_readable
from voicecoil.files.sink import FileSink
from voicecoil.limits import FILE_RATE_RANGE_HZ

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["FileSink", "FileSource", "Source", "check_max_frames", "check_seek", "open_source"]

# The most that is decoded at once: asking for a billion frames must not allocate them.
_SLICE_FRAMES = 65_536
# An MP3 frame may use bits from up to 511 bytes before it: 22 frames at the lowest bit rate.
# Decoding that starts later gives silence or noise at first.
_MP3_PREROLL_FRAMES = 32 * 1152
# A seek into the last page of a Vorbis file lands elsewhere (libsndfile 1.2.2). A page holds up
# to 255 packets of 1024 frames.
_VORBIS_LAST_PAGE_FRAMES = 256 * 1024
# libsndfile's "I do not know" is a number near 2**63.
_UNKNOWN_FRAMES = 2**62


class Source(Protocol):
    """What gives frames, one block after the other.

    Attributes
    ----------
    samplerate : int
        Frames per second.
    channels : int
    frames : int or None
        How many frames there are in all; None if nobody knows.
    """

    @property
    def samplerate(self) -> int: ...

    @property
    def channels(self) -> int: ...

    @property
    def frames(self) -> int | None: ...

    def read(self, max_frames: int) -> NDArray[np.float32]:
        """Return the next frames, float32 of shape ``(n, channels)``.

        ``n`` is `max_frames` until fewer are left; it is 0 at the end, and then always.
        """
        ...

    def seek(self, frame: int) -> None:
        """Go to a frame, 0 to `frames`."""
        ...

    def close(self) -> None:
        """Let go of everything; again is harmless."""
        ...


def check_max_frames(max_frames: int) -> int:
    """Return `max_frames` as an int >= 1, or raise ArgumentTypeError or ArgumentError."""
    try:
        number = index(max_frames)
    except TypeError:
        raise ArgumentTypeError(
            f"max_frames is {max_frames!r}; give an integer of 1 or more, such as 4096"
        ) from None
    if number < 1:
        raise ArgumentError(f"max_frames is {number}; give 1 or more, such as 4096")
    return number


def check_seek(frame: int, frames: int | None) -> int:
    """Return `frame` as an int in 0..frames, or raise ArgumentTypeError or ArgumentError."""
    last = "the end" if frames is None else str(frames)
    try:
        number = index(frame)
    except TypeError:
        raise ArgumentTypeError(f"frame is {frame!r}; give an integer from 0 to {last}") from None
    if number < 0 or (frames is not None and number > frames):
        raise ArgumentError(f"frame is {number}; possible are 0 to {last}")
    return number


def open_source(path: str | os.PathLike[str]) -> FileSource:
    """Open an audio file for streaming.

    Parameters
    ----------
    path : str or path-like
        WAV, AIFF, FLAC, OGG (Vorbis, Opus), MP3, CAF, AU, W64 or RF64. The content decides, not
        the name.

    Returns
    -------
    FileSource

    Raises
    ------
    FileMissingError, FileIsDirectoryError, FilePermissionError, FileAccessError
        The file cannot be read.
    FileFormatError
        It is empty, is not audio, holds no frames, or has an impossible sample rate.
    ArgumentTypeError, ArgumentError
        `path` is not a path.

    Examples
    --------
    >>> with open_source("song.flac") as source:  # doctest: +SKIP
    ...     while len(frames := source.read(4096)):
    ...         print(abs(frames).max())
    """
    return FileSource(path)


class FileSource:
    """An audio file, read as float32 frames; made by :func:`open_source`.

    Integer files are scaled to -1.0 .. 1.0 (full scale is 1.0); float files are read as they are.
    Not safe for use by several threads at once.

    Attributes
    ----------
    path : str
    samplerate : int
        Frames per second.
    channels : int
    frames : int or None
        How many frames the file promises. A truncated FLAC or MP3 gives fewer; for WAV, AIFF
        and the like it is what is there. None where the file does not say (an MP3 without a
        length header, a FLAC that was never finished).
    format, subtype : str
        libsndfile's names, such as ``"WAV"`` and ``"PCM_24"``.
    """

    _file: Any = None
    _lengthless: LengthlessFile | None = None
    _closed = False

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = check_path(path)
        check_readable(self.path)
        self._open()
        info = self._file
        self.samplerate = int(info.samplerate)
        self.channels = int(info.channels)
        self.format = str(info.format)
        self.subtype = str(info.subtype)
        unknown = self._lengthless is not None or info.frames >= _UNKNOWN_FRAMES
        self.frames: int | None = None if unknown else int(info.frames)
        lowest_hz, highest_hz = FILE_RATE_RANGE_HZ
        if not lowest_hz <= self.samplerate <= highest_hz:
            self.close()
            raise FileFormatError(
                f"cannot read {self.path!r}: it has {self.samplerate} frames per second; possible "
                f"are {lowest_hz} to {highest_hz}. Correct the rate in its header"
            )
        self._position = 0
        self._missing = missing_audio(self.path, self.format, info.extra_info)
        if self.frames == 0:
            self.close()
            raise FileFormatError(
                f"cannot read {self.path!r}: it is a {self.format} file with 0 frames"
                + (f"; {self._missing}" if self._missing else "")
                + ". Record or export it again"
            )

    def _open(self) -> None:
        import soundfile

        self._release()
        try:
            self._file = soundfile.SoundFile(self.path)
            if self._file.format == "MP3" and mp3_length_is_guess(self.path):
                self._file.close()
                self._lengthless = LengthlessFile(self.path)
                self._file = soundfile.SoundFile(self._lengthless)
        except (soundfile.SoundFileError, TypeError) as error:
            # TypeError: the name ends in .raw, and soundfile wants to be told the format.
            self._release()
            raise FileFormatError(
                f"cannot read {self.path!r}: it is not audio, or damaged at its start "
                f"({error}). Possible are {READABLE}; convert it to one of these"
            ) from error
        # soundfile seeks after each read of a seekable file. That restarts the MP3 decoder: a
        # click at each block, and seconds for small ones. sf_seek itself does not ask.
        self._file.seekable = lambda: False

    def _release(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        if self._lengthless is not None:
            self._lengthless.close()
            self._lengthless = None

    def read(self, max_frames: int) -> NDArray[np.float32]:
        """Return the next frames.

        Parameters
        ----------
        max_frames : int
            1 or more.

        Returns
        -------
        ndarray of float32, shape (n, channels)
            A new array, the caller's own. ``n`` is `max_frames` until fewer are left, 0 at the
            end.

        Raises
        ------
        FileTruncatedError
            All that is there has been read, and the file should have gone on. Every later read
            raises it again.
        StreamClosedError
            The source is closed.
        """
        wanted = check_max_frames(max_frames)
        self._check_open()
        import numpy as np

        blocks = []
        while wanted > 0:
            block = self._read_slice(min(wanted, _SLICE_FRAMES))
            if not len(block):
                break
            blocks.append(block)
            wanted -= len(block)
        if len(blocks) == 1:
            return blocks[0]
        if blocks:
            return np.concatenate(blocks)
        if self._missing is None and self.frames is not None and self._position < self.frames:
            self._missing = f"it promises {self.frames} frames"
        if self._missing is not None:
            raise FileTruncatedError(
                f"{self.path!r} is truncated or damaged: {self._position} whole frames "
                f"({self._position / self.samplerate:.3f} s) could be read, and {self._missing}. "
                "What is there has been read; get the complete file for the rest",
                frames=self._position,
            )
        return np.zeros((0, self.channels), dtype=np.float32)

    def _read_slice(self, frames: int) -> NDArray[np.float32]:
        import numpy as np
        import soundfile

        if self._file is None:  # a decoder that failed is not asked again
            return np.zeros((0, self.channels), dtype=np.float32)
        block = np.full((frames, self.channels), np.nan, dtype=np.float32)
        try:
            count = len(self._file.read(out=block))
        except soundfile.SoundFileError as error:
            # The decoder filled the block as far as the data went; the count went with the
            # exception. No decoder that can fail here produces NaN.
            filled = np.flatnonzero(~np.isnan(block).all(axis=1))
            count = int(filled[-1]) + 1 if len(filled) else 0
            promise = "" if self.frames is None else f" of {self.frames}"
            self._missing = f"the decoder stopped there{promise} ({error or 'bad data'})"
            self._release()
        self._position += count
        return block[:count]

    def seek(self, frame: int) -> None:
        """Go to a frame; the next `read` starts with it.

        Parameters
        ----------
        frame : int
            0 to `frames`.

        Raises
        ------
        ArgumentError, ArgumentTypeError
            There is no such frame.
        FileTruncatedError
            The file ends before that frame. The source is then at frame 0.
        StreamClosedError
            The source is closed.
        """
        import soundfile

        self._check_open()
        frame = check_seek(frame, self.frames)
        if self._file is None:
            self._open()
        try:
            start = self._decodable_start(frame)
            self._file.seek(start)
            for skipped in range(start, frame, _SLICE_FRAMES):
                self._file.read(min(_SLICE_FRAMES, frame - skipped), dtype="float32")
            self._position = frame
        except soundfile.SoundFileError as error:
            self._open()
            self._position = 0
            raise FileTruncatedError(
                f"cannot go to frame {frame} of {self.path!r}: the file ends before it, or is "
                f"damaged there ({error}). Seek to an earlier frame"
            ) from error

    def _decodable_start(self, frame: int) -> int:
        """Return where decoding has to start for `frame` to come out right."""
        if self.format == "MP3":
            return max(0, frame - _MP3_PREROLL_FRAMES)
        if self.subtype == "VORBIS" and self.frames is not None:
            return max(0, min(frame, self.frames - _VORBIS_LAST_PAGE_FRAMES))
        return frame

    def _check_open(self) -> None:
        if self._closed:
            raise StreamClosedError(f"{self.path!r} is closed; open it again with open_source")

    def close(self) -> None:
        """Close the file; again is harmless."""
        self._release()
        self._closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return (
            f"<FileSource {self.path!r}: {self.format} {self.subtype}, {self.samplerate} Hz, "
            f"{self.channels} channels, {self.frames} frames>"
        )
