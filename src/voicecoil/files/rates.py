"""The sample rates of arrays, files and conversions, and the qualities of rate conversion."""

from __future__ import annotations

from numbers import Real

from voicecoil.arguments import shown
from voicecoil.errors import ArgumentError, ArgumentTypeError
from voicecoil.limits import FILE_RATE_RANGE_HZ

__all__ = ["QUALITIES", "check_file_rate"]

QUALITIES = ("QQ", "LQ", "MQ", "HQ", "VHQ")
"""The rate converter's qualities, from the quickest (QQ) to the highest (VHQ)."""


def check_file_rate(samplerate: float, name: str = "samplerate") -> int:
    """Return a sample rate in Hz as an int, or raise an error that says what is wrong.

    Parameters
    ----------
    samplerate : int or float
        Within `FILE_RATE_RANGE_HZ`. A float must be a whole number, such as 44100.0.
    name : str, optional
        The parameter's name, for the message.

    Raises
    ------
    ArgumentTypeError
        `samplerate` is not a number.
    ArgumentError
        `samplerate` is out of range, or is not a whole number.
    """
    low, high = FILE_RATE_RANGE_HZ
    possible = f"use a whole number from {low} to {high} (Hz)"
    if isinstance(samplerate, bool) or not isinstance(samplerate, Real):
        raise ArgumentTypeError(f"{name} is {shown(samplerate)}; {possible}, such as 48000")
    if not low <= samplerate <= high or samplerate != int(samplerate):
        raise ArgumentError(f"{name} is {shown(samplerate)}; {possible}, such as 48000")
    return int(samplerate)
