"""Audio files as sources of frames, streamed from disk in constant memory.

A **source** is any object with the attributes and methods of
:class:`~voicecoil.files.protocol.Source`. This module has sources for files, and
:mod:`voicecoil.files.convert` has sources for arrays and conversions. Files are written with
:class:`~voicecoil.files.sink.FileSink`.

If a file is truncated, `read` returns every whole frame in it. The read after the last frame raises
:class:`~voicecoil.errors.FileTruncatedError` instead of returning 0 frames.

Concatenated files (Ogg chains, MP3, FLAC) are read as one file, part after part. If a later part
has another sample rate or other channels, the read after the last frame before it raises
:class:`~voicecoil.errors.FileChangesError`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, ClassVar

from voicecoil.errors import (
    FileChangesError,
    FileFormatError,
    FileTruncatedError,
    StreamClosedError,
)
from voicecoil.files.containers import read_layout
from voicecoil.files.containers.flac import next_parts
from voicecoil.files.decoder import SLICE_FRAMES, Decoder, DecoderError
from voicecoil.files.path_errors import READABLE, access_error, check_path, check_readable
from voicecoil.files.protocol import check_max_frames, check_seek
from voicecoil.limits import FILE_RATE_RANGE_HZ
from voicecoil.resources import resource_errors

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    import numpy as np
    from numpy.typing import NDArray

    from voicecoil.files.av_decoder import AvDecoder

from voicecoil.sealed import Unique
from voicecoil.wording import plural

__all__ = ["FileSource", "open_source"]

# This is slightly more than 1,024 channels at 96 kHz. A header that claimed more samples blocked
# `play` for 15 s.
_MAX_SAMPLES_PER_S = 100_000_000
# If a file has more parts than this, its later parts are opened only when they are read, and its
# length is unknown.
_MAX_SURVEYED_PARTS = 100


def open_source(path: str | os.PathLike[str]) -> FileSource:
    """Open an audio file for streaming.

    Parameters
    ----------
    path : str or path-like
        WAV, AIFF, FLAC, OGG (Vorbis, Opus), MP3, CAF, AU, W64 or RF64; with the extra
        ``voicecoil[av]`` also MP4 (AAC, ALAC), AAC, Matroska, ASF, WavPack and TTA. The format is
        detected from the content, not from the name.

    Returns
    -------
    FileSource
        The open file, at its first frame.

    Raises
    ------
    FileMissingError, FileIsDirectoryError, FilePermissionError, FileAccessError
        The file cannot be read.
    FileFormatError
        The file is empty, is not audio, has no frames, or has an impossible sample rate.
    ArgumentTypeError, ArgumentError
        `path` is not a path.

    Examples
    --------
    >>> with open_source("song.flac") as source:  # doctest: +SKIP
    ...     while len(frames := source.read(4096)):
    ...         print(abs(frames).max())
    """
    return FileSource(path)


class FileSource(Unique):
    """An audio file, read as float32 frames; made by :func:`open_source`.

    Integer samples are scaled to -1.0 .. 1.0 (full scale is 1.0). Float samples are not changed. A
    source must not be used by several threads at once.

    Attributes
    ----------
    path : str
    samplerate : int
        Frames per second.
    channels : int
    frames : int or None
        The number of frames that the file states. A truncated FLAC or MP3 file has fewer. For WAV,
        AIFF and similar formats it is the number of frames in the file. Of concatenated FLAC files,
        it is the number in those that have been found so far: the next one is found when the one
        before has been read. None if the file does not state it: an MP3 without a length header, an
        unfinished FLAC, or more than 100 concatenated files.
    format, subtype : str
        libsndfile's names of the format and the sample format, such as ``"WAV"`` and ``"PCM_24"``.
        If PyAV decodes the file, the codec, such as ``"MP4"`` and ``"AAC"``.
    """

    _attributes: ClassVar[tuple[str, ...]] = (
        "path",
        "samplerate",
        "channels",
        "frames",
        "format",
        "subtype",
    )

    _decoder: Decoder | AvDecoder | None = None
    _closed = False
    frames: int | None = None

    @resource_errors("open the file")
    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = check_path(path)
        check_readable(self.path)
        try:
            with open(self.path, "rb") as file:
                layout = read_layout(file, os.fstat(file.fileno()).st_size)
        except OSError as error:
            raise access_error(self.path, error, "read") from error
        self._parts = layout.parts
        self._missing = layout.missing
        self._demuxer = layout.demuxer
        self.format = layout.format or ""
        self._rest: str | None = None
        self._searched = False
        self._lengths: list[int | None] = [None] * len(self._parts)
        self._number = 0
        self._is_unopened = False  # the operating system refused to open part `_number`
        self._position = self._part_position = 0
        first = self._open_first()
        self.samplerate, self.channels = first.samplerate, first.channels
        self.format, self.subtype = self.format or first.format, first.subtype
        try:
            self._check_facts(first)
            self._survey()
        except BaseException:
            self.close()
            raise
        self._count_frames()

    def _open_first(self) -> Decoder | AvDecoder:
        try:
            if self._demuxer is None:
                self._decoder = Decoder(self.path, self._parts[0])
            else:
                from voicecoil.files.av_decoder import AvDecoder

                self._decoder = AvDecoder(self.path, self.format, self._demuxer)
        except OSError as error:
            raise access_error(self.path, error, "read") from error
        except DecoderError as error:
            raise FileFormatError(
                f"cannot read {self.path!r}: it is not audio, or damaged at its start "
                f"({error}). Possible are {READABLE}; convert it to one of these"
            ) from error
        return self._decoder

    def _check_facts(self, first: Decoder | AvDecoder) -> None:
        lowest_hz, highest_hz = FILE_RATE_RANGE_HZ
        if not lowest_hz <= self.samplerate <= highest_hz:
            raise FileFormatError(
                f"cannot read {self.path!r}: its sample rate is {self.samplerate} Hz; possible is "
                f"{lowest_hz} to {highest_hz}. Correct the rate in its header"
            )
        if self.channels * self.samplerate > _MAX_SAMPLES_PER_S:
            raise FileFormatError(
                f"cannot read {self.path!r}: {plural(self.channels, 'channel')} at "
                f"{self.samplerate} Hz are more than {_MAX_SAMPLES_PER_S} samples per second. "
                "Correct its header, or split the file"
            )
        self._lengths[0] = first.frames
        if first.frames == 0 and len(self._parts) == 1:
            raise FileFormatError(
                f"cannot read {self.path!r}: it is a {self.format} file with 0 frames"
                + (f"; {self._missing}" if self._missing else "")
                + ". Record or export it again"
            )

    def _survey(self) -> None:
        """Find the length of each part, and the first part with another rate or other channels."""
        for number in range(1, min(len(self._parts), _MAX_SURVEYED_PARTS)):
            if number >= len(self._parts) or (decoder := self._open_part(number)) is None:
                break
            decoder.close()

    def _open_part(self, number: int) -> Decoder | None:
        """Return the decoder of a later part; None if that part and the rest cannot be read."""
        try:
            decoder = Decoder(self.path, self._parts[number])
        except OSError as error:
            raise access_error(self.path, error, "read") from error
        except DecoderError as error:
            self._rest = f"audio that cannot be decoded ({error})"
        else:
            if (decoder.samplerate, decoder.channels) == (self.samplerate, self.channels):
                self._lengths[number] = decoder.frames
                return decoder
            decoder.close()
            self._rest = (
                f"audio with {decoder.samplerate} Hz and {plural(decoder.channels, 'channel')}"
            )
        self._parts, self._lengths = self._parts[:number], self._lengths[:number]
        return None

    def _go_to_part(self, number: int) -> bool:
        """Continue at the start of a part. Returns False if there is no such part."""
        if number >= len(self._parts):
            return False
        self._release()
        self._number = number
        self._part_position = 0
        self._is_unopened = True
        self._decoder = self._open_part(number) if number else self._open_first()
        self._is_unopened = False
        return self._decoder is not None

    def _release(self) -> None:
        decoder, self._decoder = self._decoder, None
        if decoder is not None:
            decoder.close()

    @resource_errors("read the file")
    def read(self, max_frames: int) -> NDArray[np.float32]:
        """Return the next frames.

        Parameters
        ----------
        max_frames : int
            1 or more.

        Returns
        -------
        ndarray of float32, shape (n, channels)
            A new array. ``n`` is `max_frames` until fewer frames are left, and 0 at the end.

        Raises
        ------
        FileAccessError
            The operating system refuses to open or read the next part of a joined file. All frames
            before it have been returned. A later read tries again.
        FileTruncatedError
            All frames have been read, and the file states more frames. Every later read raises the
            error again.
        FileChangesError
            The file continues with another sample rate or other channels. Every later read raises
            the error again.
        StreamClosedError
            The source is closed.
        """
        wanted = check_max_frames(max_frames)
        self._check_open()
        import numpy as np

        blocks = []
        try:
            while wanted > 0 and len(block := self._read_slice(min(wanted, SLICE_FRAMES))):
                blocks.append(block)
                wanted -= len(block)
        except OSError:
            if not blocks:
                raise
            # Return the frames before the error first. The next read tries the rest again.
        if len(blocks) == 1:
            return blocks[0]
        if blocks:
            return np.concatenate(blocks)
        self._raise_at_end()
        return np.zeros((0, self.channels), dtype=np.float32)

    def check_complete(self) -> None:
        """Raise FileTruncatedError if the file is known to be truncated, even before its end."""
        if self._missing is not None:
            self._raise_at_end()

    def _raise_at_end(self) -> None:
        """Raise if the file is truncated, or continues with audio that does not match."""
        read = f"{self._position} whole frames ({self._position / self.samplerate:.3f} s)"
        if self._missing is not None:
            raise FileTruncatedError(
                f"{self.path!r} is truncated or damaged: {read} could be read, and "
                f"{self._missing}. "
                "These frames have been read; get the complete file for the rest",
                frames=self._position,
            )
        if self._rest is not None:
            raise FileChangesError(
                f"{self.path!r} continues after {read} with {self._rest}. The frames before that "
                f"have been read, at {self.samplerate} Hz with {plural(self.channels, 'channel')}; "
                "split the file there for the rest",
                frames=self._position,
            )

    def _read_slice(self, frames: int) -> NDArray[np.float32]:
        import numpy as np

        if self._is_unopened:
            self._go_to_part(self._number)
        while self._decoder is not None:  # None after a decoder has failed
            promised = self._lengths[self._number]
            wanted = frames
            if self.format == "FLAC" and promised is not None:
                # libsndfile fails if it reads on and another stream follows.
                wanted = min(frames, promised - self._part_position)
            try:
                block = self._decoder.read(wanted)
            except DecoderError as error:
                promise = "" if promised is None else f" of {promised}"
                self._missing = f"the decoder stopped there{promise} ({error})"
                self._release()
                block = error.block
            self._position += len(block)
            self._part_position += len(block)
            if len(block) or self._decoder is None or not self._end_part():
                return block
        return np.zeros((0, self.channels), dtype=np.float32)

    def _end_part(self) -> bool:
        """Continue with the next part. Returns False if there is none."""
        assert self._decoder is not None
        promised = self._lengths[self._number] = self._decoder.frames
        if self._missing is None and promised is not None and self._part_position < promised:
            self._missing = f"it promises {plural(promised, 'frame')}"
        if self.format == "FLAC" and self._missing is None:
            self._find_flac_part()
        self._count_frames()
        return self._go_to_part(self._number + 1)

    def _find_flac_part(self) -> bool:
        """Add the next stream of a concatenated FLAC file to the parts, and its length to `frames`.

        Only a search finds this stream, because FLAC does not state where a stream ends. Returns
        False if there is none.
        """
        if self._searched or self._number + 1 < len(self._parts):
            return False
        if not isinstance(self._decoder, Decoder):
            return False
        pieces = self._parts[-1].pieces
        start = 0 if pieces is None else int(pieces[0][0])
        found = self._decoder.search(lambda file, size: next_parts(file, size, start))
        if found is None:
            self._searched = True
            return False
        self._parts = (*self._parts[:-1], *found)
        self._lengths.append(None)
        decoder = self._open_part(self._number + 1)
        if decoder is not None:
            decoder.close()
        self._count_frames()
        return True

    def _count_frames(self) -> None:
        known = [length for length in self._lengths if length is not None]
        self.frames = sum(known) if len(known) == len(self._lengths) else None

    @resource_errors("read the file")
    def seek(self, frame: int) -> None:
        """Go to a frame; the next `read` starts with it.

        Parameters
        ----------
        frame : int
            0 to `frames`.

        Raises
        ------
        ArgumentError, ArgumentTypeError
            `frame` is out of range or is not an integer.
        FileTruncatedError
            The file ends before that frame. The source is then at frame 0.
        StreamClosedError
            The source is closed.
        """
        self._check_open()
        frame = check_seek(frame, self.frames)
        if self.format == "FLAC" and frame and self._find_flac_part():
            self._release()  # libsndfile does not seek correctly if another stream follows
        number = start = 0
        while number + 1 < len(self._parts):
            length = self._lengths[number]
            if length is None or frame < start + length:
                break
            start += length
            number += 1
        try:
            if self._decoder is None or number != self._number:
                self._go_to_part(number)
            if self._decoder is None:  # the file was replaced since it was opened
                raise DecoderError(self._rest or "there is no more")
            unknown = self._lengths[number] is None and number + 1 < len(self._parts)
            self._part_position = 0 if unknown else frame - start
            self._decoder.seek(self._part_position)
            self._position = start + self._part_position
            while self._position < frame:
                if not len(self._read_slice(min(SLICE_FRAMES, frame - self._position))):
                    raise DecoderError(self._missing or "there is no more")
        except DecoderError as error:
            self._go_to_part(0)
            self._position = 0
            raise FileTruncatedError(
                f"cannot go to frame {frame} of {self.path!r}: the file ends before it, or is "
                f"damaged there ({error}). Seek to an earlier frame"
            ) from error

    def _check_open(self) -> None:
        if self._closed:
            raise StreamClosedError(f"{self.path!r} is closed; open it again with open_source")

    def close(self) -> None:
        """Close the file. A second call has no effect."""
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
