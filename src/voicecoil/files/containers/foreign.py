"""Containers that libsndfile does not read. PyAV, the optional extra ``av``, reads them."""

from __future__ import annotations

from voicecoil.files.containers.layout import Layout

__all__ = ["HEAD_BYTES", "parse"]

HEAD_BYTES = 16
# (offset, bytes, name of the format, libav's demuxer). libav would detect a container itself, but
# some that it knows are playlists, whose entries are other files or addresses.
_MARKS = (
    (4, b"ftyp", "MP4", "mp4"),
    (4, b"moov", "MP4", "mp4"),
    (4, b"mdat", "MP4", "mp4"),
    (4, b"wide", "MP4", "mp4"),
    (0, b"\x1a\x45\xdf\xa3", "MATROSKA", "matroska"),
    (0, bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"), "ASF", "asf"),
    (0, b"wvpk", "WAVPACK", "wv"),
    (0, b"TTA1", "TTA", "tta"),
)


def parse(head: bytes) -> Layout | None:
    """Return the layout of a file that PyAV reads; None if it is another file.

    Parameters
    ----------
    head : bytes
        The first `HEAD_BYTES` bytes after an ID3 tag.
    """
    for offset, mark, name, demuxer in _MARKS:
        if head.startswith(mark, offset):
            return Layout(format=name, demuxer=demuxer)
    # The header of an AAC frame (ADTS) is like that of an MPEG audio frame, but its layer is 0.
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:
        return Layout(format="AAC", demuxer="aac")
    return None
