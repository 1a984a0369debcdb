"""What the container of an audio file says about the audio in it.

libsndfile decodes, but it does not tell everything that a player must know: it reads one stream
of a file that holds several, it believes a size in the header that was never filled in, and it
mentions only in its log that a file is cut. That log also quotes the file's own texts, so the
sizes are read from the container itself. :func:`read_layout` does this, with one small parser for
each family of containers.
"""

from __future__ import annotations

from typing import BinaryIO

from voicecoil.files.containers import aiff, au, caf, mpeg, ogg, riff, w64
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
        How many bytes it has.

    Returns
    -------
    Layout
        One part that is the whole file if the container is not known, or is damaged so much that
        nothing can be said about it. libsndfile then decides.
    """
    start = mpeg.skip_id3v2(file, 0, size)
    file.seek(start)
    magic = file.read(4)
    if magic in _OTHER_DECODERS:
        return Layout()
    if magic in _PARSERS:
        return _PARSERS[magic](file, start, size)
    if start or (len(magic) == 4 and magic[0] == 0xFF and magic[1] >= 0xE0):
        return mpeg.parse(file, start, size)
    return Layout()
