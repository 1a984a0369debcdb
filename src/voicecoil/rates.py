"""What a sample rate may be."""

from __future__ import annotations

from numbers import Real

from .errors import ArgumentError, ArgumentTypeError

__all__ = ["MAX_SAMPLERATE", "MIN_SAMPLERATE", "check_samplerate"]

MIN_SAMPLERATE = 100
MAX_SAMPLERATE = 1_536_000


def check_samplerate(samplerate: float, name: str = "samplerate") -> int:
    """Return a sample rate in frames per second as an int, or say why it cannot be one.

    Parameters
    ----------
    samplerate : int or float
        ``MIN_SAMPLERATE`` to ``MAX_SAMPLERATE``; a float must be whole, such as 44100.0.
    name : str, optional
        The parameter's name, for the message.

    Raises
    ------
    ArgumentTypeError
        It is not a number.
    ArgumentError
        It is out of range, or not whole.
    """
    possible = f"possible are whole numbers from {MIN_SAMPLERATE} to {MAX_SAMPLERATE} (Hz)"
    if isinstance(samplerate, bool) or not isinstance(samplerate, Real):
        raise ArgumentTypeError(f"{name} is {samplerate!r}; {possible}, such as 48000")
    if not MIN_SAMPLERATE <= samplerate <= MAX_SAMPLERATE or samplerate != int(samplerate):
        raise ArgumentError(f"{name} is {samplerate!r}; {possible}, such as 48000")
    return int(samplerate)
