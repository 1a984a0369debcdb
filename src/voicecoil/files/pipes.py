"""Sound through pipes: a source and a sink for standard input and output, as WAV or raw samples.

A pipe cannot be rewound. Therefore the header of a WAV stream is read once, from its start, and
written once, before the length is known.
"""

from __future__ import annotations

import os
import select
import struct
import sys
from typing import TYPE_CHECKING

from voicecoil.errors import FileFormatError, FileTruncatedError, SeekError
from voicecoil.files.arrays import as_float32, from_float32
from voicecoil.files.channels import check_channels
from voicecoil.files.protocol import check_max_frames
from voicecoil.files.rates import check_file_rate
from voicecoil.sample_types import SampleType
from voicecoil.wording import plural

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["PipeSink", "PipeSource", "raw_source", "wav_source"]

UNKNOWN_BYTES = 0xFFFFFFFF  # size in the header of a WAV stream whose length is not known
# Sizes that programs state in a pipe, because they do not know the length yet: 0; 0x7FFFF000 (SoX,
# espeak), 0x7FFFFF00, 0x7FFFFFFF and 0x80000000 (arecord and others); 0xFFFFFFFF (FFmpeg). Some
# programs subtract the header or round down to whole frames, so these are ranges. A true size is
# almost never in them, and sizes of 2 to 4 GiB between them are lengths.
_UNKNOWN_SIZES = (range(1), range(0x7FFE0000, 0x80000001), range(0xFFFE0000, 0x100000000))
PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE  # format tags of WAV
LOOK_S = 0.1  # interval at which a reader that waits for the pipe checks whether it was cancelled
CHUNK_BYTES = 65_536
MAX_CHUNK_BYTES = 1 << 26  # longest chunk before the samples, such as pictures
# The sample types of WAV by (tag, bits); "i3" are three bytes.
_TYPES = {
    (PCM, 8): "u1",
    (PCM, 16): "<i2",
    (PCM, 24): "i3",
    (PCM, 32): "<i4",
    (FLOAT, 32): "<f4",
    (FLOAT, 64): "<f8",
}
# NumPy's codes, to which "<" or "=" is prefixed for the byte order of WAV or of this machine.
_CODES: dict[SampleType, str] = {"float32": "f4", "int16": "i2", "int32": "i4", "uint8": "u1"}


