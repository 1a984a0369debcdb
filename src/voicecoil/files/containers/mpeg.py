"""MP3 and the other layers of MPEG audio: a sequence of frames with tags between them."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

from voicecoil.files.containers.layout import Layout, Part, Piece

__all__ = ["parse", "skip_id3v2"]

_LAYER_1, _LAYER_2, _LAYER_3 = 3, 2, 1  # values in the frame header
_KBPS = {
    (True, _LAYER_1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, _LAYER_2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, _LAYER_3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, _LAYER_1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, _LAYER_2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, _LAYER_3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = (44100, 48000, 32000)
_RATE_DIVISORS = {3: 1, 2: 2, 0: 4}  # MPEG 1, 2 and 2.5
_MONO = 3
_WINDOW_BYTES = 1 << 20
# A frame has at most 2,881 bytes: in layer 2 with 384 kbit/s at 32 kHz, or 160 kbit/s at 8 kHz.
_LOOK_AHEAD_BYTES = 8192
_HAS_COUNT, _HAS_BYTES = 1, 2
# The first bytes of everything that may lie between frames: tags, and padding.
_BETWEEN = (b"ID3", b"TAG", b"APE", b"LYR", b"3DI", bytes(3))


class _Frame(NamedTuple):
    """The content of the second and third byte of a frame's header."""

    size: int
    kind: tuple[int, int, int]  # version, layer, sample rate; constant in a stream


