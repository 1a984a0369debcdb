"""One part of an audio file, decoded by libsndfile."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from voicecoil.files.containers import Part, Pieces

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["SLICE_FRAMES", "Decoder", "DecoderError"]

SLICE_FRAMES = 65_536
"""The most frames decoded at once, so that a request for a billion frames allocates little."""

# An MP3 frame may use bits from up to 511 bytes before it, which is 22 frames at the lowest bit
# rate. If decoding starts later, the first frames are silence or noise.
_MP3_PREROLL_FRAMES = 32 * 1152
# libsndfile 1.2.2 goes to a wrong frame if it seeks into the last page of a Vorbis file. A page
# has up to 255 packets of 1024 frames.
_VORBIS_LAST_PAGE_FRAMES = 256 * 1024
# libsndfile reports a number near 2**63 if the number of frames is unknown.
_UNKNOWN_FRAMES = 2**62


_Found = TypeVar("_Found")


class DecoderError(Exception):
    """libsndfile cannot open the file, or cannot continue decoding.

    Attributes
    ----------
    block : ndarray of float32, shape (n, channels)
        Frames that `read` decoded before the error.
    """

    def __init__(self, reason: str, block: NDArray[np.float32] | None = None) -> None:
        import numpy as np

        super().__init__(reason)
        self.block = np.zeros((0, 1), np.float32) if block is None else block


def _reason(error: Exception) -> str:
    """Return libsndfile's message without the number of the file descriptor."""
    return str(getattr(error, "error_string", error)).rstrip(".") or "bad data"


class Decoder:
    """The decoder of one part of a file. It must not be used by several threads at once.

    Parameters
    ----------
    path : str
    part : Part

    Attributes
    ----------
    samplerate, channels : int
    frames : int or None
        None if the file does not state its length.
    format, subtype : str
        libsndfile's names of the format and the sample format.

    Raises
    ------
    DecoderError
        The part is not audio that libsndfile can read.
    OSError
        The operating system refused to open the file.
    """

    _file: Any = None
    _virtual: Pieces | None = None
    _descriptor: int | None = None

    def __init__(self, path: str, part: Part) -> None:
        import soundfile

        self._path = path
        target: Any = path
        if part.pieces is not None or not part.frames_known:
            target = self._virtual = Pieces(path, part)
        elif os.name != "nt":
            # A descriptor avoids the text encoding of the name, and errors of the operating system
            # are raised as OSError. It is not used on Windows, where libsndfile may use another C
            # runtime, in which the descriptor is not valid.
            target = self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._file = soundfile.SoundFile(target, closefd=False)
        except (soundfile.SoundFileError, TypeError) as error:
            # soundfile raises TypeError if the name ends in .raw, because it expects the format.
            self.close()
            raise DecoderError(_reason(error)) from error
        except BaseException:
            self.close()
            raise
        # soundfile seeks after each read of a seekable file. That restarts the MP3 decoder, which
        # gives a click at each block and takes seconds with small blocks. Explicit seeks still
        # work, because sf_seek does not call `seekable`.
        self._file.seekable = lambda: False
        self.samplerate = int(self._file.samplerate)
        self.channels = int(self._file.channels)
        self.format = str(self._file.format)
        self.subtype = str(self._file.subtype)
        known = part.frames_known and self._file.frames < _UNKNOWN_FRAMES
        self.frames: int | None = int(self._file.frames) if known else None

    def read(self, frames: int) -> NDArray[np.float32]:
        """Return up to `frames` frames, at most `SLICE_FRAMES`, or an empty block at the end.

        Raises
        ------
        DecoderError
            The data are damaged. The error's `block` has the frames before the damage.
        """
        import numpy as np
        import soundfile

        frames = min(frames, SLICE_FRAMES)
        block = np.full((frames, self.channels), np.nan, dtype=np.float32)
        try:
            count = len(self._file.read(out=block))
        except soundfile.SoundFileError as error:
            # The decoder has filled a part of the block, but the exception does not state how many
            # frames. The rest still has the NaN of the allocation. No decoder that can fail here
            # produces NaN.
            filled = np.flatnonzero(~np.isnan(block).all(axis=1))
            count = int(filled[-1]) + 1 if len(filled) else 0
            raise DecoderError(_reason(error), block[:count]) from error
        if self._virtual is not None and self._virtual.error is not None:
            raise DecoderError(str(self._virtual.error), block[:count])
        return block[:count]

    def seek(self, frame: int) -> None:
        """Go to a frame; the next `read` starts with it.

        Raises
        ------
        DecoderError
            The data end before that frame, or are damaged there.
        """
        import soundfile

        try:
            start = self._decodable_start(frame)
            self._file.seek(start)
            for skipped in range(start, frame, SLICE_FRAMES):
                self._file.read(min(SLICE_FRAMES, frame - skipped), dtype="float32")
        except soundfile.SoundFileError as error:
            raise DecoderError(_reason(error)) from error

    def search(self, find: Callable[[BinaryIO, int], _Found]) -> _Found:
        """Call `find` with the whole file and its size in bytes, and return the result.

        The decoder's own descriptor is used if there is one, because the file may have been removed
        or replaced since it was opened.
        """
        descriptor = self._descriptor
        if descriptor is None:
            with open(self._path, "rb") as file:
                return find(file, os.fstat(file.fileno()).st_size)
        position = os.lseek(descriptor, 0, os.SEEK_CUR)  # restored below for the decoder
        try:
            with open(descriptor, "rb", closefd=False) as file:
                return find(file, os.fstat(descriptor).st_size)
        finally:
            os.lseek(descriptor, position, os.SEEK_SET)

    def _decodable_start(self, frame: int) -> int:
        """Return the frame at which decoding must start so that `frame` is decoded correctly."""
        if self.subtype.startswith("MPEG"):
            return max(0, frame - _MP3_PREROLL_FRAMES)
        if self.subtype == "VORBIS" and self.frames is not None:
            return max(0, min(frame, self.frames - _VORBIS_LAST_PAGE_FRAMES))
        return frame

    def close(self) -> None:
        """Close the file. A second call has no effect."""
        file, self._file = self._file, None
        if file is not None:
            file.close()
        if self._virtual is not None:
            self._virtual.close()
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def __del__(self) -> None:
        if os is not None:  # otherwise Python is ending and has cleared this module
            self.close()  # garbage collection does not close a plain file descriptor
