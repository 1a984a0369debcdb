"""Checks of the arguments of a simulated CoreAudio."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from voicecoil.arguments import check_count, check_list, shown
from voicecoil.drivers.coreaudio.hal import selector
from voicecoil.drivers.coreaudio.timeouts import Timeouts
from voicecoil.errors import ArgumentError, ArgumentTypeError
from voicecoil.wording import with_article

__all__ = [
    "as_code",
    "as_text",
    "as_timebase",
    "check_int",
    "check_switches",
    "check_timeouts",
]


def as_text(value: Any, name: str, example: str) -> bytes:
    """Return a text for a control function.

    Parameters
    ----------
    value : str
        The text.
    name : str
        The name of the argument, for the error.
    example : str
        A possible value, for the error.

    Returns
    -------
    bytes
        The text in UTF-8.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        `value` is no text, or has a null character, at which C would end it.
    """
    if not isinstance(value, str):
        kind = with_article(type(value).__name__)
        raise ArgumentTypeError(f"{name}={shown(value)} is {kind}; give a text such as {example!r}")
    if "\0" in value:
        raise ArgumentError(f"{name}={shown(value)} has a null character; give a text without one")
    return value.encode()


def check_int(value: Any, name: str, least: int, most: int) -> int:
    """Return a whole number for a control function.

    Parameters
    ----------
    value : int
        The number.
    name : str
        The name of the argument, for the error.
    least, most : int
        The smallest and the largest possible number.

    Returns
    -------
    int
        The number.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        `value` is no whole number, or is not in the range.
    """
    return check_count(value, name, f"a whole number from {least} to {most}", least, most)


def as_code(value: Any, name: str) -> int:
    """Return a four-character code as a number.

    Parameters
    ----------
    value : str
        Four ASCII characters.
    name : str
        The name of the argument, for the error.

    Returns
    -------
    int
        The code.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        `value` is no text, or does not have four ASCII characters.
    """
    text = as_text(value, name, "nsrt")
    if len(text) != 4 or len(value) != 4:
        raise ArgumentError(f"{name}={shown(value)}; give four characters, such as 'nsrt'")
    return selector(value)


def as_timebase(timebase: Any) -> tuple[int, int]:
    """Return a fraction of ns per tick.

    Parameters
    ----------
    timebase : (int, int)
        Numerator and denominator.

    Returns
    -------
    int, int
        Numerator and denominator.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        They are not two whole numbers of 1 or more.
    """
    parts = check_list(timebase, "timebase", "two numbers, such as (125, 3)")
    if len(parts) != 2:
        raise ArgumentError(f"timebase={shown(timebase)}; give two numbers, such as (125, 3)")
    one, other = (check_int(part, "timebase", 1, 2**32 - 1) for part in parts)
    return one, other


def check_switches(switches: Any) -> Mapping[str, int]:
    """Return the values of switches by their names.

    Parameters
    ----------
    switches : mapping or None
        None: no switches.

    Returns
    -------
    mapping of str to int
        The switches; the simulator checks their names and values.

    Raises
    ------
    ArgumentTypeError
        `switches` is no mapping.
    """
    if not isinstance(switches, (Mapping, type(None))):
        raise ArgumentTypeError(
            f"switches={shown(switches)}; give a mapping, such as {{'auto_advance': 1}}"
        )
    return switches or {}


def check_timeouts(timeouts: Any) -> Timeouts | None:
    """Return the timeouts of a driver.

    Parameters
    ----------
    timeouts : Timeouts or None
        None: those that a driver has without this argument.

    Returns
    -------
    Timeouts or None
        The timeouts.

    Raises
    ------
    ArgumentTypeError
        `timeouts` is something else.
    """
    if not isinstance(timeouts, (Timeouts, type(None))):
        raise ArgumentTypeError(f"timeouts={shown(timeouts)}; give a Timeouts(...)")
    return timeouts
