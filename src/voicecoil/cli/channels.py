"""The option ``--channels``: a number of channels, or a list of channels counted from 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import cyclopts
from cyclopts import Parameter

from voicecoil.arguments import shown
from voicecoil.drivers.protocol import Device, Direction
from voicecoil.errors import ArgumentError

__all__ = ["CHANNELS_HELP", "Channels", "channels_option", "check_listed"]

CHANNELS_HELP = "A number of channels, or a list from 1: 3,4 (a single one: 3,)."


def _convert(kind: type, tokens: Sequence[cyclopts.Token]) -> int | list[int]:
    """Convert text to a number of channels, or to a list of channels counted from 0."""
    text = tokens[0].value
    if "," not in text:
        try:
            return int(text)
        except ValueError:
            raise ValueError(
                f"{shown(text)} is not a whole number and not a list of channels such as 3,4"
            ) from None
    try:
        listed = [int(part) for part in text.removesuffix(",").split(",")]
    except ValueError:
        raise ValueError(f"{shown(text)} is not a list of channels such as 3,4") from None
    if min(listed) < 1 or len(set(listed)) < len(listed):
        raise ValueError(f"{shown(text)}: channels are counted from 1, and each can be listed once")
    return [channel - 1 for channel in listed]


Channels = Annotated[Any, Parameter(converter=_convert, metavar="N|LIST")]


def channels_option(channels: Sequence[int]) -> str:
    """Return the option for a list of channels counted from 0."""
    listed = ",".join(str(channel + 1) for channel in channels)
    return f"--channels {listed}" + "," * (len(channels) == 1)


def check_listed(channels: Any, device: Device, direction: Direction) -> None:
    """Check that the device has all listed channels.

    Raises
    ------
    ArgumentError
        A channel does not exist. The message counts channels from 1, as the user does.
    """
    available = device.channels(direction)
    if isinstance(channels, list) and max(channels) >= available:
        raise ArgumentError(
            f"{channels_option(channels)}: {device.name!r} has the {direction} channels 1 to "
            f"{available}"
        )
