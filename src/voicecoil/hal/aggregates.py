"""Aggregate devices: several devices and taps that HAL clients use as one."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from voicecoil.arguments import check_count, check_list, check_seconds, shown
from voicecoil.drivers.coreaudio.hal import GLOBAL, SYSTEM, selector
from voicecoil.drivers.coreaudio.status import (
    BAD_STREAM,
    DEAD,
    UNKNOWN_PROPERTY,
    four_characters,
    status_error,
)
from voicecoil.errors import (
    ArgumentError,
    ArgumentTypeError,
    ChangeTimeoutError,
    DeviceLostError,
    DriverError,
    VoicecoilError,
)
from voicecoil.hal.connection import or_by_uid
from voicecoil.hal.enumerations import DriftQuality
from voicecoil.lifetime import exit_and_fork

if TYPE_CHECKING:
    from voicecoil.hal.connection import Connection
    from voicecoil.hal.device import AggregateDevice, Device
    from voicecoil.hal.objects import System, Tap

__all__ = ["SubDevicePlan", "create", "destroy", "replace", "wait_until"]

CREATE, DESTROY = selector("cagg"), selector("dagg")
WAIT_S = 10.0  # the HAL publishes an aggregate device up to some seconds after its creation
POLL_NS = 2_000_000
NOT_YET = (*DEAD, BAD_STREAM, UNKNOWN_PROPERTY)


@dataclass(frozen=True)
class SubDevicePlan:
    """A device in an aggregate device that is created, with the settings that it has there.

    Attributes
    ----------
    device : Device
        The device.
    drift_correction : bool or None
        Whether its frames are resampled to the clock of the aggregate device. None: yes, unless it
        is the main device, or it has the same clock domain as the main device.
    quality : DriftQuality or None
        Quality of the resampling; None: the HAL's default.
    input_latency_frames, output_latency_frames : int
        Latency to assume in addition to the reported one.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        A value is impossible.
    """

    device: Device
    drift_correction: bool | None = None
    quality: DriftQuality | None = None
    input_latency_frames: int = 0
    output_latency_frames: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "device", _device(self.device, f"device={shown(self.device)}"))
        if self.quality is not None:
            most = int(DriftQuality.MAX)
            check_count(self.quality, "quality", f"a DriftQuality, 0 to {most}", most=most)
        for name in ("input_latency_frames", "output_latency_frames"):
            check_count(getattr(self, name), name, "0 frames or more")

    def _description(self, main: Device) -> dict[str, Any]:
        drift = self.drift_correction
        if drift is None:
            domain = self.device.clock_domain
            same = domain != 0 and domain == main.clock_domain
            drift = self.device != main and not same
        made: dict[str, Any] = {"uid": self.device.uid, "drift": int(drift)}
        if self.quality is not None:
            made["drift quality"] = int(self.quality)
        if self.input_latency_frames:
            made["latency-in"] = self.input_latency_frames
        if self.output_latency_frames:
            made["latency-out"] = self.output_latency_frames
        return made


def create(
    system: System,
    name: str,
    devices: Sequence[Device | SubDevicePlan],
    *,
    uid: str | None,
    main: Device | None,
    clock: str | None,
    taps: Sequence[Tap],
    private: bool,
    stacked: bool,
    tap_auto_start: bool,
    timeout_s: float,
) -> AggregateDevice:
    """Create an aggregate device; see `System.create_aggregate`."""
    seconds = check_seconds(timeout_s, "timeout_s")
    plans, taps = _plans(devices), check_list(taps, "taps", "objects of hal.Tap")
    main = None if main is None else _device(main, f"main={shown(main)}")
    _check(name, plans, main, taps, private, tap_auto_start)
    for text, example in ((uid, "uid"), (clock, "clock")):
        if text is not None and not isinstance(text, str):
            raise ArgumentTypeError(f"{example}={shown(text)}: give a UID, which is a text")
    uid = uid or f"voicecoil-{os.getpid()}-{uuid.uuid4()}"
    description: dict[str, Any] = {
        "uid": uid,
        "name": name,
        "private": int(private),
        "stacked": int(stacked),
        **_parts(plans, main, clock, taps, tap_auto_start),
    }
    connection = system._connection
    what = f"creating the aggregate device {name!r}"

    def undo(object_id: int) -> None:
        _destroy(connection, object_id)

    is_new = connection.call(what, lambda: connection.reader.find("uidd", uid)) == 0
    if private and is_new:  # another device with this UID stays
        _leftovers.add(uid, connection)  # before it exists, because Ctrl-C may come at any line
    try:
        object_id = connection.driver.call(
            what,
            lambda: _create(connection, description),
            connection.driver.timeouts.call_s,
            undo=undo,
        )
    except VoicecoilError:
        if is_new:
            _leftovers.discard(uid)
        raise
    try:
        wait_until(connection, what, lambda: _is_whole(connection, uid, plans, taps), seconds)
        made = connection.call(what, lambda: connection.object(object_id))
    except BaseException:
        connection.call(what, lambda: _destroy(connection, object_id))
        _leftovers.discard(uid)
        raise
    return cast("AggregateDevice", made)


def _parts(
    plans: list[SubDevicePlan],
    main: Device | None,
    clock: str | None,
    taps: list[Tap],
    tap_auto_start: bool,
) -> dict[str, Any]:
    """Returns the devices, the clock and the taps in the description of an aggregate device."""
    parts: dict[str, Any] = {"subdevices": []}
    if plans:
        leader = main or plans[0].device
        parts["subdevices"] = [plan._description(leader) for plan in plans]
        parts["master"] = leader.uid
    if clock is not None:
        parts["clock"] = clock
    if taps:
        parts["taps"] = [{"uid": str(one._key), "drift": 1} for one in taps]
        parts["tapautostart"] = int(tap_auto_start)
    return parts


def _device(one: Any, given: str) -> Device:
    """The whole device, because a part of it such as `device.input` is another object."""
    from voicecoil.hal.device import Device

    if not isinstance(one, Device):
        raise ArgumentTypeError(
            f"{given}: give objects of hal.Device, such as "
            + or_by_uid(one, "hal.device('a name or UID')")
        )
    return one._whole()


def _plans(devices: Any) -> list[SubDevicePlan]:
    return [
        one
        if isinstance(one, SubDevicePlan)
        else SubDevicePlan(_device(one, f"devices=[{shown(one)}]"))
        for one in check_list(devices, "devices", "objects of hal.Device")
    ]


def _check(
    name: str,
    plans: list[SubDevicePlan],
    main: Device | None,
    taps: Sequence[Tap],
    private: bool,
    tap_auto_start: bool,
) -> None:
    from voicecoil.hal.device import AggregateDevice
    from voicecoil.hal.objects import Tap

    if not isinstance(name, str):
        raise ArgumentTypeError(f"name={shown(name)}: give the aggregate device a name")
    if not name:
        raise ArgumentError("name='': give the aggregate device a name")
    if not plans and not taps:
        raise ArgumentError("an aggregate device needs at least one device or tap")
    uids = [plan.device.uid for plan in plans]
    for plan in plans:
        if isinstance(plan.device, AggregateDevice):
            raise ArgumentError(
                f"{shown(plan.device)} is an aggregate device itself: give the devices in it"
            )
        if uids.count(plan.device.uid) > 1:
            raise ArgumentError(f"{shown(plan.device)} is there twice")
    for tap in taps:
        if not isinstance(tap, Tap):
            raise ArgumentTypeError(
                f"taps=[{shown(tap)}]: give objects of hal.Tap, such as those of "
                "hal.system.tap_list"
            )
    if main is not None and main.uid not in uids:
        raise ArgumentError(f"main={shown(main)} is none of the devices")
    if tap_auto_start and not (private and taps):
        raise ArgumentError("tap_auto_start=True needs taps, and private=True")


# ---- on the call thread ----


def _plug_in(connection: Connection) -> int:
    """The plug-in that makes aggregate devices."""
    for plug_in in connection.reader.ids(SYSTEM, "plg#"):
        if connection.reader.has(plug_in, CREATE):
            return plug_in
    raise DriverError(
        "CoreAudio has no plug-in that makes aggregate devices", call="AudioObjectGetPropertyData"
    )


def _create(connection: Connection, description: dict[str, Any]) -> int:
    status, data = connection.reader.values.get(
        _plug_in(connection), CREATE, GLOBAL, 0, description, b"", 4
    )
    if status != 0:
        call = "AudioHardwareCreateAggregateDevice"
        what = f"the aggregate device {description['name']!r} (uid {description['uid']!r})"
        if connection.reader.find("uidd", description["uid"]):
            raise DriverError(
                f"{call} gave {four_characters(status)} for {what}: a device has this UID already; "
                "give another uid, or None for a new one",
                call=call,
                code=status,
            )
        raise status_error(call, status, what)
    return int.from_bytes(data, "little")


def _destroy(connection: Connection, object_id: int) -> bool:
    """Returns False if the device had gone before."""
    status, _ = connection.reader.values.get(
        _plug_in(connection), DESTROY, GLOBAL, 0, None, object_id.to_bytes(4, "little"), 4
    )
    if status in NOT_YET:
        return False
    if status != 0:
        what = f"the aggregate device {object_id}"
        raise status_error("AudioHardwareDestroyAggregateDevice", status, what)
    return True


def _is_whole(
    connection: Connection, uid: str, plans: list[SubDevicePlan], taps: Sequence[Tap]
) -> bool:
    """Whether the device is published, and has all its parts that exist."""
    reader = connection.reader
    object_id = reader.find("uidd", uid)
    try:
        if object_id == 0 or not reader.u32(object_id, "livn"):
            return False
        there = sum(reader.find("uidd", plan.device.uid) != 0 for plan in plans)
        if len(reader.ids(object_id, "agrp")) < there:
            return False
        return len(reader.ids(object_id, "atap")) >= len(taps)
    except DriverError as error:
        if error.code in NOT_YET:
            return False
        raise


# ---- on the caller's thread ----


def wait_until(
    connection: Connection, what: str, is_true: Callable[[], bool], timeout_s: float
) -> None:
    """Wait until a condition, which is asked on the call thread, is true.

    Raises
    ------
    ChangeTimeoutError
        It was not true after `timeout_s`.
    """
    library = connection.library
    deadline = library.now_ns() + int(timeout_s * 1e9)
    while not connection.call(what, is_true):
        if library.now_ns() >= deadline:
            raise ChangeTimeoutError(f"{what}: not done after {timeout_s:g} s")
        connection.driver.changes.dispatch()
        library.wait_ns(POLL_NS)


def replace(device: AggregateDevice, devices: Sequence[Device]) -> list[str]:
    """Replace the devices of an aggregate device; see `AggregateDevice.set_devices`.

    The device goes away for a moment, so `HalObject.set` cannot wait for it.
    """
    connection, uid, row = device._connection, device.uid, device._row("grup")
    plans = _plans(devices)
    _check("name", plans, None, (), True, False)
    wanted = [plan.device.uid for plan in plans]
    what = f"changing the devices of {device!r}"
    device._on_object(
        "changing the devices of",
        lambda one: connection.reader.set(one, row, GLOBAL, 0, wanted, repr(device)),
    )

    def is_true() -> bool:
        if not _is_whole(connection, uid, plans, ()):
            return False
        return bool(connection.reader.get(connection.reader.find("uidd", uid), row) == wanted)

    wait_until(connection, what, is_true, WAIT_S)
    return wanted


def destroy(device: AggregateDevice, timeout_s: float) -> None:
    """Destroy an aggregate device, and wait until it has gone; see `AggregateDevice.destroy`."""
    seconds = check_seconds(timeout_s, "timeout_s")
    connection, uid = device._connection, device.uid
    what = f"destroying {device!r}"
    try:
        there = device._on_object("destroying", partial(_destroy, connection))
    except DeviceLostError:
        there = False
    _leftovers.discard(uid)  # not before, because Ctrl-C may interrupt the call
    if there:
        wait_until(connection, what, lambda: connection.reader.find("uidd", uid) == 0, seconds)


class _Leftovers:
    """The private aggregate devices that this program has not destroyed yet, by UID."""

    def __init__(self) -> None:
        self._connections: dict[str, Connection] = {}
        self._generation = exit_and_fork.generation()
        exit_and_fork.at_the_end(self._destroy_all)

    def _mine(self) -> dict[str, Connection]:
        if exit_and_fork.forked(self._generation):  # they belong to the parent
            self._connections, self._generation = {}, exit_and_fork.generation()
        return self._connections

    def add(self, uid: str, connection: Connection) -> None:
        self._mine()[uid] = connection

    def discard(self, uid: str) -> None:
        self._mine().pop(uid, None)

    def _destroy_all(self) -> None:
        """Destroys them at exit, after all streams are closed."""
        for uid, connection in reversed(list(self._mine().items())):
            with contextlib.suppress(VoicecoilError):  # a private device goes with the process
                connection.call(f"destroying {uid!r}", partial(_destroy_uid, connection, uid))
            self.discard(uid)


def _destroy_uid(connection: Connection, uid: str) -> None:
    object_id = connection.reader.find("uidd", uid)
    if object_id != 0:
        _destroy(connection, object_id)


_leftovers = _Leftovers()
