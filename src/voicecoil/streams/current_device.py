"""The device that a stream runs on."""

from __future__ import annotations

from dataclasses import dataclass

from voicecoil.drivers.protocol import Device, DriverStream, OpenedFormat

__all__ = ["CurrentDevice"]


@dataclass(frozen=True)
class CurrentDevice:
    """The device that a stream runs on, or ran on last.

    Attributes
    ----------
    device : Device
    opened_format : OpenedFormat
    driver_stream : DriverStream or None
        None: the stream is not open on the device.
    """

    device: Device
    opened_format: OpenedFormat
    driver_stream: DriverStream | None
