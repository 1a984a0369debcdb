"""Where a stream is."""

from __future__ import annotations

from dataclasses import dataclass

from voicecoil.drivers.protocol import Device, DriverStream, Got

__all__ = ["Place"]


@dataclass(frozen=True)
class Place:
    """Where a stream is, or was last.

    Attributes
    ----------
    device : Device
    got : Got
    driver_stream : DriverStream or None
        None: it is not open.
    """

    device: Device
    got: Got
    driver_stream: DriverStream | None
