"""The device that a stream runs on."""

from __future__ import annotations

from dataclasses import dataclass

from voicecoil.drivers.protocol import Device, DriverStream, Got

__all__ = ["Place"]


@dataclass(frozen=True)
class Place:
    """The device that a stream runs on, or ran on last.

    Attributes
    ----------
    device : Device
    got : Got
    driver_stream : DriverStream or None
        None: the stream is not open on the device.
    """

    device: Device
    got: Got
    driver_stream: DriverStream | None
