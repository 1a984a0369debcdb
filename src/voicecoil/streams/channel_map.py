"""The number of a stream's channels, and the channels of the device that they use."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from voicecoil.arguments import shown
from voicecoil.drivers.protocol import Device, Direction
from voicecoil.errors import ArgumentError, ArgumentTypeError
from voicecoil.limits import CHANNEL_RANGE
from voicecoil.wording import plural

__all__ = [
    "ChannelRequest",
    "StreamChannels",
    "channel_map",
    "channels_of",
    "duplex_channels",
    "is_number",
    "listed_channels",
    "numbered_places",
    "reusable_channels",
    "places_on",
]

STEREO = 2  # output channels of a stream that requests neither a number nor a list


@dataclass(frozen=True)
class ChannelRequest:
    """The channels that a stream requests. They are checked when the device is known.

    Attributes
    ----------
    input, output : int, sequence of int, or None
    input_argument, output_argument : str
        The name of the argument, for messages.
    """

    input: Any = None
    output: Any = None
    input_argument: str = "channels"
    output_argument: str = "channels"

    def __post_init__(self) -> None:
        for direction in ("input", "output"):
            object.__setattr__(self, direction, reusable_channels(getattr(self, direction)))


@dataclass(frozen=True)
class StreamChannels:
    """The channels of a stream on a device.

    Attributes
    ----------
    input_map : list of int
        The device's channel for each input channel of the stream, 0-based.
    output_map : list of int
        The same for the output. A single output channel may have several entries, and is played on
        each of these channels.
    outputs : int
        Number of output channels of the stream.
    output_by_number : bool
        True if the stream requested a number of output channels and not a list. If the stream
        changes to another device, the channels are then chosen anew for that device.
    """

    input_map: list[int]
    output_map: list[int]
    outputs: int
    output_by_number: bool

    @property
    def inputs(self) -> int:
        """Number of input channels of the stream."""
        return len(self.input_map)


def channels_of(
    request: ChannelRequest, device: Device, directions: tuple[Direction, ...]
) -> StreamChannels:
    """Return the channels of a stream on the device on which it is opened.

    Raises
    ------
    ArgumentError, ArgumentTypeError
    """
    inputs: list[int] = []
    outputs: list[int] = []
    if "input" in directions:
        inputs = channel_map(request.input, device, "input", None, request.input_argument)
    if "output" in directions:
        outputs = channel_map(request.output, device, "output", STEREO, request.output_argument)
    by_number = request.output is None or is_number(request.output)
    single = request.output is not None and by_number and operator.index(request.output) == 1
    return StreamChannels(inputs, outputs, 1 if single and outputs else len(outputs), by_number)


def duplex_channels(channels: Any, inputs: Any, outputs: Any) -> ChannelRequest:
    """Return the channels that a duplex stream requests.

    Raises
    ------
    ArgumentError
        The arguments contradict each other, or `channels` has two meanings.
    """
    if channels is None:
        return ChannelRequest(inputs, outputs, "input_channels", "output_channels")
    if inputs is not None or outputs is not None:
        name, value = (
            ("input_channels", inputs) if inputs is not None else ("output_channels", outputs)
        )
        raise ArgumentError(
            f"channels={shown(channels)} and {name}={shown(value)}; channels is one number for "
            "both directions: give either that, or input_channels and output_channels"
        )
    if isinstance(channels, (tuple, list)):
        return _pair(channels)
    return ChannelRequest(channels, channels)


def _pair(channels: Any) -> ChannelRequest:
    """Return the request for a pair (input, output). Two numbers are refused as ambiguous."""
    if len(channels) == 2 and not all(map(is_number, channels)):
        return ChannelRequest(*channels)
    if len(channels) == 2:
        first, second = channels
        numbers, both = f"input_channels={first!r}, output_channels={second!r}", f"{[*channels]!r}"
        raise ArgumentError(
            f"channels={channels!r} has two meanings: {plural(first, 'input')} and "
            f"{plural(second, 'output')} ({numbers}), or the device's channels {first!r} "
            f"and {second!r} in both directions (input_channels={both}, "
            f"output_channels={both}); give the one that you mean"
        )
    raise ArgumentError(
        f"channels={shown(channels)}; in a duplex stream that is one number for both directions, "
        "or a pair (input, output) of lists; for the channels of one direction give "
        "input_channels or output_channels, such as input_channels=[3]"
    )


def is_number(channels: Any) -> bool:
    """Whether `channels` is a number of channels, and not a list of channels."""
    try:
        operator.index(channels)
    except TypeError:
        return False
    return not isinstance(channels, bool)


def reusable_channels(channels: Any) -> Any:
    """Return the items of an iterator as a list, because it can be read only once.

    Everything else is returned unchanged, so that messages show what was given.
    """
    return list(channels) if isinstance(channels, Iterator) else channels


def listed_channels(channels: Any) -> tuple[Any, ...] | None:
    """Return a list of the device's channels as a tuple; None for a number and for None.

    Raises
    ------
    ArgumentTypeError
        `channels` is neither a list, a number nor None.
    """
    if channels is None or is_number(channels):
        return None
    try:
        if isinstance(channels, (str, bytes)):
            raise TypeError
        return tuple(channels)
    except TypeError:
        raise ArgumentTypeError(
            f"channels={shown(channels)}; give a number of channels, or a list of the device's "
            "channels such as [0, 3]"
        ) from None


def channel_map(
    channels: int | Sequence[int] | None,
    device: Device,
    direction: Direction,
    default: int | None,
    argument: str = "channels",
) -> list[int]:
    """Return the device's channel for each channel of the stream.

    Parameters
    ----------
    channels : int, sequence of int, or None
        The number of channels, or a list of the device's channels, 0-based. None: `default`, or all
        if `default` is None. One output channel goes to both channels of the device's stereo pair,
        two go to that pair, and more go to the device's first channels.
    """
    low, high = CHANNEL_RANGE
    available = min(device.channels(direction), high)
    if channels is None:
        count = min(available, default) if default else available
        return [place for place in numbered_places(count, device, direction) if place is not None]
    if isinstance(channels, (str, bytes)):
        raise ArgumentTypeError(
            f"{argument}={shown(channels)}; give a number or a list of channels"
        )
    if not is_number(channels):
        return _explicit_map(channels, device, direction, argument)
    count = operator.index(channels)  # type: ignore[arg-type]
    if not low <= count <= available:
        raise ArgumentError(
            f"{argument}={shown(channels)}; {device.name!r} has "
            f"{plural(available, direction + ' channel')}, so use {low} to {available}"
        )
    return [place for place in numbered_places(count, device, direction) if place is not None]


def numbered_places(count: int, device: Device, direction: Direction) -> list[int | None]:
    """Return the device's channels for `count` channels; None for each channel that it lacks."""
    available = device.channels(direction)
    if direction == "output" and 1 <= count <= STEREO <= available:
        left, right = device.stereo_channels
        good = left != right and min(left, right) >= 0 and max(left, right) < available
        return [left, right] if good else [0, 1]
    return [index if index < available else None for index in range(count)]


