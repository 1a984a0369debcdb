"""The parts of a file that a decoder reads one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["Layout", "Part", "Piece", "promise", "replaced"]

Piece: TypeAlias = bytes | tuple[int, int]
"""Bytes as they are, or the first and the last + 1 byte of a range of the file."""


@dataclass(frozen=True)
class Part:
    """A stretch of the file that is one stream for the decoder.

    Attributes
    ----------
    pieces : tuple of Piece or None
        The bytes that the decoder is given; None: the whole file as it is.
    frames_known : bool
        Whether the number of frames that the decoder reports can be believed. If not, the decoder
        guesses from the size in bytes, and stops there.
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
        How the file is cut short, such as "its header promises 882000 bytes of audio and 440978
        are there".
    format : str or None
        libsndfile's name of the container, if the decoder is given another one.
    """

    parts: tuple[Part, ...] = (Part(),)
    missing: str | None = None
    format: str | None = None


def promise(promised: int, available: int) -> str | None:
    """Say that bytes of audio are missing, or return None if none are."""
    if promised <= available:
        return None
    return f"its header promises {promised} bytes of audio and {available} are there"


def replaced(size: int, *fields: tuple[int, bytes]) -> Part:
    """Return a part that is the whole file with other bytes at some offsets, in rising order."""
    pieces: list[Piece] = []
    done = 0
    for offset, field in fields:
        pieces += [(done, offset), field]
        done = offset + len(field)
    pieces.append((done, size))
    return Part(tuple(pieces))
