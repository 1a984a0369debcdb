"""PyAudio's numbers of sample formats."""

from __future__ import annotations

from voicecoil.pyaudio import constants as pa
from voicecoil.sounddevice.formats import BYTES

__all__ = ["FORMATS", "format_of_width", "sample_bytes"]

FORMATS = {
    pa.paFloat32: "float32",
    pa.paInt32: "int32",
    pa.paInt24: "int24",
    pa.paInt16: "int16",
    pa.paInt8: "int8",
    pa.paUInt8: "uint8",
}


def sample_bytes(sample_format: int) -> int:
    """Return the bytes of a sample."""
    if sample_format not in FORMATS:
        raise ValueError("Sample format not supported", pa.paSampleFormatNotSupported)
    return BYTES[FORMATS[sample_format]]


def format_of_width(width: int, unsigned: bool) -> int:
    """Return the number of the format whose samples have `width` bytes."""
    found = {
        1: pa.paUInt8 if unsigned else pa.paInt8,
        2: pa.paInt16,
        3: pa.paInt24,
        4: pa.paFloat32,
    }
    if width not in found:
        raise ValueError(f"Invalid width: {width}; possible are 1, 2, 3 and 4 bytes")
    return found[width]
