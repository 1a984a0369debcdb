"""FLAC: metadata blocks, followed by frames that only a decoder can separate."""

from __future__ import annotations

from typing import BinaryIO

from voicecoil.files.containers.layout import Part
from voicecoil.files.containers.mpeg import skip_id3v2

__all__ = ["next_parts"]

_MARKER = b"fLaC"
_STREAM_INFO = b"\x00\x00\x22"  # the length of a STREAMINFO block, after its type byte
_SEARCH_BYTES = 1 << 20
_MAX_BLOCKS = 10_000


def next_parts(file: BinaryIO, size: int, start: int) -> tuple[Part, Part] | None:
    """Return a stream of a concatenated file and all that follows it; None if nothing follows.

    This searches the whole file, so it is called only after the stream has ended.

    Parameters
    ----------
    file : binary file
    size : int
        Size of the file in bytes.
    start : int
        Offset of the stream, in bytes.
    """
    offset = skip_id3v2(file, start, size) + len(_MARKER)
    for _ in range(_MAX_BLOCKS):
        file.seek(offset)
        head = file.read(4)
        if len(head) < 4:
            return None
        offset += 4 + int.from_bytes(head[1:], "big")
        if head[0] & 0x80:
            break
    while offset < size:
        file.seek(offset)
        data = file.read(_SEARCH_BYTES)
        at = data.find(_MARKER)
        while at >= 0:
            if data[at + 5 : at + 8] == _STREAM_INFO:
                return Part(((start, offset + at),)), Part(((offset + at, size),))
            at = data.find(_MARKER, at + 1)
        if len(data) < 8:
            return None
        offset += len(data) - 7
    return None
