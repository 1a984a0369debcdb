"""The classes of objects of the HAL, without devices, which are in `device.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self, cast

from voicecoil.arguments import shown
from voicecoil.drivers.coreaudio.hal import INPUT, OUTPUT, SYSTEM
from voicecoil.errors import ArgumentTypeError, DeviceNotFoundError
from voicecoil.hal import _properties as tables
from voicecoil.hal import aggregates
from voicecoil.hal.aggregates import SubDevicePlan
from voicecoil.hal.connection import Connection, makers, or_by_uid
from voicecoil.hal.device import (
    AggregateDevice,
    Device,
    EndPoint,
    EndPointDevice,
    Stream,
    SubDevice,
)
from voicecoil.hal.enumerations import Scope
from voicecoil.hal.object import HalObject
from voicecoil.hal.owned import Owned
from voicecoil.hal.setting import Temporarily
from voicecoil.hal.table import PropertyRow, classes, parents

__all__ = [
    "AggregateDevice",
    "Box",
    "ClockDevice",
    "Control",
    "Device",
    "EndPoint",
    "EndPointDevice",
    "HalObject",
    "PlugIn",
    "Process",
    "Stream",
    "SubDevice",
    "SubTap",
    "System",
    "Tap",
    "TransportManager",
]


class System(HalObject, tables.AudioSystemObjectProperties):
    """The system object: lists of all objects, default devices, settings of this process.

    It is ``hal.system``, or returned by :func:`voicecoil.hal.connect`.
    """

    _kind: ClassVar[str] = "AudioSystemObject"

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, SYSTEM, self._kind, "system", "of CoreAudio")

    def _find(self) -> int:
        return SYSTEM

    def _is(self, object_id: int) -> bool:
        return True

    def device(self, name: str) -> Device:
        """Return the device with a UID or a name.

        Parameters
        ----------
        name : str
            The UID, also of a hidden device, or the whole name.

        Returns
        -------
        Device
            The device.

        Raises
        ------
        DeviceNotFoundError
            No device, or more than one device, has this name.
        ArgumentTypeError
            This is no name.
        """
        if not isinstance(name, str):
            raise ArgumentTypeError(
                f"device({shown(name)}): give the name or the UID of a device, such as "
                + or_by_uid(name, "hal.device('a name or UID')")
            )

        def find() -> list[Device]:
            connection = self._connection
            by_uid = connection.object(connection.reader.find("uidd", name))
            if by_uid is not None:
                return [cast(Device, by_uid)]
            listed = connection.objects(connection.reader.ids(SYSTEM, "dev#"), self)
            return [one for one in listed if name in (one.uid, one._name)] or listed

        found = self._connection.call(f"finding {shown(name)}", find)
        matching = [one for one in found if name in (one.uid, one._name)]
        if len(matching) == 1:
            return matching[0]
        known = "; ".join(f"{one._name!r} (uid {one.uid!r})" for one in matching or found) or "none"
        few = f"{len(matching)} devices are called {shown(name)}, choose by UID: {known}"
        none = f"CoreAudio has no device with the name or UID {shown(name)}; there are: {known}"
        raise DeviceNotFoundError(few if matching else none)

    def create_aggregate(
        self,
        name: str,
        devices: Sequence[Device | SubDevicePlan] = (),
        *,
        uid: str | None = None,
        main: Device | None = None,
        clock: str | None = None,
        taps: Sequence[Tap] = (),
        private: bool = True,
        stacked: bool = False,
        tap_auto_start: bool = False,
        timeout_s: float = aggregates.WAIT_S,
    ) -> AggregateDevice:
        """Create an aggregate device and wait until it can be used.

        Parameters
        ----------
        name : str
            The name that users know.
        devices : sequence of Device or SubDevicePlan
            The order of the channels is that of the devices. A `SubDevicePlan` has settings of a
            device in the aggregate device.
        uid : str or None
            None: a new one.
        main : Device or None
            The device whose clock the aggregate device has. None: the first one.
        clock : str or None
            UID of a clock device, which has the clock in place of `main`.
        taps : sequence of Tap
            Recorded sound of processes, as input channels after those of the devices. macOS 14.2.
        private : bool
            Only this process has the device, and it is destroyed at the end of the program. False:
            all programs have it until it is destroyed, also after the end of this program.
        stacked : bool
            True makes a multi-output device: each of the devices plays the same sound.
        tap_auto_start : bool
            IO begins with the first sound of a tapped process. Needs `private`.
        timeout_s : float
            Longest wait until all parts are there, s.

        Returns
        -------
        AggregateDevice
            The device. As a context manager, it is destroyed at the end of the ``with`` block.

        Raises
        ------
        ArgumentError, ArgumentTypeError
            The devices cannot be combined.
        ChangeTimeoutError
            It was not complete after `timeout_s`, and is destroyed.
        DriverError
            The HAL refused, for example because the UID is in use.
        """
        return aggregates.create(
            self,
            name,
            devices,
            uid=uid,
            main=main,
            clock=clock,
            taps=taps,
            private=private,
            stacked=stacked,
            tap_auto_start=tap_auto_start,
            timeout_s=timeout_s,
        )

    def input_muted(self) -> Temporarily:
        """Return a context manager in which all input of this process is silent, macOS 14.0.

        The devices go on, and so does voice activity detection. Other programs are not muted.

        Returns
        -------
        Temporarily
            Its end restores the mute.
        """
        return self.temporarily("pmin", True)

    def default_input_set(self, device: Device) -> Temporarily:
        """Return a context manager in which a device is the default input.

        Parameters
        ----------
        device : Device
            The default input inside of the ``with`` block.

        Returns
        -------
        Temporarily
            Its end restores the default, unless it was changed meanwhile.
        """
        return self.temporarily("default_input_device", device)

    def default_output_set(self, device: Device) -> Temporarily:
        """Return a context manager in which a device is the default output.

        Parameters
        ----------
        device : Device
            The default output inside of the ``with`` block.

        Returns
        -------
        Temporarily
            Its end restores the default, unless it was changed meanwhile.
        """
        return self.temporarily("default_output_device", device)


class _ByText(HalObject):
    """An object that the system object finds by a text, such as its UID."""

    _text: ClassVar[str]
    _finder: ClassVar[str]

    @classmethod
    def _make(
        cls, connection: Connection, object_id: int, kind: str, owner: HalObject | None
    ) -> HalObject:
        reader = connection.reader
        text = reader.string(object_id, cls._text)
        name = reader.string(object_id, "lnam")
        label = f"{name!r} {text!r}" if name and name != text else repr(text)
        return cls(connection, object_id, kind, text, label)

    def _find(self) -> int:
        return self._connection.reader.find(self._finder, str(self._key))

    def _is(self, object_id: int) -> bool:
        return self._connection.reader.string(object_id, self._text) == self._key


class PlugIn(_ByText, tables.AudioPlugInProperties):
    """A driver plug-in."""

    _kind: ClassVar[str] = "AudioPlugIn"
    _text: ClassVar[str] = "piid"
    _finder: ClassVar[str] = "bidp"


class TransportManager(PlugIn, tables.AudioTransportManagerProperties):
    """A plug-in that manages end points, such as those of AirPlay."""

    _kind: ClassVar[str] = "AudioTransportManager"
    _finder: ClassVar[str] = "tmbi"


class Box(_ByText, tables.AudioBoxProperties):  # type: ignore[override]  # its name can be set
    """Hardware that brings devices when this machine acquires it."""

    _kind: ClassVar[str] = "AudioBox"
    _text: ClassVar[str] = "buid"
    _finder: ClassVar[str] = "uidb"


class ClockDevice(_ByText, tables.AudioClockDeviceProperties):
    """A clock that devices can follow."""

    _kind: ClassVar[str] = "AudioClockDevice"
    _text: ClassVar[str] = "cuid"
    _finder: ClassVar[str] = "uidc"


class Tap(_ByText, tables.AudioTapProperties):
    """The sound of processes, which an aggregate device can record."""

    _kind: ClassVar[str] = "AudioTap"
    _text: ClassVar[str] = "tuid"
    _finder: ClassVar[str] = "uidt"


class Process(HalObject, tables.AudioProcessProperties):
    """A process that uses CoreAudio."""

    _kind: ClassVar[str] = "AudioProcess"

    @classmethod
    def _make(
        cls, connection: Connection, object_id: int, kind: str, owner: HalObject | None
    ) -> HalObject:
        pid = connection.reader.u32(object_id, "ppid")
        bundle = connection.reader.string(object_id, "pbid")
        return cls(connection, object_id, kind, pid, f"{bundle or 'without a bundle'} pid {pid}")

    def _find(self) -> int:
        return self._connection.reader.find("id2p", cast(int, self._key).to_bytes(4, "little"))

    def _is(self, object_id: int) -> bool:
        return self._connection.reader.u32(object_id, "ppid") == self._key

    @property
    def input(self) -> Self:
        """The same process with the attributes of its input, the sound that it records."""
        return self.at(INPUT)

    @property
    def output(self) -> Self:
        """The same process with the attributes of its output, the sound that it plays."""
        return self.at(OUTPUT)

    def _read(
        self, object_id: int, row: PropertyRow, scope: Any, element: int | None, *rest: Any
    ) -> Any:
        if row.scopes == "sides" and scope is None and self._scope is None:
            both = [
                one
                for way in (INPUT, OUTPUT)
                for one in super(Process, self)._read(object_id, row, way, element, *rest)
            ]
            return list(dict.fromkeys(both))
        return super()._read(object_id, row, scope, element, *rest)


class SubTap(Owned, tables.AudioSubTapProperties):
    """A tap in an aggregate device."""

    _kind: ClassVar[str] = "AudioSubTap"
    _list: ClassVar[str] = "atap"

    @classmethod
    def _marks_of(cls, connection: Connection, object_id: int) -> object:
        return connection.reader.string(object_id, "lnam")


class Control(Owned, tables.AudioControlProperties):
    """A control of a device, such as its volume; of several classes, see `class_id`."""

    _kind: ClassVar[str] = "AudioControl"
    _list: ClassVar[str] = "ctrl"

    @classmethod
    def _marks_of(cls, connection: Connection, object_id: int) -> object:
        reader = connection.reader
        return reader.u32(object_id, "cscp"), reader.u32(object_id, "celm")

    @classmethod
    def _label_of(cls, connection: Connection, object_id: int, kind: str, marks: object) -> str:
        scope, element = cast("tuple[int, int]", marks)
        name = kind.removeprefix("Audio").removesuffix("Control") or "unknown"
        return f"{name} {Scope(scope)} {element}"


class SliderControl(Control, tables.AudioSliderControlProperties):
    """A control with positions."""

    _kind: ClassVar[str] = "AudioSliderControl"


class LevelControl(Control, tables.AudioLevelControlProperties):
    """A control with a level, such as a volume."""

    _kind: ClassVar[str] = "AudioLevelControl"


class BooleanControl(Control, tables.AudioBooleanControlProperties):
    """A control that is on or off, such as a mute."""

    _kind: ClassVar[str] = "AudioBooleanControl"


class SelectorControl(Control, tables.AudioSelectorControlProperties):
    """A control with items of which one is chosen, such as a data source."""

    _kind: ClassVar[str] = "AudioSelectorControl"


class StereoPanControl(Control, tables.AudioStereoPanControlProperties):
    """A control with a position between left and right."""

    _kind: ClassVar[str] = "AudioStereoPanControl"


def _make_system(
    connection: Connection, object_id: int, kind: str, owner: HalObject | None
) -> HalObject:
    return System(connection)


def _make_other(
    connection: Connection, object_id: int, kind: str, owner: HalObject | None
) -> HalObject:
    name = connection.reader.string(object_id, "lnam")
    return HalObject(connection, object_id, kind, object_id, f"{name!r} {object_id}")


_MAKERS = {
    "AudioObject": _make_other,
    "AudioSystemObject": _make_system,
    **{
        one._kind: one._make
        for one in (
            *(PlugIn, TransportManager, Box, ClockDevice, Tap, Process, SubTap),
            *(Device, AggregateDevice, SubDevice, EndPoint, EndPointDevice, Stream),
            *(Control, SliderControl, LevelControl, BooleanControl, SelectorControl),
            StereoPanControl,
        )
    },
}
# A class without a class of its own here has that of the class from which it is derived.
for _name in classes():
    makers[_name] = next(_MAKERS[one] for one in parents(_name) if one in _MAKERS)
