"""WAV, RIFX and RF64. Chunks have an id, a size of 4 bytes and a body padded to an even size."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import BinaryIO, Literal, NamedTuple

from voicecoil.files.containers import mpeg
from voicecoil.files.containers.layout import Layout, Part, promise, replaced

__all__ = ["STREAMED_SIZES", "chunks", "parse"]

STREAMED_SIZES = (range(0x7FFFF000, 0x80000001), range(0xFFFFF000, 0x100000001))
"""Sizes in the header of a file that was written to a pipe.

A program that writes to a pipe cannot go back to complete the header. It therefore writes the
largest possible size, rounded down to whole frames.
"""

_UNKNOWN_SIZE = 0xFFFFFFFF
_MPEG_LAYER_3 = 0x55
_MAX_CHUNKS = 10_000
_MAX_FORMAT_BYTES = 4096


class Chunk(NamedTuple):
    """One chunk: its id, the offset of its body in the file, and the size of its body."""

    id: bytes
    body: int
    size: int


def chunks(
    file: BinaryIO, offset: int, end: int, byteorder: Literal["little", "big"]
) -> list[Chunk]:
    """Return the chunks up to and including the chunk with the audio, or all if there is none."""
    found: list[Chunk] = []
    while offset + 8 <= end and len(found) < _MAX_CHUNKS:
        file.seek(offset)
        head = file.read(8)
        if len(head) < 8:
            break
        found.append(Chunk(head[:4], offset + 8, int.from_bytes(head[4:], byteorder)))
        if head[:4] in (b"data", b"SSND"):
            break
        offset += 8 + found[-1].size + (found[-1].size & 1)
    return found


def parse(file: BinaryIO, start: int, size: int) -> Layout:
    """Return where the audio of a WAV, RIFX or RF64 file is."""
    file.seek(start)
    kind = file.read(4)
    order: Literal["little", "big"] = "big" if kind == b"RIFX" else "little"
    found = {chunk.id: chunk for chunk in chunks(file, start + 12, size, order)}
    data, form = found.get(b"data"), found.get(b"fmt ")
    if data is None or form is None:
        return Layout()
    file.seek(form.body)
    form_body = file.read(min(form.size, _MAX_FORMAT_BYTES))
    if len(form_body) < 16:
        return Layout()
    promised, size_field = data.size, data.body - 4
    width = 4
    ds64 = found.get(b"ds64")
    if kind == b"RF64" and ds64 is not None:
        file.seek(ds64.body + 8)
        long_size = int.from_bytes(file.read(8), "little")
        if data.size == _UNKNOWN_SIZE:
            promised, size_field, width = long_size, ds64.body + 8, 8
    available = size - data.body
    there = _bytes_there(file, data.body, promised, available, order)
    if int.from_bytes(form_body[:2], order) == _MPEG_LAYER_3:
        layout = mpeg.parse(file, data.body, data.body + min(there, available), embedded=True)
        missing = layout.missing or promise(there, available)
        return replace(layout, missing=missing, format="WAV")
    if there == promised or available <= promised:  # libsndfile stops at the end of the file.
        return Layout(missing=promise(there, available))
    there -= there % max(1, int.from_bytes(form_body[12:14], order))
    if width == 8 or there < STREAMED_SIZES[1].start:
        return Layout((replaced(size, (size_field, there.to_bytes(width, order))),))
    if order == "big":  # RF64 has no big-endian variant.
        return Layout()
    return Layout((_as_rf64(form_body, data.body, there),), format="WAV")


def _bytes_there(
    file: BinaryIO, body: int, promised: int, available: int, order: Literal["little", "big"]
) -> int:
    """Return the number of bytes of audio.

    If the size in the header was not completed or has overflowed, this is the number of available
    bytes. Otherwise it is the size in the header, which is larger if the file is truncated.
    """
    if any(promised in sizes for sizes in STREAMED_SIZES):
        return available
    if promised == 0:
        return 0 if _only_chunks(file, body, body + available, order) else available
    if available > promised and (available - promised) % 2**32 == 0:
        return available  # The size did not fit into 4 bytes.
    return promised


def _only_chunks(file: BinaryIO, offset: int, end: int, order: Literal["little", "big"]) -> bool:
    """Return True if an empty data chunk is followed by other chunks, and not by audio."""
    for _ in range(_MAX_CHUNKS):
        if offset >= end - 1:  # A last byte may be padding.
            return True
        file.seek(offset)
        head = file.read(8)
        if len(head) < 8 or not all(0x20 <= byte < 0x7F for byte in head[:4]):
            return False
        length = int.from_bytes(head[4:], order)
        offset += 8 + length + (length & 1)
        if offset > end + 1:
            return False
    return False


def _as_rf64(form_body: bytes, body: int, there: int) -> Part:
    """Return a part with an RF64 header, whose sizes have 8 bytes, because WAV ends at 4 GiB."""
    block = max(1, int.from_bytes(form_body[12:14], "little"))
    padded = form_body + bytes(len(form_body) & 1)
    inner = 4 + 8 + 28 + 8 + len(padded) + 8 + there
    head = b"RF64" + struct.pack("<I", _UNKNOWN_SIZE) + b"WAVE"
    head += b"ds64" + struct.pack("<IQQQI", 28, inner, there, there // block, 0)
    head += b"fmt " + struct.pack("<I", len(form_body)) + padded
    head += b"data" + struct.pack("<I", _UNKNOWN_SIZE)
    return Part((head, (body, body + there)))
