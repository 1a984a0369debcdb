"""Channel maps: the device's channel for each channel of a stream."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from voicecoil.arguments import shown
from voicecoil.drivers.protocol import Device, Direction
from voicecoil.errors import ArgumentError, ArgumentTypeError
from voicecoil.limits import CHANNEL_RANGE

__all__ = ["channel_map"]


def channel_map(
    channels: int | Sequence[int] | None, device: Device, direction: Direction, default: int | None
) -> list[int]:
    """The device's channel for each channel of the stream.

    Parameters
    ----------
    channels : int, sequence of int, or None
        The number of the device's first channels, or a list of its channels, 0-based. None: the
        first `default` channels, or all if `default` is None.
    """
    low, high = CHANNEL_RANGE
    available = min(device.channels(direction), high)
    if channels is None:
        return list(range(min(available, default) if default else available))
    if isinstance(channels, (str, bytes)):
        raise ArgumentTypeError(f"channels={shown(channels)}; give a number or a list of channels")
    try:
        if isinstance(channels, bool):
            raise TypeError
        count = operator.index(channels)  # type: ignore[arg-type]
    except TypeError:
        return _explicit_map(channels, device, direction)
    if not low <= count <= available:
        raise ArgumentError(
            f"channels={shown(channels)}; {device.name!r} has {available} {direction} "
            f"channel{'s' if available != 1 else ''}, so possible is {low} to {available}"
        )
    return list(range(count))


def _explicit_map(channels: Any, device: Device, direction: Direction) -> list[int]:
    available, most = device.channels(direction), CHANNEL_RANGE[1]
    try:
        listed = list(channels)
        if any(isinstance(channel, bool) for channel in listed):
            raise TypeError
        indices = [operator.index(channel) for channel in listed]
    except TypeError:
        raise ArgumentTypeError(
            f"channels={shown(channels)}; give a number of channels, or a list of the device's "
            "channels such as [0, 3]"
        ) from None
    wrong = [index for index in indices if not 0 <= index < available]
    if not indices or wrong or len(set(indices)) != len(indices) or len(indices) > most:
        raise ArgumentError(
            f"channels={shown(channels)}; {device.name!r} has the {direction} channels 0 to "
            f"{available - 1}, and each can be used once, up to {most} in all"
        )
    return indices
