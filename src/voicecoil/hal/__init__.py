"""All of CoreAudio's HAL as objects with typed properties.

>>> from voicecoil import hal
>>> speakers = hal.system.default_output_device
>>> speakers.volume = 0.5
>>> with speakers.samplerate_set(96_000):
...     ...

`hal.system` is the root: it has the lists of all other objects. See the guide "Devices and
properties on macOS" and the reference of properties.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from voicecoil.errors import ChangeTimeoutError, PropertyMissingError, PropertyReadOnlyError
from voicecoil.hal.aggregates import SubDevicePlan
from voicecoil.hal.connection import connection_with
from voicecoil.hal.device import DataSource
from voicecoil.hal.enumerations import (
    DriftQuality,
    FormatFlags,
    PowerHint,
    Scope,
    StreamDirection,
    TerminalType,
    TransferFunction,
    TransportType,
)
from voicecoil.hal.exclusive import ExclusiveFormat, Hogged, Muted
from voicecoil.hal.listing import PropertyList, PropertyValue
from voicecoil.hal.objects import (
    AggregateDevice,
    BooleanControl,
    Box,
    ClockDevice,
    Control,
    Device,
    EndPoint,
    EndPointDevice,
    HalObject,
    LevelControl,
    PlugIn,
    Process,
    SelectorControl,
    SliderControl,
    StereoPanControl,
    Stream,
    SubDevice,
    SubTap,
    System,
    Tap,
    TransportManager,
)
from voicecoil.hal.setting import Temporarily
from voicecoil.hal.values import (
    Buffer,
    ChannelLayout,
    ChannelPosition,
    Range,
    RangedFormat,
    StreamFormat,
)
from voicecoil.hal.voice import VoiceActivity, voice_activity
from voicecoil.hal.watching import Change, Watch, watch

if TYPE_CHECKING:
    from voicecoil.drivers.protocol import Driver

    system: System

__all__ = [
    "AggregateDevice",
    "BooleanControl",
    "Box",
    "Buffer",
    "Change",
    "ChangeTimeoutError",
    "ChannelLayout",
    "ChannelPosition",
    "ClockDevice",
    "Control",
    "DataSource",
    "Device",
    "DriftQuality",
    "EndPoint",
    "EndPointDevice",
    "ExclusiveFormat",
    "FormatFlags",
    "HalObject",
    "Hogged",
    "LevelControl",
    "Muted",
    "PlugIn",
    "PowerHint",
    "Process",
    "PropertyList",
    "PropertyMissingError",
    "PropertyReadOnlyError",
    "PropertyValue",
    "Range",
    "RangedFormat",
    "Scope",
    "SelectorControl",
    "SliderControl",
    "StereoPanControl",
    "Stream",
    "StreamDirection",
    "StreamFormat",
    "SubDevice",
    "SubDevicePlan",
    "SubTap",
    "System",
    "Tap",
    "Temporarily",
    "TerminalType",
    "TransferFunction",
    "TransportManager",
    "TransportType",
    "VoiceActivity",
    "Watch",
    "connect",
    "device",
    "devices",
    "processes",
    "system",
    "voice_activity",
    "watch",
]


def connect(driver: str | Driver | None = None) -> System:
    """Return the system object of a CoreAudio.

    Parameters
    ----------
    driver : str, Driver or None
        The driver of CoreAudio; None: ``"coreaudio"``, or ``"coreaudio-simulated"`` if the
        environment variable ``VOICECOIL_DRIVER`` names it.

    Returns
    -------
    System
        The root of all objects. `hal.system` is that of the default driver.

    Raises
    ------
    DriverError
        This system has no CoreAudio.
    """
    return System(connection_with(driver))


def devices() -> list[Device]:
    """Return all devices, without hidden ones.

    Returns
    -------
    list of Device
        The devices that exist now.
    """
    return connect().devices


def device(name: str) -> Device:
    """Return the device with a UID or a name; see `System.device`.

    Parameters
    ----------
    name : str
        The UID or the whole name.

    Returns
    -------
    Device
        The device.
    """
    return connect().device(name)


def processes() -> list[Process]:
    """Return the processes that use CoreAudio, macOS 14.2 and later.

    Returns
    -------
    list of Process
        `is_running_input` says which of them hear a microphone.
    """
    return connect().process_object_list


def __getattr__(name: str) -> object:
    if name == "system":
        return connect()
    raise AttributeError(f"module 'voicecoil.hal' has no attribute {name!r}")
