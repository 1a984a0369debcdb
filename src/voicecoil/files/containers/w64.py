"""Sony Wave64: like RIFF, with ids of 16 bytes, sizes of 8 bytes and padding to 8 bytes."""

from __future__ import annotations

from typing import BinaryIO

from voicecoil.files.containers.layout import Layout, promise, replaced

__all__ = ["parse"]

_HEAD_BYTES = 24
_FIRST_CHUNK = 40
_MAX_CHUNKS = 10_000


def parse(file: BinaryIO, start: int, size: int) -> Layout:
    """Return where the audio of a W64 file is."""
    offset = start + _FIRST_CHUNK
    for _ in range(_MAX_CHUNKS):
        if offset + _HEAD_BYTES > size:
            break
        file.seek(offset)
        head = file.read(_HEAD_BYTES)
        length = int.from_bytes(head[16:], "little")  # The size includes the chunk's head.
        if head[:4] == b"data":
            available = size - offset - _HEAD_BYTES
            if length <= _HEAD_BYTES and available:
                field = (_HEAD_BYTES + available).to_bytes(8, "little")
                return Layout((replaced(size, (offset + 16, field)),))
            return Layout(missing=promise(length - _HEAD_BYTES, available))
        if length < _HEAD_BYTES:
            break
        offset += -(-length // 8) * 8
    return Layout()
