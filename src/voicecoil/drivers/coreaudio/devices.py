"""Lists devices and their streams. All functions run on the call thread."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from voicecoil.drivers.coreaudio.facts import facts_of
from voicecoil.drivers.coreaudio.hal import GLOBAL, INPUT, OUTPUT, SYSTEM, Format, Hal, Range
from voicecoil.drivers.coreaudio.status import DEAD
from voicecoil.drivers.protocol import Device, Direction
from voicecoil.errors import DeviceLostError, DriverError

__all__ = [
    "DeviceStream",
    "check_format",
    "default_id",
    "find_id",
    "list_devices",
    "rates",
    "streams",
]

_log = logging.getLogger("voicecoil.coreaudio")
SCOPES: dict[str, int] = {"input": INPUT, "output": OUTPUT}
_DEFAULTS: dict[Direction, str] = {"input": "dIn ", "output": "dOut"}
# Devices that coreaudiod, other programs and voicecoil make for internal use.
OWN_UID = "voicecoil."  # the aggregates that voicecoil makes
_PRIVATE_UIDS = ("CADefaultDeviceAggregate", "VPAUAggregateAudioDevice", OWN_UID)


@dataclass(frozen=True)
class DeviceStream:
    """An AudioStream: one AudioBuffer of every IO cycle, or one for each channel.

    Attributes
    ----------
    object_id : int
    index : int
        Index in its direction.
    buffer : int
        Index of its first AudioBuffer in its direction.
    first_channel : int
        The device's channel, 0-based, that is the first channel of this stream.
    format : Format
        The format that the IOProc gets.
    latency_frames : int
    is_planar : bool
        Each channel has an AudioBuffer of its own.
    """

    object_id: int
    index: int
    buffer: int
    first_channel: int
    format: Format
    latency_frames: int
    is_planar: bool = False

    @property
    def buffers(self) -> range:
        """The indices of its AudioBuffers."""
        return range(self.buffer, self.buffer + (self.format.channels if self.is_planar else 1))

    @property
    def buffer_format(self) -> Format:
        """The format of each of its AudioBuffers."""
        return replace(self.format, channels=1) if self.is_planar else self.format

    def place(self, channel: int) -> tuple[int, int] | None:
        """The AudioBuffer of a channel of the device, and the channel in it."""
        own = channel - self.first_channel
        if not 0 <= own < self.format.channels:
            return None
        return (self.buffer + own, 0) if self.is_planar else (self.buffer, own)


def default_id(hal: Hal, direction: Direction) -> int:
    """The default device's ID; 0: there is none."""
    return hal.u32(SYSTEM, _DEFAULTS[direction])


def list_devices(hal: Hal, driver: str) -> list[tuple[int, Device]]:
    """All devices with channels, with their IDs. A device that is removed meanwhile is left out."""
    defaults = {way: default_id(hal, way) for way in _DEFAULTS}
    listed: dict[str, tuple[int, Device]] = {}
    for object_id in hal.ids(SYSTEM, "dev#"):
        try:
            device = _describe(hal, object_id, driver, defaults)
        except DriverError as error:
            if error.code not in DEAD:
                _log.warning("a device is left out of the list: %s", error)
            continue
        if device is not None:
            listed.setdefault(device.uid, (object_id, device))
    return list(listed.values())


def _describe(
    hal: Hal, object_id: int, driver: str, defaults: dict[Direction, int]
) -> Device | None:
    uid = hal.string(object_id, "uid ")
    name = hal.string_or(object_id, "lnam", "") or f"Unnamed device {uid}"
    hal.call_it(object_id, repr(name))
    is_default = {way: default == object_id for way, default in defaults.items()}
    channels = {
        INPUT: sum(hal.buffers(object_id, INPUT)),
        OUTPUT: sum(hal.buffers(object_id, OUTPUT)),
    }
    hidden = hal.u32_or(object_id, "hidn", 0) != 0 or uid.startswith(_PRIVATE_UIDS)
    if not any(channels.values()) or (hidden and not any(is_default.values())):
        return None
    return Device(
        name=name,
        uid=uid,
        driver=driver,
        input_channels=channels[INPUT],
        output_channels=channels[OUTPUT],
        samplerate=hal.f64(object_id, "nsrt"),
        is_default_input=is_default["input"] and channels[INPUT] > 0,
        is_default_output=is_default["output"] and channels[OUTPUT] > 0,
        stereo_channels=_stereo_channels(hal, object_id, channels[OUTPUT]),
        **facts_of(hal, object_id, {way: one for way, one in SCOPES.items() if channels[one]}),
    )


