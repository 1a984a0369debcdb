"""Core Audio Format: chunks of a type, a signed size of 8 bytes and a body without padding."""

from __future__ import annotations

from typing import BinaryIO

from voicecoil.files.containers.layout import Layout, promise, replaced

__all__ = ["parse"]

_FIRST_CHUNK = 8
_HEAD_BYTES = 12
_EDIT_COUNT_BYTES = 4
_UNKNOWN_SIZE = -1
_MAX_CHUNKS = 10_000


def parse(file: BinaryIO, start: int, size: int) -> Layout:
    """Return where the audio of a CAF file is.

    libsndfile refuses a file with the size -1, which means that the audio extends to the end of the
    file. It also refuses some truncated files. In both cases the size in the header is replaced by
    the size of the available audio.
    """
    offset = start + _FIRST_CHUNK
    for _ in range(_MAX_CHUNKS):
        if offset + _HEAD_BYTES > size:
            break
        file.seek(offset)
        head = file.read(_HEAD_BYTES)
        length = int.from_bytes(head[4:], "big", signed=True)
        available = size - offset - _HEAD_BYTES
        if head[:4] == b"data":
            if 0 <= length <= available:
                break
            missing = None
            if length != _UNKNOWN_SIZE:
                missing = promise(length - _EDIT_COUNT_BYTES, available - _EDIT_COUNT_BYTES)
            part = replaced(size, (offset + 4, available.to_bytes(8, "big")))
            return Layout((part,), missing)
        if length < 0:
            break
        offset += _HEAD_BYTES + length
    return Layout()
