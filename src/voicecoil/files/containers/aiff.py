"""AIFF and AIFF-C: chunks as in RIFF, with the most significant byte first."""

from __future__ import annotations

from typing import BinaryIO

from voicecoil.files.containers.layout import Layout, promise
from voicecoil.files.containers.riff import STREAMED_SIZES, chunks

__all__ = ["parse"]

_OFFSET_AND_BLOCK_BYTES = 8


def parse(file: BinaryIO, start: int, size: int) -> Layout:
    """Return where the audio of an AIFF file is."""
    for chunk in chunks(file, start + 12, size, "big"):
        # libsndfile reads to the end of the file if the size in the header was not completed.
        streamed = chunk.size == 0 or any(chunk.size in sizes for sizes in STREAMED_SIZES)
        if chunk.id == b"SSND" and not streamed:
            available = size - chunk.body - _OFFSET_AND_BLOCK_BYTES
            return Layout(missing=promise(chunk.size - _OFFSET_AND_BLOCK_BYTES, available))
    return Layout()
