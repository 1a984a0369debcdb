"""A virtual file that consists of ranges of a real file and of literal bytes."""

from __future__ import annotations

import os
from bisect import bisect_right
from typing import TYPE_CHECKING

from voicecoil.files.containers.layout import Part

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["Pieces"]


class Pieces:
    """A virtual file for libsndfile, which would misread the real file.

    Parameters
    ----------
    path : str
    part : Part
        The pieces of the virtual file. If its number of frames is unknown, the virtual file reports
        a size that is much too large. The MP3 decoder estimates the number of frames from the size
        and stops there. With the larger size, the decoder stops at the end of the data instead.

    Attributes
    ----------
    error : OSError or None
        The error of a failed read. libsndfile calls `readinto`, through which no exception can be
        passed.
    """

    _CLAIMED_FACTOR = 1000
    _ID3V1_BYTES = 128

    def __init__(self, path: str, part: Part) -> None:
        self._file = open(path, "rb", buffering=0)  # noqa: SIM115 - closed by close()
        try:
            whole = (0, os.fstat(self._file.fileno()).st_size)
        except BaseException:
            self._file.close()
            raise
        self._pieces = part.pieces if part.pieces is not None else (whole,)
        self._starts = []
        end = 0
        for piece in self._pieces:
            self._starts.append(end)
            end += len(piece) if isinstance(piece, bytes) else piece[1] - piece[0]
        self._data_end = end
        self._end = end if part.frames_known else end * self._CLAIMED_FACTOR
        self._position = 0
        self.error: OSError | None = None

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a byte, as in ``io.RawIOBase.seek``."""
        origin = (0, self._position, self._end)[whence]
        self._position = max(0, origin + offset)
        return self._position

    def tell(self) -> int:
        """Return the offset of the next byte."""
        return self._position

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill the buffer, or a part of it at the end of the data, and return the bytes read."""
        view = memoryview(buffer).cast("B")
        done = 0
        while done < len(view):
            try:
                count = self._read_some(view[done:])
            except OSError as error:
                self.error = error
                break
            if not count:
                break
            done += count
            self._position += count
        return done

    def _read_some(self, view: memoryview) -> int:
        if self._position >= self._data_end:
            if self._end == self._data_end or self._position < self._end - self._ID3V1_BYTES:
                return 0
            # The decoder looks for a tag in the last bytes, and fails if it cannot read them.
            count = max(0, min(len(view), self._end - self._position))
            view[:count] = bytes(count)
            return count
        number = bisect_right(self._starts, self._position) - 1
        piece = self._pieces[number]
        within = self._position - self._starts[number]
        if isinstance(piece, bytes):
            count = min(len(view), len(piece) - within)
            view[:count] = piece[within : within + count]
            return count
        start, stop = piece
        self._file.seek(start + within)
        return self._file.readinto(view[: stop - start - within]) or 0

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes."""
        buffer = bytearray(size)
        return bytes(buffer[: self.readinto(buffer)])

    def write(self, data: bytes) -> int:
        """Refuse to write. The method must exist, because soundfile checks for it."""
        raise OSError("opened for reading")

    def close(self) -> None:
        """Close the file."""
        self._file.close()
