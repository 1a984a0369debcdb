"""The volume and the mute of a device that has them as main controls, per channel, or not at all.

Which of them a device has differs between devices, and between the directions of a device.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from voicecoil.drivers.coreaudio.hal import OUTPUT, selector
from voicecoil.errors import DriverError
from voicecoil.hal import codec

if TYPE_CHECKING:
    from voicecoil.hal.device import Device

__all__ = ["Place", "mute", "mute_places", "set_mute", "set_volume", "volume"]

Place = tuple[str, int, int]  # selector, scope, element


def _places(device: Device, object_id: int, text: str, virtual: str | None) -> list[Place]:
    """Where the device has its volume or mute: one main control, or those of channels.

    A main control of the system (`virtual`) stands for the channels if the hardware has none.
    """
    reader, code = device._connection.reader, selector(text)
    scopes = [device._direction(object_id)]
    if device._scope is None:
        scopes = device._sides(object_id)
    for scope in scopes:
        if device._element is not None:
            if reader.has(object_id, code, scope, device._element):
                return [(text, scope, device._element)]
            continue
        if reader.has(object_id, code, scope, 0):
            return [(text, scope, 0)]
        if virtual is not None and reader.has(object_id, selector(virtual), scope, 0):
            return [(virtual, scope, 0)]
        channels = range(1, 1 + reader.channels(object_id, scope))
        there = [one for one in channels if reader.has(object_id, code, scope, one)]
        pair = _stereo_pair(device, object_id, scope)
        few = [one for one in there if one in pair] if virtual is not None else there
        if there:
            return [(text, scope, one) for one in (few or there)]
    raise device._missing(object_id, device._row(text), None, None)


def _stereo_pair(device: Device, object_id: int, scope: int) -> tuple[int, ...]:
    if scope != OUTPUT:
        return ()
    try:
        left, right = device._connection.reader.get(object_id, device._row("dch2"), scope)
    except DriverError:
        return (1, 2)
    return left, right


def _all(device: Device, text: str, virtual: str | None) -> list[Place]:
    return device._on_object(
        f"looking for '{text}' of", lambda one: _places(device, one, text, virtual)
    )


def volume(device: Device) -> float:
    """The main volume, or the mean of those of the channels for stereo, 0 to 1."""

    def work(object_id: int) -> float:
        found = [
            device._read(object_id, device._row(text), scope, element)
            for text, scope, element in _places(device, object_id, "volm", "vmvc")
        ]
        return float(sum(found) / len(found))

    return device._on_object("reading the volume of", work)


def set_volume(device: Device, value: float) -> None:
    """Sets the main volume, or that of each channel for stereo."""
    codec.encode(replace(device._row("volm"), name="volume"), value)  # checks the value
    for text, scope, element in _all(device, "volm", "vmvc"):
        device.set(text, value, scope, element)


def mute(device: Device) -> bool:
    """The main mute, or whether all channels are muted."""

    def work(object_id: int) -> bool:
        return all(
            device._read(object_id, device._row(text), scope, element)
            for text, scope, element in _places(device, object_id, "mute", None)
        )

    return device._on_object("reading the mute of", work)


def mute_places(device: Device) -> list[Place]:
    """Where the device has its mute: the main one, or those of the channels."""
    return _all(device, "mute", None)


def set_mute(device: Device, value: bool) -> None:
    """Sets the main mute, or that of each channel."""
    codec.encode(device._row("mute"), value)  # checks the value
    for text, scope, element in mute_places(device):
        device.set(text, value, scope, element)