def _stereo_channels(hal: Hal, object_id: int, channels: int) -> tuple[int, int]:
    """The output channels of the device's stereo pair, 0-based: the first two if it names none."""
    if channels >= 2 and hal.has(object_id, "dch2", OUTPUT):
        try:
            left, right = hal.u32_pair(object_id, "dch2", OUTPUT)
        except DriverError as error:
            if error.code in DEAD:
                raise
        else:
            if left != right and min(left, right) >= 1 and max(left, right) <= channels:
                return left - 1, right - 1
    return 0, 1


def find_id(hal: Hal, device: Device) -> int:
    """The ID that the device has now. It changes each time the device is replugged."""
    for object_id in hal.ids(SYSTEM, "dev#"):
        try:
            if hal.string(object_id, "uid ") == device.uid:
                hal.call_it(object_id, repr(device.name))
                return object_id
        except DriverError:
            continue  # this device was removed or answers wrongly, so it is not the right one
    raise DeviceLostError(f"the device {device.name!r} (uid {device.uid!r}) is not there any more")


def rates(hal: Hal, device: int) -> list[Range]:
    """The rates that the device offers, Hz, each range once."""
    found = hal.ranges(device, "nsr#") if hal.has(device, "nsr#") else []
    return list(dict.fromkeys(found))


def streams(hal: Hal, device: int, scope: int) -> list[DeviceStream]:
    """The device's streams of one direction, in the order of the AudioBuffers.

    Streams are listed whatever their format is; see `check_format`.
    """
    if not hal.has(device, "stm#", scope):
        return []
    found: list[DeviceStream] = []
    first = buffer = 0
    for index, object_id in enumerate(hal.ids(device, "stm#", scope)):
        hal.call_it(object_id, f"stream {index} of {hal.name_of(device)}")
        form = hal.format(object_id)
        latency = hal.u32_or(object_id, "ltnc", 0, GLOBAL)
        planar = _is_planar(hal, device, scope, form, buffer)
        one = DeviceStream(object_id, index, buffer, first, form, latency, planar)
        found.append(one)
        first += form.channels
        buffer += len(one.buffers)
    return found


def _is_planar(hal: Hal, device: int, scope: int, form: Format, buffer: int) -> bool:
    """Whether each channel of a stream has an AudioBuffer of its own."""
    if not form.flags & form.NON_INTERLEAVED or form.channels < 2:
        return False
    return hal.buffers(device, scope)[buffer : buffer + form.channels] == [1] * form.channels


def check_format(hal: Hal, device: int, scope: int, stream: DeviceStream) -> None:
    """Checks that voicecoil can use the format of a stream.

    Raises
    ------
    DriverError
        It cannot: the stream may carry compressed sound for a receiver.
    """
    form = stream.format
    if form.is_float32 or form.is_integer:
        return
    try:
        uid = hal.string(device, "uid ")
    except DriverError:
        uid = "..."
    way = "output" if scope == OUTPUT else "input"
    raise DriverError(
        f"{hal.name_of(stream.object_id)} has the format {form}, because it is set to a physical "
        "format that CoreAudio does not mix; only 32-bit float and signed integers of up to 32 "
        "bits can be played and recorded. Choose another format in Audio MIDI Setup, or with "
        f"voicecoil.hal: stream = hal.device({uid!r}).{way}.streams[{stream.index}]; "
        "stream.physical_format = next(one.format for one in stream.available_physical_formats if "
        "one.format.is_mixable)",
        call="AudioObjectGetPropertyData",
    )
