"""Sun and NeXT audio: one header of fixed fields in front of the audio."""

from __future__ import annotations

import struct
from typing import BinaryIO

from voicecoil.files.containers.layout import Layout, promise
from voicecoil.files.containers.riff import STREAMED_SIZES

__all__ = ["parse"]


def parse(file: BinaryIO, start: int, size: int) -> Layout:
    """Return where the audio of an AU file is."""
    file.seek(start)
    head = file.read(12)
    if len(head) < 12:
        return Layout()
    offset, promised = struct.unpack(">4xII", head)
    if any(promised in sizes for sizes in STREAMED_SIZES):
        return Layout()
    return Layout(missing=promise(promised, max(0, size - start - offset)))
