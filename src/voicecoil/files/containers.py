"""What a file's container says about its audio that the reading library does not tell."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["LengthlessFile", "missing_audio", "mp3_length_is_guess"]

# libsndfile clips a header's length to the file and mentions that only in its log.
_CHUNK = re.compile(
    r"^\s*(?:data|SSND|riff|Data Size)\s*:\s*(\d+)\s*\(should be (\d+)\)", re.MULTILINE
)
_DS64 = re.compile(r"Calculated frame count (\d+) does not match value from 'ds64' chunk of (\d+)")

# Programs that write to a pipe cannot come back to fill in the length and leave one of these,
# rounded down to whole frames.
_STREAMED_LENGTHS = (range(0x7FFFF000, 0x80000001), range(0xFFFFF000, 0x100000001))

_OGG_LAST_PAGE = 0x04


def missing_audio(path: str, format: str, log: str) -> str | None:
    """Say how the file is cut short, or None if it does not look so.

    Parameters
    ----------
    path : str
    format : str
        libsndfile's name of the container, such as ``"WAV"``.
    log : str
        What libsndfile logged when it opened the file.

    Returns
    -------
    str or None
        Such as "its header promises 882000 bytes of audio and 440978 are there".
    """
    if format == "OGG":
        ended = _ogg_has_last_page(path)
        return None if ended else "its last Ogg page is not marked as the end"
    for found in _CHUNK.finditer(log):
        promised, there = int(found[1]), int(found[2])
        if promised > there and not any(promised in lengths for lengths in _STREAMED_LENGTHS):
            return f"its header promises {promised} bytes of audio and {there} are there"
    for found in _DS64.finditer(log):
        there, promised = int(found[1]), int(found[2])
        if promised > there:
            return f"its header promises {promised} frames and {there} are there"
    return None


def _ogg_has_last_page(path: str) -> bool:
    longest_page_bytes = 65_307
    with open(path, "rb") as file:
        file.seek(-min(longest_page_bytes, os.path.getsize(path)), os.SEEK_END)
        tail = file.read()
    page = tail.rfind(b"OggS")
    return 0 <= page < len(tail) - 5 and bool(tail[page + 5] & _OGG_LAST_PAGE)


def mp3_length_is_guess(path: str) -> bool:
    """Whether an MP3 file has no header with its length.

    Without one the reading library guesses the length from the first frame's bit rate, and then
    stops there, which loses most of a variable-rate file.
    """
    with open(path, "rb") as file:
        tag = file.read(10)
        start = 0
        if tag[:3] == b"ID3" and len(tag) == 10:
            # Four bytes of seven bits each, the highest first.
            start = 10
            for byte, shift in zip(tag[6:10], (21, 14, 7, 0), strict=True):
                start += (byte & 0x7F) << shift
        file.seek(start)
        first_frame = file.read(2048)
    return not any(word in first_frame for word in (b"Xing", b"Info", b"VBRI"))


class LengthlessFile:
    """A file that claims to be far longer than it is, for a reader that guesses from the size.

    Whatever the true bit rate, the guess then lies behind the end, and the reader stops where
    the data stop.

    Parameters
    ----------
    path : str
    """

    _FACTOR = 1000
    _ID3V1_BYTES = 128

    def __init__(self, path: str) -> None:
        self._file = open(path, "rb", buffering=0)  # noqa: SIM115 - closed by close()
        self._end = os.path.getsize(path) * self._FACTOR
        self._position = 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a byte, as ``io.RawIOBase.seek``."""
        origin = (0, self._position, self._end)[whence]
        self._position = max(0, origin + offset)
        return self._position

    def tell(self) -> int:
        """Return the byte that is read next."""
        return self._position

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill the buffer, as ``io.RawIOBase.readinto``; 0 where the data end."""
        view = memoryview(buffer).cast("B")
        if self._position >= self._end - self._ID3V1_BYTES:
            # The reader looks for a tag in the last bytes, and gives up if there are none.
            count = max(0, min(len(view), self._end - self._position))
            view[:count] = bytes(count)
        else:
            self._file.seek(self._position)
            count = self._file.readinto(view) or 0
        self._position += count
        return count

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes."""
        buffer = bytearray(size)
        return bytes(buffer[: self.readinto(buffer)])

    def write(self, data: bytes) -> int:
        """Refuse: the reading library wants the method, not the deed."""
        raise OSError("opened for reading")

    def close(self) -> None:
        """Close the file."""
        self._file.close()