def places_on(
    channels: StreamChannels, device: Device
) -> tuple[list[int | None], list[int | None]]:
    """Return the channels of any device for the input and the output channels of a stream.

    None stands for each channel that the device lacks. On the device on which the stream was opened
    these are its maps.
    """
    input_map = _kept_or_first(channels.input_map, device.input_channels)
    if channels.output_by_number:
        return input_map, numbered_places(channels.outputs, device, "output")
    return input_map, _kept_or_first(channels.output_map, device.output_channels)


def _kept_or_first(channels: Sequence[int], available: int) -> list[int | None]:
    """Maps the stream's channels to a device with `available` channels.

    The map stays as it was if the device has all of its channels. Otherwise the stream uses the
    device's first channels, and None stands for each channel that the device lacks.
    """
    if all(channel < available for channel in channels):
        return list(channels)
    return [index if index < available else None for index in range(len(channels))]


def _explicit_map(channels: Any, device: Device, direction: Direction, argument: str) -> list[int]:
    available = device.channels(direction)
    try:
        listed = list(channels)
        if any(isinstance(channel, bool) for channel in listed):
            raise TypeError
        indices = [operator.index(channel) for channel in listed]
    except TypeError:
        raise ArgumentTypeError(
            f"{argument}={shown(channels)}; give a number of channels, or a list of the device's "
            "channels such as [0, 3]"
        ) from None
    if fault := _fault(indices, available):
        raise ArgumentError(
            f"{argument}={shown(channels)} {fault}; {device.name!r} has the {direction} channels "
            f"0 to {available - 1}"
        )
    return indices


def _fault(indices: list[int], available: int) -> str | None:
    """What is wrong with a list of a device's channels, for a message; None: nothing."""
    most = CHANNEL_RANGE[1]
    if not indices:
        return "is an empty list, and a stream needs a channel"
    for index in indices:
        if index < 0:
            return f"has the negative channel {index}, and channels are counted from 0"
        if index >= available:
            return f"has channel {index}, which the device does not have"
    if len(indices) > most:
        return f"has {len(indices)} channels, and a stream can have {most}"
    if len(set(indices)) < len(indices):
        twice = next(index for index in indices if indices.count(index) > 1)
        return f"has channel {twice} twice, and each can be used once"
    return None