@functools.lru_cache(maxsize=8192)
def _frame(two_bytes: bytes) -> _Frame | None:
    first, second = two_bytes
    version, layer = first >> 3 & 3, first >> 1 & 3
    bit_rate, rate, padding = second >> 4, second >> 2 & 3, second >> 1 & 1
    if first < 0xE0 or version not in _RATE_DIVISORS or not layer:
        return None
    if not 1 <= bit_rate <= 14 or rate == 3:  # A bit rate of 0 does not determine the size.
        return None
    bits_per_s = 1000 * _KBPS[version == 3, layer][bit_rate - 1]
    samplerate = _RATES[rate] // _RATE_DIVISORS[version]
    if layer == _LAYER_1:
        size = (12 * bits_per_s // samplerate + padding) * 4
    else:
        short = layer == _LAYER_3 and version != 3
        size = (72 if short else 144) * bits_per_s // samplerate + padding
    return _Frame(size, (version, layer, samplerate))


class _Header(NamedTuple):
    """A Xing, Info or VBRI header, which states the number of frames.

    Encoders store it in a frame without audio before all other frames. The offsets are offsets in
    the file.
    """

    start: int
    size: int
    flags_at: int | None  # None for VBRI, which always has the number of frames and the size
    count_at: int
    frames: int | None
    size_of_all: int | None


@dataclass
class _Stream:
    """The frames of one of the concatenated files."""

    kind: tuple[int, int, int, bool]
    header: _Header | None
    ranges: list[tuple[int, int]] = field(default_factory=list)
    frames: int = 0


class _Window:
    """The part of the file that is in memory. Other parts are loaded when they are needed."""

    def __init__(self, file: BinaryIO, end: int) -> None:
        self._file = file
        self._end = end
        self.start = 0
        self.data = b""

    def at(self, offset: int) -> int:
        """Return the position of `offset` in `data`, and load the bytes after it if needed."""
        within = offset - self.start
        if within < 0 or within + _LOOK_AHEAD_BYTES > len(self.data):
            self._file.seek(offset)
            self.data = self._file.read(max(0, min(_WINDOW_BYTES, self._end - offset)))
            self.start = offset
            return 0
        return within


def skip_id3v2(file: BinaryIO, offset: int, end: int) -> int:
    """Return the offset after the ID3v2 tags that begin at `offset`."""
    while offset + 10 <= end:
        file.seek(offset)
        tag = file.read(10)
        if len(tag) < 10 or tag[:3] != b"ID3":
            break
        size = 0  # four bytes of seven bits each, the highest first
        for byte in tag[6:10]:
            size = size << 7 | byte & 0x7F
        offset += 10 + size
    return offset


def parse(file: BinaryIO, start: int, size: int, embedded: bool = False) -> Layout:
    """Return where the audio of an MPEG audio file is.

    Parameters
    ----------
    file : binary file
    start, size : int
        First offset at which the audio can begin, and the offset at which it must end.
    embedded : bool
        True if the audio is in another container, so that the decoder must read only this range.
    """
    streams, cut = _streams(file, start, size)
    if not streams:
        # The frame headers may state no bit rate. The decoder finds such frames, but cannot count
        # them.
        return Layout((Part(((start, size),) if embedded else None, frames_known=False),))
    missing = None
    last = streams[-1]
    if _promises_more(last) and last.header is not None:
        promised = last.header.frames
        missing = f"its header promises {promised} MPEG frames and {last.frames} are there"
    elif cut:
        missing = "its last MPEG frame is cut"
    else:
        missing = _damage(file, streams)
    first = streams[0]
    if len(streams) == 1 and len(first.ranges) == 1 and not embedded:
        if first.header is None:
            return Layout((Part(frames_known=False),), missing)
        if first.header.frames == first.frames or _promises_more(first):
            return Layout(missing=missing)
    return Layout(tuple(_part(stream) for stream in streams), missing)


def _promises_more(stream: _Stream) -> bool:
    """Return True if frames are missing. Some encoders count the header as one frame."""
    header = stream.header
    if header is None or header.frames is None or header.frames <= stream.frames:
        return False
    if header.frames > stream.frames + 1 or header.size_of_all is None:
        return True
    return header.start + header.size_of_all > stream.ranges[-1][1]


def _damage(file: BinaryIO, streams: list[_Stream]) -> str | None:
    """Return a text that says where the first bytes are that are neither a frame nor a tag."""
    for stream in streams:
        for _, gap in stream.ranges[:-1]:
            file.seek(gap)
            if file.read(3) not in _BETWEEN:
                return f"its frames are damaged at byte {gap}"
    return None


def _part(stream: _Stream) -> Part:
    """Return a part in which the header has the actual number of frames."""
    pieces: list[Piece] = list(stream.ranges)
    header = stream.header
    if header is None:
        return Part(tuple(pieces), frames_known=False)
    if header.frames == stream.frames or _promises_more(stream):
        return Part(tuple(pieces))
    rest = (header.start + header.size, stream.ranges[0][1])
    count = stream.frames.to_bytes(4, "big")
    if header.frames is not None:
        front: list[Piece] = [(header.start, header.count_at), count]
        front.append((header.count_at + 4, rest[0]))
    else:
        assert header.flags_at is not None
        fields = _HAS_COUNT.to_bytes(4, "big") + count
        unused = header.start + header.size - header.flags_at - len(fields)
        front = [(header.start, header.flags_at), fields, bytes(max(0, unused))]
    return Part((*front, rest, *pieces[1:]))


def _streams(file: BinaryIO, start: int, end: int) -> tuple[list[_Stream], bool]:
    """Return the streams, and whether the last frame is truncated."""
    window = _Window(file, end)
    streams: list[_Stream] = []
    offset = start
    in_step = False  # True if the previous frame ends at `offset`
    while offset + 4 <= end:
        at = window.at(offset)
        data = window.data
        frame = _frame(data[at + 1 : at + 3]) if data[at] == 0xFF else None
        if frame is None:
            offset = _next_frame(file, window, offset, end)
            in_step = False
            continue
        kind = (*frame.kind, data[at + 3] >> 6 == _MONO)
        stream = streams[-1] if streams else None
        same = stream is not None and stream.kind == kind
        if offset + frame.size > end:
            return streams, in_step and same
        if not (in_step and same) and not _confirmed(window, offset, frame, end):
            offset = _next_frame(file, window, offset, end)
            in_step = False
            continue
        header = _header(window, offset, frame, kind)
        if stream is None or not same or header is not None or _is_complete(stream, offset):
            stream = _Stream(kind, header)
            streams.append(stream)
        if in_step and stream.ranges:
            stream.ranges[-1] = (stream.ranges[-1][0], offset + frame.size)
        else:
            stream.ranges.append((offset, offset + frame.size))
        stream.frames += header is None
        offset += frame.size
        in_step = True
    return streams, False


def _is_complete(stream: _Stream, offset: int) -> bool:
    """Return True if the stream ends at `offset` according to its header.

    Both the number of frames and the size must agree, because one of them alone may be wrong.
    """
    header = stream.header
    return (
        header is not None
        and header.frames == stream.frames
        and header.size_of_all is not None
        and header.start + header.size_of_all == offset
    )


def _confirmed(window: _Window, offset: int, frame: _Frame, end: int) -> bool:
    """Return True if a frame is followed by a frame of the same kind, a tag, or the end."""
    following = offset + frame.size
    if following + 4 > end:
        return True
    at = window.at(offset) + frame.size
    if window.data[at] != 0xFF:
        return window.data[at : at + 3] in (b"TAG", b"ID3", b"APE")
    after = _frame(window.data[at + 1 : at + 3])
    return after is not None and after.kind == frame.kind


def _next_frame(file: BinaryIO, window: _Window, offset: int, end: int) -> int:
    """Return the next offset after `offset` at which a tag or a frame can begin."""
    at = window.at(offset)
    if window.data[at : at + 3] == b"ID3":
        return max(offset + 3, skip_id3v2(file, offset, end))
    offset += 1
    while offset < end:
        at = window.at(offset)
        if not window.data:
            break
        found = window.data.find(b"\xff", at)
        tag = window.data.find(b"ID3", at, found if found >= 0 else len(window.data))
        if tag >= 0 or found >= 0:
            return window.start + (tag if tag >= 0 else found)
        offset = window.start + len(window.data)
    return end


def _header(
    window: _Window, offset: int, frame: _Frame, kind: tuple[int, int, int, bool]
) -> _Header | None:
    version, layer, _, mono = kind
    if layer != _LAYER_3:
        return None
    at = window.at(offset)
    data = window.data[at : at + min(frame.size, 200)]
    side_bytes = (17 if mono else 32) if version == 3 else (9 if mono else 17)
    name_at = 4 + side_bytes
    name = data[name_at : name_at + 4]
    silent = not any(data[4:name_at])  # otherwise it is audio that has the name by chance
    if name in (b"Xing", b"Info") and silent and len(data) >= name_at + 8:
        flags = int.from_bytes(data[name_at + 4 : name_at + 8], "big")
        count_at = bytes_at = name_at + 8
        count = size = None
        if flags & _HAS_COUNT:
            count = int.from_bytes(data[count_at : count_at + 4], "big")
            bytes_at += 4
        if flags & _HAS_BYTES:
            size = int.from_bytes(data[bytes_at : bytes_at + 4], "big")
        flags_at = offset + name_at + 4
        return _Header(offset, frame.size, flags_at, offset + count_at, count, size)
    if data[4:40] == bytes(32) + b"VBRI" and len(data) >= 36 + 18:
        size = int.from_bytes(data[46:50], "big")
        count = int.from_bytes(data[50:54], "big")
        return _Header(offset, frame.size, None, offset + 50, count, size)
    return None
