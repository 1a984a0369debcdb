"""Devices and their streams."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import ClassVar, Self, cast

from voicecoil.arguments import shown
from voicecoil.drivers.coreaudio.hal import INPUT, OUTPUT, SYSTEM
from voicecoil.drivers.protocol import Latency
from voicecoil.errors import ArgumentError, DriverError, ForkedError
from voicecoil.hal import _properties as tables
from voicecoil.hal import aggregates, levels
from voicecoil.hal.connection import Connection
from voicecoil.hal.enumerations import StreamDirection, TransportType
from voicecoil.hal.exclusive import ExclusiveFormat, Hogged, Muted
from voicecoil.hal.object import HalObject
from voicecoil.hal.owned import Owned
from voicecoil.hal.reading import PLAY_THROUGH
from voicecoil.hal.restored import end_block
from voicecoil.hal.setting import Temporarily
from voicecoil.hal.values import Range, StreamFormat

__all__ = [
    "AggregateDevice",
    "DataSource",
    "Device",
    "EndPoint",
    "EndPointDevice",
    "Stream",
    "SubDevice",
]

MAX_CHANNELS = 256  # channels of a device whose own properties are listed


@dataclass(frozen=True)
class DataSource:
    """One of the sources or destinations of a device, such as its headphones.

    Attributes
    ----------
    id : str
        Four characters: ``"ispk"`` are internal speakers, ``"hdpn"`` headphones.
    name : str
        The name that users know.
    """

    id: str
    name: str

    def __str__(self) -> str:
        return self.name or self.id


class _Sided(HalObject):
    """An object with an input and an output side, and with channels."""

    def _sides(self, object_id: int) -> list[int]:
        if self._connection.reader.channels(object_id, OUTPUT):
            return [OUTPUT, INPUT]
        return [INPUT, OUTPUT]

    def _counts(self, object_id: int) -> tuple[int, int, int, int]:
        reader = self._connection.reader
        first = min(reader.channels(object_id, INPUT), MAX_CHANNELS)
        second = min(reader.channels(object_id, OUTPUT), MAX_CHANNELS)
        return max(first, second), first, second, max(first, second)


class Device(_Sided, tables.AudioDeviceProperties):
    """An audio device, returned by :func:`voicecoil.hal.device` and by other objects.

    Properties that each direction has of its own, such as the volume, are those of the output, or
    of the input if the device has no output. ``device.input``, ``device.output`` and
    ``device.output.channel(2)`` are the same device, whose attributes mean that part of it.
    """

    _kind: ClassVar[str] = "AudioDevice"
    _aliases: ClassVar[dict[str, str]] = {
        "volume": "volm",
        "data_source": "ssrc",
        "data_sources": "ssc#",
        "samplerate": "nsrt",
        "samplerates": "nsr#",
        "buffer_frames": "fsiz",
        "buffer_range": "fsz#",
        "transport": "tran",
        "latency": "ltnc",
    }

    def __init__(
        self, connection: Connection, object_id: int, kind: str, uid: str, name: str
    ) -> None:
        super().__init__(connection, object_id, kind, uid, f"{name!r} uid {uid!r}")
        self._name = name

    @classmethod
    def _make(
        cls, connection: Connection, object_id: int, kind: str, owner: HalObject | None
    ) -> HalObject:
        uid = connection.reader.string(object_id, "uid ")
        return cls(connection, object_id, kind, uid, connection.reader.string(object_id, "lnam"))

    def _find(self) -> int:
        return self._connection.reader.find("uidd", self.uid)

    def _is(self, object_id: int) -> bool:
        return self._connection.reader.string(object_id, "uid ") == self.uid

    @property
    def uid(self) -> str:
        """The UID, which stays the same when the device is replugged."""
        return cast(str, self._key)

    # ---- parts ----

    @property
    def input(self) -> Self:
        """The same device, whose attributes mean its input."""
        return self.at(INPUT)

    @property
    def output(self) -> Self:
        """The same device, whose attributes mean its output."""
        return self.at(OUTPUT)

    @property
    def play_through(self) -> Self:
        """The same device, whose attributes mean the direct path from its input."""
        return self.at(PLAY_THROUGH)

    def channel(self, number: int) -> Self:
        """Return the same device, whose attributes mean a channel.

        Parameters
        ----------
        number : int
            From 1, in the direction that the attributes mean; 0 means all channels together.

        Returns
        -------
        Device
            The part of the device.
        """
        return self.at(element=number)

    def _direction(self, object_id: int) -> int:
        return self._scope if self._scope in (INPUT, OUTPUT) else self._sides(object_id)[0]

    @property
    def input_channels(self) -> int:
        """The number of input channels."""
        reader = self._connection.reader
        return self._on_object("counting channels of", lambda one: reader.channels(one, INPUT))

    @property
    def output_channels(self) -> int:
        """The number of output channels."""
        reader = self._connection.reader
        return self._on_object("counting channels of", lambda one: reader.channels(one, OUTPUT))

    # ---- convenience ----

    @property
    def volume(self) -> float:
        """The volume, 0 to 1: the main one, or the mean of the channels for stereo.

        Setting it sets the main volume, or that of each channel.
        """
        return levels.volume(self)

    @volume.setter
    def volume(self, value: float) -> None:
        levels.set_volume(self, value)

    @property
    def mute(self) -> bool:
        """Whether the device is muted: the main channel, or all channels.

        Setting it sets the main mute, or that of each channel.
        """
        return levels.mute(self)

    @mute.setter
    def mute(self, value: bool) -> None:
        levels.set_mute(self, value)

    @property
    def data_source(self) -> DataSource:
        """The source or destination in use, such as the headphones.

        It can be set to a `DataSource`, or to its name or its four characters.
        """
        return self._on_object("reading the data source of", self._data_source)

    @data_source.setter
    def data_source(self, value: DataSource | str) -> None:
        code = value.id if isinstance(value, DataSource) else value
        known = self.data_sources
        match = next((one for one in known if code in (one.id, one.name)), None)
        if match is None:
            raise ArgumentError(
                f"{self!r} has no data source {shown(code)}; it has "
                + ", ".join(f"{one.name!r} ({one.id!r})" for one in known)
            )
        self.set("ssrc", [match.id])

    def _data_source(self, object_id: int) -> DataSource:
        row = self._row("ssrc")
        found = self._read(object_id, row, None, None)
        if not found:
            raise self._missing(object_id, row, None, None)
        return self._named(object_id, found[0])

    @property
    def data_sources(self) -> list[DataSource]:
        """The possible data sources."""

        def work(object_id: int) -> list[DataSource]:
            codes = self._read(object_id, self._row("ssc#"), None, None)
            return [self._named(object_id, code) for code in codes]

        return self._on_object("reading the data sources of", work)

    def _named(self, object_id: int, code: str) -> DataSource:
        row = self._row("lscn")
        try:
            name = self._read(object_id, row, None, None, None, code)
        except (DriverError, AttributeError):
            name = ""
        return DataSource(code, name)

    @property
    def samplerate(self) -> float:
        """The nominal sample rate, Hz. Setting it waits until the device has it."""
        return cast(float, self.get("nsrt"))

    @samplerate.setter
    def samplerate(self, value: float) -> None:
        self.set("nsrt", value)

    @property
    def samplerates(self) -> list[Range]:
        """The rates that the device offers, Hz, each range once."""
        return list(dict.fromkeys(self.get("nsr#")))

    @property
    def buffer_frames(self) -> int:
        """The frames in each IO cycle of this process. Setting it waits until it is true."""
        return cast(int, self.get("fsiz"))

    @buffer_frames.setter
    def buffer_frames(self, value: int) -> None:
        self.set("fsiz", value)

    @property
    def buffer_range(self) -> Range:
        """The possible frames in each IO cycle."""
        return cast(Range, self.get("fsz#"))

    @property
    def transport(self) -> TransportType:
        """How the device is connected."""
        return cast(TransportType, self.get("tran"))

    @property
    def latency(self) -> Latency:
        """The frames between the connector and an IOProc, by their cause."""

        def work(object_id: int) -> Latency:
            reader, scope = self._connection.reader, self._direction(object_id)
            streams = reader.ids(object_id, "stm#", scope)
            rate = self._read(object_id, self._row("nsrt"), None, None)
            return Latency(
                device_frames=reader.u32(object_id, "ltnc", scope),
                stream_frames=max((reader.u32(one, "ltnc") for one in streams), default=0),
                safety_frames=reader.u32(object_id, "saft", scope),
                buffer_frames=reader.u32(object_id, "fsiz"),
                samplerate=rate,
            )

        return self._on_object("reading the latency of", work)

    # ---- for a while ----

    def samplerate_set(self, samplerate: float) -> Temporarily:
        """Return a context manager in which the device has another rate.

        Parameters
        ----------
        samplerate : float
            The nominal sample rate, Hz.

        Returns
        -------
        Temporarily
            Its ``with`` gives the rate that the device has. Its end restores the rate.
        """
        return self.temporarily("nsrt", samplerate)

    def buffer_frames_set(self, frames: int) -> Temporarily:
        """Return a context manager in which the device has IO cycles of another length.

        Parameters
        ----------
        frames : int
            The frames in each IO cycle of this process.

        Returns
        -------
        Temporarily
            Its ``with`` gives the frames that the device has. Its end restores them.
        """
        return self.temporarily("fsiz", frames)

    def hogged(self) -> Hogged:
        """Return a context manager in which this process alone uses the device.

        Returns
        -------
        Hogged
            Its ``with`` raises a `DriverError` if another process has the device.
        """
        return Hogged(self)

    def muted(self) -> Muted:
        """Return a context manager in which the device is muted, for all programs.

        Returns
        -------
        Muted
            Its ``with`` mutes the main channel or all channels; its end restores them.
        """
        return Muted(self)

    def process_muted(self) -> Temporarily:
        """Return a context manager in which this process is muted on the device, macOS 12.0.

        Returns
        -------
        Temporarily
            Its end restores the mute of this process. Aggregate devices have none.
        """
        return self.temporarily("appm", True)


class AggregateDevice(tables.AudioAggregateDeviceProperties, Device):
    """A device that consists of other devices and taps.

    `System.create_aggregate` makes one. ``active_sub_device_list`` has its devices, each with its
    drift correction, and ``composition`` describes it.
    """

    _kind: ClassVar[str] = "AudioAggregateDevice"

    def set_devices(self, devices: Sequence[Device]) -> list[str]:
        """Replace the devices that this device consists of.

        The HAL resets their settings in the aggregate device, such as the drift correction. IO
        stops for a moment.

        Parameters
        ----------
        devices : sequence of Device
            The order of the channels is that of the devices.

        Returns
        -------
        list of str
            The UIDs of the devices that it has now.

        Raises
        ------
        ChangeTimeoutError
            The HAL has accepted, but the device has other devices 10 s later.
        DriverError
            The HAL refused.
        """
        return aggregates.replace(self, devices)

    def destroy(self, timeout_s: float = aggregates.WAIT_S) -> None:
        """Destroy the device, and wait until it has gone. A second call does nothing.

        Parameters
        ----------
        timeout_s : float
            Longest wait, s.

        Raises
        ------
        ChangeTimeoutError
            The HAL has accepted, but the device is still there after `timeout_s`.
        DriverError
            The HAL refused.
        """
        aggregates.destroy(self, timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        def end() -> None:
            with contextlib.suppress(ForkedError):  # in a child, the device is the parent's
                self.destroy()

        end_block(end, error)


class EndPointDevice(tables.AudioEndPointDeviceProperties, Device):
    """A device that consists of end points, such as receivers of AirPlay."""

    _kind: ClassVar[str] = "AudioEndPointDevice"


class EndPoint(Device):
    """An end point of an end-point device."""

    _kind: ClassVar[str] = "AudioEndPoint"

    def _find(self) -> int:
        # The system object does not find it, because it is no device of the list.
        reader = self._connection.reader
        found = (
            reader.find("uide", str(self._key), manager) for manager in reader.ids(SYSTEM, "tmg#")
        )
        return next((one for one in found if one), 0)


class SubDevice(Owned, _Sided, tables.AudioSubDeviceProperties, tables.AudioDeviceProperties):
    """A device in an aggregate device."""

    _kind: ClassVar[str] = "AudioSubDevice"
    _list: ClassVar[str] = "agrp"

    @classmethod
    def _marks_of(cls, connection: Connection, object_id: int) -> object:
        return connection.reader.string(object_id, "uid ")

    @property
    def uid(self) -> str:
        """The UID of the device."""
        return cast(str, self._marks)


class Stream(Owned, tables.AudioStreamProperties):
    """A stream of a device: one buffer of each IO cycle; returned by :attr:`Device.streams`."""

    _kind: ClassVar[str] = "AudioStream"
    _list: ClassVar[str] = "stm#"

    @classmethod
    def _marks_of(cls, connection: Connection, object_id: int) -> object:
        reader = connection.reader
        return reader.u32(object_id, "sdir"), reader.u32(object_id, "schn")

    @classmethod
    def _label_of(cls, connection: Connection, object_id: int, kind: str, marks: object) -> str:
        direction, channel = cast("tuple[int, int]", marks)
        return f"{StreamDirection(direction)} from channel {channel}"

    def _device(self) -> Device:
        return cast(Device, self._owner)

    def exclusive(self, physical_format: StreamFormat) -> ExclusiveFormat:
        """Return a context manager in which this process alone uses the device, in a format.

        For bit-perfect and compressed output: the hog mode comes first, because other programs
        would notice the change, and formats that the HAL cannot mix need it on some devices.

        Parameters
        ----------
        physical_format : StreamFormat
            One of `available_physical_formats`, with one of its rates.

        Returns
        -------
        ExclusiveFormat
            Its ``with`` gives the format that the stream has. Its end, and the end of the
            interpreter, restore the format and release the device.
        """
        return ExclusiveFormat(self, physical_format)
