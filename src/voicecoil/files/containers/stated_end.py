"""Where Matroska and ASF files say that their audio ends. libav does not report that one is cut."""

from __future__ import annotations

import os
from typing import BinaryIO

__all__ = ["is_cut"]

_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
_ASF_DATA = bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")
_ASF_HEAD_BYTES = 24  # of an object: 16 of its name, 8 of its size


def is_cut(file: BinaryIO, demuxer: str) -> bool:
    """Return whether the file is shorter than its header says. The place in the file is kept.

    Parameters
    ----------
    file : file object
        It can seek.
    demuxer : str
        libav's name of the container. Those other than Matroska and ASF are not examined.
    """
    find = {"matroska": _matroska_end, "asf": _asf_end}.get(demuxer)
    if find is None:
        return False
    place = file.tell()
    try:
        end = find(file)
    finally:
        file.seek(place)
    return end is not None and os.fstat(file.fileno()).st_size < end


def _matroska_end(file: BinaryIO) -> int | None:
    """Return the end of the segment. A live recording does not state it."""
    file.seek(0)
    if file.read(4) != _EBML:
        return None
    size = _ebml_size(file)
    if size is None:
        return None
    file.seek(size, os.SEEK_CUR)
    if file.read(4) != _SEGMENT:
        return None
    size = _ebml_size(file)
    return None if size is None else file.tell() + size


def _ebml_size(file: BinaryIO) -> int | None:
    """Read a size: the number of zero bits before the first 1 tells how many bytes follow. All bits
    after it are 1 if the size is not known.
    """
    first = file.read(1)
    if not first or not first[0]:
        return None
    more = 8 - first[0].bit_length()
    rest = file.read(more)
    value = int.from_bytes(first + rest, "big") & ((1 << 7 * (more + 1)) - 1)
    return None if len(rest) < more or value == (1 << 7 * (more + 1)) - 1 else value


def _asf_end(file: BinaryIO) -> int | None:
    """Return the end of the object with the packets, which follows the header."""
    file.seek(16)
    start = int.from_bytes(file.read(8), "little")
    if start >= 1 << 62:
        return None
    file.seek(start)
    head = file.read(_ASF_HEAD_BYTES)
    size = int.from_bytes(head[16:], "little")
    if head[:16] != _ASF_DATA or size <= _ASF_HEAD_BYTES:  # the size of a live recording is 0
        return None
    return start + size