class PipeSource:
    """The samples that come through a pipe. A source of frames.

    Parameters
    ----------
    pipe : _Pipe
        Positioned at the first sample.
    samplerate : float
        Hz.
    channels : int
    sample_type : str
        A type of NumPy, or "i3".
    frames : int or None
        None: until the pipe is closed.
    """

    def __init__(
        self, pipe: _Pipe, samplerate: float, channels: int, sample_type: str, frames: int | None
    ) -> None:
        self.samplerate = check_file_rate(samplerate)
        self.channels = check_channels(channels)
        self.frames = frames
        self._pipe = pipe
        self._type = sample_type
        self._frame_bytes = int(sample_type[-1]) * self.channels
        self._given = 0

    def read(self, max_frames: int) -> NDArray[np.float32]:
        """Return the next frames, as soon as there is at least one.

        Parameters
        ----------
        max_frames : int
            1 or more.

        Returns
        -------
        ndarray of float32, shape (n, channels)
            At most `max_frames` frames. ``n`` is 0 at the end, and after `cancel`.

        Raises
        ------
        FileTruncatedError
            The pipe was closed before the length that its header states, or inside a frame.
        """
        import numpy as np

        wanted = check_max_frames(max_frames)
        if self.frames is not None:
            wanted = min(wanted, self.frames - self._given)
        data = self._pipe.read_some(wanted * self._frame_bytes, self._frame_bytes)
        whole = len(data) // self._frame_bytes
        missing = self.frames is not None and whole == 0 < wanted
        if (len(data) % self._frame_bytes or missing) and not self._pipe.cancelled:
            raise FileTruncatedError(
                f"standard input ended after {plural(self._given + whole, 'frame')}, "
                + ("before its stated length" if missing else "inside a frame")
                + "; these frames have been read",
                frames=self._given + whole,
            )
        self._given += whole
        data = data[: whole * self._frame_bytes]
        if self._type == "i3":
            # The three bytes are the upper ones of an int32.
            samples = np.zeros((whole * self.channels, 4), np.uint8)
            samples[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
            values = samples.view("<i4")
        else:
            values = np.frombuffer(data, self._type)
        return as_float32(values.reshape(whole, self.channels))

    def cancel(self) -> None:
        """Make the present and every later `read` return 0 frames soon. Any thread may call it."""
        self._pipe.cancelled = True

    def seekable(self) -> bool:
        """Return False. `Playback.seek` asks this, so that its error comes at once."""
        return False

    def seek(self, frame: int) -> None:
        raise SeekError("a pipe cannot go to another frame")

    def close(self) -> None:
        """End all reads. The descriptor stays open, because it belongs to the program."""
        self.cancel()


class _Pipe:
    """Bytes from a descriptor. A read that waits can be cancelled."""

    def __init__(self, descriptor: int) -> None:
        self.cancelled = False
        self._descriptor = descriptor
        self._rest = b""

    def read_some(self, most: int, least: int) -> bytes:
        """Return at most `most` bytes, a multiple of `least`. Waits until there are `least`.

        At the end of the pipe, and after the read was cancelled, it returns what is there, which
        may be less than `least`.
        """
        while len(self._rest) < least and most > 0:
            more = self._next(max(CHUNK_BYTES, least - len(self._rest)))
            if not more:
                break
            self._rest += more
        data, self._rest = self._rest[:most], self._rest[most:]
        if len(data) > least:  # only whole units; the remainder comes with the next read
            surplus = len(data) % least
            data, self._rest = data[: len(data) - surplus], data[len(data) - surplus :] + self._rest
        return data

    def exactly(self, count: int) -> bytes:
        """Return `count` bytes, or fewer at the end."""
        return self.read_some(count, count) if count else b""

    def _next(self, count: int) -> bytes:
        # On Windows, `select` cannot wait for a pipe, so a read cannot be cancelled there.
        while os.name != "nt" and not self.cancelled:
            if select.select([self._descriptor], [], [], LOOK_S)[0]:
                break
        return b"" if self.cancelled else os.read(self._descriptor, count)


def raw_source(descriptor: int, samplerate: float, channels: int, dtype: SampleType) -> PipeSource:
    """Return a source of raw, interleaved samples in this machine's byte order."""
    _make_binary(descriptor)
    return PipeSource(_Pipe(descriptor), samplerate, channels, f"={_CODES[dtype]}", None)


def wav_source(descriptor: int) -> PipeSource:
    """Return a source of a WAV stream, whose header is read now.

    A length of 0 in the header, or one just below 2 GiB or 4 GiB, means until the pipe is closed.
    Programs write such lengths to pipes, because they do not know the true one.

    Raises
    ------
    FileFormatError
        The bytes are not a WAV stream, or its samples are compressed.
    """
    _make_binary(descriptor)
    pipe = _Pipe(descriptor)
    head = pipe.exactly(12)
    if len(head) < 12 or head[:4] not in (b"RIFF", b"RF64") or head[8:] != b"WAVE":
        found = f"it begins with {head[:4]!r}" if head else "it is empty"
        raise FileFormatError(
            f"standard input is not a WAV stream: {found}. Convert it to WAV, or give --raw with "
            "--dtype, --rate and --channels"
        )
    layout: tuple[int, int, str] | None = None
    while True:
        chunk = pipe.exactly(8)
        if len(chunk) < 8:
            raise FileFormatError("standard input is a WAV stream without samples")
        name, size = chunk[:4], struct.unpack("<I", chunk[4:])[0]
        if name == b"data":
            break
        if size > MAX_CHUNK_BYTES:
            raise FileFormatError(
                f"standard input is a WAV stream with a chunk {name!r} of {size} bytes"
            )
        content = pipe.exactly(size + size % 2)
        if name == b"fmt ":
            layout = _layout(content)
    if layout is None:
        raise FileFormatError("standard input is a WAV stream whose samples have no description")
    channels, rate, sample_type = layout
    known = not any(size in unknown for unknown in _UNKNOWN_SIZES)
    frames = size // (int(sample_type[-1]) * channels) if known else None
    return PipeSource(pipe, rate, channels, sample_type, frames)


def _layout(content: bytes) -> tuple[int, int, str]:
    """Return channels, rate and sample type of a chunk "fmt "."""
    if len(content) < 16:
        raise FileFormatError("standard input is a WAV stream with a damaged header")
    tag, channels, rate, _, _, bits = struct.unpack("<HHIIHH", content[:16])
    if tag == EXTENSIBLE and len(content) >= 26:
        tag = struct.unpack("<H", content[24:26])[0]
    if (tag, bits) not in _TYPES or not channels:
        raise FileFormatError(
            f"standard input is a WAV stream with format {tag} of {bits} bits and "
            f"{plural(channels, 'channel')}; possible are PCM of 8 to 32 bits and floats"
        )
    return channels, rate, _TYPES[tag, bits]


class PipeSink:
    """Writes frames to a pipe, as a WAV stream or as raw samples.

    Parameters
    ----------
    descriptor : int
    samplerate : float
        Hz.
    channels : int
    dtype : {"float32", "int16", "int32", "uint8"}
    raw : bool
        True: no header, and this machine's byte order. False: a WAV stream.
    frames : int or None
        The length for the header; None: not known.
    """

    path = "standard output"

    def __init__(
        self,
        descriptor: int,
        samplerate: float,
        channels: int,
        dtype: SampleType,
        raw: bool,
        frames: int | None,
    ) -> None:
        _make_binary(descriptor)
        self.frames = 0
        self.clipped_samples = 0
        self._descriptor = descriptor
        self._dtype = dtype
        self._type = f"{'=' if raw else '<'}{_CODES[dtype]}"
        self._header = b"" if raw else _header(check_file_rate(samplerate), channels, dtype, frames)

    def write(self, frames: NDArray[np.float32]) -> None:
        """Write the frames. Waits while the reader of the pipe is busy.

        Raises
        ------
        BrokenPipeError
            The reader has closed the pipe.
        """
        samples, clipped = from_float32(frames, self._dtype)
        self.clipped_samples += clipped
        self._write(self._header + samples.astype(self._type, copy=False).tobytes())
        self._header = b""
        self.frames += len(frames)

    def close(self) -> None:
        """Write the header if there were no frames. The descriptor stays open."""
        self._write(self._header)
        self._header = b""

    def discard(self) -> None:
        """Do nothing. What was written cannot be taken back."""

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]


def _header(rate: int, channels: int, dtype: SampleType, frames: int | None) -> bytes:
    """Return the header of a WAV stream up to the first sample."""
    tag = FLOAT if dtype == "float32" else PCM
    width = int(_CODES[dtype][-1])
    frame_bytes = channels * width
    layout = struct.pack("<HHIIHH", tag, channels, rate, rate * frame_bytes, frame_bytes, 8 * width)
    if tag == FLOAT:
        layout += b"\0\0"  # the length of an extension, which all formats but PCM must state
    size = UNKNOWN_BYTES if frames is None else frames * frame_bytes
    whole = 12 + len(layout) + 8 + size
    if frames is None or whole >= UNKNOWN_BYTES:
        size = whole = UNKNOWN_BYTES
    return (
        b"RIFF" + struct.pack("<I", whole) + b"WAVEfmt " + struct.pack("<I", len(layout)) + layout
        + b"data" + struct.pack("<I", size)
    )  # fmt: skip


def _make_binary(descriptor: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.setmode(descriptor, os.O_BINARY)
