"""The parts of a file that a decoder reads one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["Layout", "Part", "Piece", "promise", "replaced"]

Piece: TypeAlias = bytes | tuple[int, int]
"""Literal bytes, or a range of the file as the offsets of its first byte and of its end."""


@dataclass(frozen=True)
class Part:
    """A stretch of the file that is one stream for the decoder.

    Attributes
    ----------
    pieces : tuple of Piece or None
        The bytes that the decoder reads. None means the whole file, unchanged.
    frames_known : bool
        True if the decoder reports the right number of frames. Otherwise the decoder estimates it
        from the size in bytes, and would stop after the estimated number.
    """

    pieces: tuple[Piece, ...] | None = None
    frames_known: bool = True


@dataclass(frozen=True)
class Layout:
    """Where the audio of a file is.

    Attributes
    ----------
    parts : tuple of Part
        At least one.
    missing : str or None
        How the file is truncated, such as "its header promises 882000 bytes of audio and 440978
        are there". None if it is complete.
    format : str or None
        libsndfile's name of the file's container, if the decoder reads another container.
    demuxer : str or None
        libav's name of the container, if libsndfile cannot read it.
    """

    parts: tuple[Part, ...] = (Part(),)
    missing: str | None = None
    format: str | None = None
    demuxer: str | None = None


def promise(promised: int, available: int) -> str | None:
    """Return a text that states how many bytes of audio are missing; None if none are."""
    if promised <= available:
        return None
    return f"its header promises {promised} bytes of audio and {available} are there"


def replaced(size: int, *fields: tuple[int, bytes]) -> Part:
    """Return a part with the whole file, in which some fields are replaced.

    Each field is an offset and its new bytes. The offsets must be in rising order.
    """
    pieces: list[Piece] = []
    done = 0
    for offset, field in fields:
        pieces += [(done, offset), field]
        done = offset + len(field)
    pieces.append((done, size))
    return Part(tuple(pieces))
