"""Parsers that find the position and the length of the audio in a file's container.

libsndfile decodes most audio, but it does not report everything that a player needs. It reads only
one stream of a file with several streams. It trusts a size in a header that was not completed. It
reports only in its log that a file is truncated, and that log also contains text from the file.
Therefore :func:`read_layout` reads the sizes from the container itself, with one small parser for
each family of containers.
"""

from __future__ import annotations

from typing import BinaryIO

from voicecoil.files.containers import aiff, au, caf, foreign, mpeg, ogg, riff, w64
from voicecoil.files.containers.layout import Layout, Part
from voicecoil.files.containers.pieces import Pieces

__all__ = ["Layout", "Part", "Pieces", "read_layout"]

_PARSERS = {
    b"RIFF": riff.parse,
    b"RIFX": riff.parse,
    b"RF64": riff.parse,
    b"riff": w64.parse,
    b"FORM": aiff.parse,
    b"caff": caf.parse,
    b".snd": au.parse,
    b"OggS": ogg.parse,
}
_OTHER_DECODERS = (b"fLaC",)


def read_layout(file: BinaryIO, size: int) -> Layout:
    """Return where the audio of a file is.

    Parameters
    ----------
    file : binary file
        Open for reading.
    size : int
        Size of the file in bytes.

    Returns
    -------
    Layout
        A single part with the whole file if the container is unknown or too damaged to be parsed.
        libsndfile then decides whether it can read the file.
    """
    start = mpeg.skip_id3v2(file, 0, size)
    file.seek(start)
    head = file.read(foreign.HEAD_BYTES)
    magic = head[:4]
    if magic in _OTHER_DECODERS:
        return Layout()
    if magic in _PARSERS:
        return _PARSERS[magic](file, start, size)
    if (layout := foreign.parse(head)) is not None:
        return layout
    if start or (len(magic) == 4 and magic[0] == 0xFF and magic[1] >= 0xE0):
        return mpeg.parse(file, start, size)
    return Layout()
