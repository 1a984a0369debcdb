"""The enumerations of CoreAudio's properties.

A value that is not listed here, such as one of a newer macOS, becomes a member whose name is its
four characters or its number.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag

from voicecoil.drivers.coreaudio.hal import selector
from voicecoil.drivers.coreaudio.status import four_characters

__all__ = [
    "DriftQuality",
    "FormatFlags",
    "PowerHint",
    "Scope",
    "StreamDirection",
    "TerminalType",
    "TransferFunction",
    "TransportType",
]


class _Open(IntEnum):
    """An enumeration that has a member for every number."""

    @classmethod
    def _missing_(cls, value: object) -> _Open | None:
        if not isinstance(value, int):
            return None
        member = int.__new__(cls, value)
        member._name_ = four_characters(value)
        member._value_ = value
        return member

    def __str__(self) -> str:
        return self.name.lower().replace("_", " ")


class Scope(_Open):
    """The part of an object to which a property belongs."""

    GLOBAL = selector("glob")
    INPUT = selector("inpt")
    OUTPUT = selector("outp")
    PLAY_THROUGH = selector("ptru")


class StreamDirection(_Open):
    """The direction of a stream."""

    OUTPUT = 0
    INPUT = 1


class TransportType(_Open):
    """How a device is connected."""

    UNKNOWN = 0
    BUILT_IN = selector("bltn")
    AGGREGATE = selector("grup")
    AUTO_AGGREGATE = selector("fgrp")
    VIRTUAL = selector("virt")
    PCI = selector("pci ")
    USB = selector("usb ")
    FIRE_WIRE = selector("1394")
    BLUETOOTH = selector("blue")
    BLUETOOTH_LE = selector("blea")
    HDMI = selector("hdmi")
    DISPLAY_PORT = selector("dprt")
    AIR_PLAY = selector("airp")
    AVB = selector("eavb")
    THUNDERBOLT = selector("thun")
    CONTINUITY_CAPTURE = selector("ccap")
    CONTINUITY_CAPTURE_WIRED = selector("ccwd")
    CONTINUITY_CAPTURE_WIRELESS = selector("ccwl")


class TerminalType(_Open):
    """What a stream is connected to."""

    UNKNOWN = 0
    LINE = selector("line")
    DIGITAL_AUDIO_INTERFACE = selector("spdf")
    SPEAKER = selector("spkr")
    HEADPHONES = selector("hdph")
    LFE_SPEAKER = selector("lfes")
    RECEIVER_SPEAKER = selector("rspk")
    MICROPHONE = selector("micr")
    HEADSET_MICROPHONE = selector("hmic")
    RECEIVER_MICROPHONE = selector("rmic")
    TTY = selector("tty_")
    HDMI = selector("hdmi")
    DISPLAY_PORT = selector("dprt")


class DriftQuality(_Open):
    """The quality with which an aggregate compensates the drift of a clock."""

    MIN = 0
    LOW = 32
    MEDIUM = 64
    HIGH = 96
    MAX = 127


class PowerHint(_Open):
    """Whether the HAL saves power."""

    NONE = 0
    FAVOR_SAVING_POWER = 1


class TransferFunction(_Open):
    """The curve between dB and a scalar volume; ``POWER_3_OVER_2`` has the exponent 3/2."""

    LINEAR = 0
    POWER_1_OVER_3 = 1
    POWER_1_OVER_2 = 2
    POWER_3_OVER_4 = 3
    POWER_3_OVER_2 = 4
    POWER_2_OVER_1 = 5
    POWER_3_OVER_1 = 6
    POWER_4_OVER_1 = 7
    POWER_5_OVER_1 = 8
    POWER_6_OVER_1 = 9
    POWER_7_OVER_1 = 10
    POWER_8_OVER_1 = 11
    POWER_9_OVER_1 = 12
    POWER_10_OVER_1 = 13
    POWER_11_OVER_1 = 14
    POWER_12_OVER_1 = 15


class FormatFlags(IntFlag):
    """The flags of a linear PCM format."""

    FLOAT = 1
    BIG_ENDIAN = 2
    SIGNED_INTEGER = 4
    PACKED = 8
    ALIGNED_HIGH = 16
    NON_INTERLEAVED = 32
    NON_MIXABLE = 64
