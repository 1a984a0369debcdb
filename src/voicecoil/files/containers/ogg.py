"""Ogg: pages of one or more streams. A chain has several links, one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from voicecoil.files.containers.layout import Layout, Part

__all__ = ["parse"]

_HEAD_BYTES = 27
_FIRST_PAGE, _LAST_PAGE = 0x02, 0x04
_CODECS = (b"\x01vorbis", b"OpusHead", b"\x7fFLAC", b"Speex   ")
_SEARCH_BYTES = 65_536


@dataclass
class _Link:
    """One link of a chain: a range of the file in which all its streams begin and end."""

    start: int
    end: int
    audio_serial: bytes | None = None
    ended: bool = False
    has_body: bool = False


def parse(file: BinaryIO, start: int, size: int) -> Layout:
    """Return where the audio of an Ogg file is.

    All pages are read, because a link can begin anywhere. If a file was concatenated with itself,
    two links have the same serial number.
    """
    links: list[_Link] = []
    offset: int | None = start
    cut = False
    while offset is not None:
        file.seek(offset)
        head = file.read(_HEAD_BYTES)
        if len(head) < _HEAD_BYTES or head[:4] != b"OggS":
            cut = cut or (head[:4] == b"OggS")
            offset = _next_page(file, offset + 1, size)
            continue
        table = file.read(head[26])
        body = offset + _HEAD_BYTES + head[26]
        end = body + sum(table)
        first, last, serial = head[5] & _FIRST_PAGE, head[5] & _LAST_PAGE, head[14:18]
        if first and (not links or links[-1].has_body):
            links.append(_Link(offset, end))
        if not links:
            return Layout()
        link = links[-1]
        if first and link.audio_serial is None and file.read(8).startswith(_CODECS):
            link.audio_serial = serial
        link.has_body = link.has_body or not first
        link.end = min(end, size)
        cut = len(table) < head[26] or end > size
        if last and not cut and serial == link.audio_serial:
            link.ended = True
        offset = end
    if not links:
        return Layout()
    missing = None
    if cut:
        missing = "its last Ogg page is cut"
    elif links[-1].audio_serial is not None and not links[-1].ended:
        missing = "its last Ogg page is not marked as the end"
    if len(links) == 1:
        return Layout(missing=missing)
    return Layout(tuple(Part(((link.start, link.end),)) for link in links), missing)


def _next_page(file: BinaryIO, offset: int, size: int) -> int | None:
    """Return the offset of the next page after bytes that belong to no page; None at the end."""
    while offset < size:
        file.seek(offset)
        found = file.read(_SEARCH_BYTES)
        at = found.find(b"OggS")
        if at >= 0:
            return offset + at
        if len(found) < 4:
            return None
        offset += len(found) - 3
    return None
