"""Checks of the arguments of a virtual device."""

from __future__ import annotations

from typing import Any, TypeVar, get_args

from voicecoil.arguments import check_between, check_count, check_list, shown
from voicecoil.errors import ArgumentError, ArgumentTypeError

__all__ = ["check_channels", "check_choice", "check_devices", "check_frames", "check_rate"]

MAX_CHANNELS = 1024
LONGEST_CYCLE = 1_000_000  # frames
Choice = TypeVar("Choice")


def check_choice(value: Choice, name: str, choices: Any) -> Choice:
    """Returns a value that the type `choices`, a Literal, has."""
    possible = get_args(choices)
    if value not in possible:
        raise ArgumentError(f"{name}={shown(value)}; possible are {', '.join(map(repr, possible))}")
    return value


def check_channels(value: Any, name: str) -> int:
    """Returns a number of channels."""
    return check_count(value, name, f"0 to {MAX_CHANNELS} channels, such as 2", most=MAX_CHANNELS)


def check_frames(value: Any) -> int | None:
    """Returns the frames of an IO cycle; None stays None."""
    if value is None:
        return None
    possible = f"1 to {LONGEST_CYCLE} frames per IO cycle, such as 512"
    return check_count(value, "frames", possible, 1, LONGEST_CYCLE)


def check_rate(value: Any, name: str = "samplerate") -> float:
    """Returns a rate, Hz."""
    check_between(value, name, 1.0, 1e7, "a rate in Hz, such as 48000")
    return value  # type: ignore[no-any-return]


def check_devices(devices: Any) -> list[Any]:
    """Returns a list of virtual devices."""
    possible = "virtual devices, such as VirtualDriver([VirtualDevice()])"
    found = check_list(devices, "devices", possible)
    for one in found:
        if not hasattr(one, "describe"):
            raise ArgumentTypeError(
                f"{shown(one)} in devices is no virtual device; give a list of {possible}"
            )
    return found
