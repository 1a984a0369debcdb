"""The virtual driver: it lists and opens virtual devices."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import ClassVar

from voicecoil import _core
from voicecoil.drivers.protocol import Device, Direction, DriverStream, OpenRequest
from voicecoil.drivers.virtual.arguments import check_devices
from voicecoil.drivers.virtual.device import MAX_FRAMES, VirtualDevice
from voicecoil.drivers.virtual.stream import VirtualStream
from voicecoil.errors import DeviceLostError
from voicecoil.sealed import Unique

__all__ = ["MAX_FRAMES", "VirtualDevice", "VirtualDriver"]


class VirtualDriver(Unique):
    """The driver of virtual devices.

    Parameters
    ----------
    devices : sequence of VirtualDevice
        The first device that has a direction is the default device for that direction, unless
        `set_default` was called. None: one device with two outputs that are looped back to two
        inputs. Devices may be added to and removed from `virtual_devices` later.
    """

    _attributes: ClassVar[tuple[str, ...]] = ("virtual_devices",)

    name = "virtual"

    def __init__(self, devices: Sequence[VirtualDevice] | None = None) -> None:
        given = [VirtualDevice()] if devices is None else devices
        self.virtual_devices: list[VirtualDevice] = check_devices(given)
        self._preferred: VirtualDevice | None = None

    def devices(self) -> list[Device]:
        defaults = [self._default(way) for way in ("input", "output")]
        return [
            device.describe(*(device is default for default in defaults))
            for device in self.virtual_devices
            if not device.unplugged
        ]

    def _default(self, direction: str) -> VirtualDevice | None:
        for device in sorted(self.virtual_devices, key=lambda d: d is not self._preferred):
            if not device.unplugged and getattr(device, f"{direction}_channels") > 0:
                return device
        return None

    def default(self, direction: Direction) -> Device | None:
        default = self._default(direction)
        return next((d for d in self.devices() if default and d.uid == default.uid), None)

    def set_default(self, device: VirtualDevice) -> None:
        """Makes `device` the default for the directions that it has, while it is plugged in.

        Parameters
        ----------
        device : VirtualDevice
            One of `virtual_devices`.
        """
        self._preferred = device

    def virtual_device(self, device: Device) -> VirtualDevice:
        """Return the virtual device that `devices` has listed as `device`.

        Parameters
        ----------
        device : Device
            A device as `devices` lists it.

        Returns
        -------
        VirtualDevice
            The device, which a test can control.

        Raises
        ------
        DeviceLostError
            `virtual_devices` no longer has it.
        """
        found = next((d for d in self.virtual_devices if d.uid == device.uid), None)
        if found is None:
            raise DeviceLostError(f"the device {device.name!r} is not there any more")
        return found

    def capture(self, device: Device, path: str | os.PathLike[str]) -> VirtualDevice:
        """Captures the output of a device from now on.

        Parameters
        ----------
        device : Device
            A device as `devices` lists it.
        path : path
            The file, a WAV file of float samples.

        Returns
        -------
        VirtualDevice
            The device; `VirtualDevice.end_capture` closes the file.
        """
        virtual = self.virtual_device(device)
        virtual.capture(path)
        return virtual

    def open_stream(self, request: OpenRequest) -> DriverStream:
        # All virtual clocks share one time, so that the host time of a stream that moves from one
        # device to another never goes back.
        since_ns = max((device.virtual_ns() for device in self.virtual_devices), default=0)
        return VirtualStream(self.virtual_device(request.device), request, since_ns)

    def rates(self, device: Device) -> list[tuple[float, float]]:
        """Return the rates that a device has.

        Parameters
        ----------
        device : Device
            One of the driver's devices.

        Returns
        -------
        list of (float, float)
            Ranges (lowest, highest), Hz. Empty: any rate.
        """
        return [(rate, rate) for rate in self.virtual_device(device).rates]

    def now_ns(self) -> int:
        return _core.clock_ns()

    def watch(self, listener: Callable[[str], None]) -> Callable[[], None]:
        """Never calls `listener`, because only the program itself changes a virtual device."""
        return lambda: None
