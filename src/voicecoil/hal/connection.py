"""The connection of `voicecoil.hal` with a CoreAudio, the system's or a simulated one."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from voicecoil.drivers.choose import get_driver
from voicecoil.drivers.coreaudio.hal import SYSTEM
from voicecoil.drivers.protocol import Device, Driver
from voicecoil.errors import DriverError
from voicecoil.hal.reading import Reader
from voicecoil.hal.table import class_of_code

if TYPE_CHECKING:
    from voicecoil.drivers.coreaudio.driver import CoreAudioDriver
    from voicecoil.hal.object import HalObject

__all__ = ["Connection", "connection_with", "or_by_uid"]

Result = TypeVar("Result")
Maker = Callable[["Connection", int, str, "HalObject | None"], "HalObject"]
makers: dict[str, Maker] = {}  # filled by `objects.py`: class in the table -> maker of objects


def or_by_uid(given: object, example: str) -> str:
    """Returns an example for a message: the device of `hal` for one of `voicecoil.devices()`."""
    return f"hal.device({given.uid!r})" if isinstance(given, Device) else example


class Connection:
    """Calls to CoreAudio, and the objects that they return.

    Parameters
    ----------
    driver : CoreAudioDriver
    """

    def __init__(self, driver: CoreAudioDriver) -> None:
        self.driver = driver
        self.library = driver.library
        self.reader = Reader(driver)

    def call(self, name: str, work: Callable[[], Result], timeout_s: float | None = None) -> Result:
        """Runs `work` on the thread that calls CoreAudio, with a deadline."""
        return self.driver.ask(name, work, timeout_s or self.driver.timeouts.call_s)

    # ---- on the call thread ----

    def object(self, object_id: int, owner: HalObject | None = None) -> HalObject | None:
        """The object with an ID; None for 0. Call it on the call thread.

        Parameters
        ----------
        object_id : int
        owner : HalObject or None
            The object whose list has the ID, if it is known.
        """
        if object_id == 0:
            return None
        kind = self.class_of(object_id)
        return makers[kind](self, object_id, kind, owner)

    def objects(
        self,
        ids: list[int],
        owner: HalObject | None = None,
        made: dict[int, HalObject] | None = None,
    ) -> list[Any]:
        """The objects with these IDs. One that has gone meanwhile is left out.

        Parameters
        ----------
        ids : list of int
        owner : HalObject or None
            The object whose list has the IDs.
        made : dict or None
            The objects of several lists of this owner that are read at the same time, by their
            IDs, so that each object is made once.
        """
        found = []
        for object_id in ids:
            one = made.get(object_id) if made is not None else None
            if one is None:
                try:
                    one = self.object(object_id, owner)
                except DriverError:
                    continue
                if one is not None and made is not None:
                    made[object_id] = one
            if one is not None:
                found.append(one)
        return found

    def class_of(self, object_id: int) -> str:
        """The class of an object in the table, or the one from which it is derived."""
        if object_id == SYSTEM:
            return "AudioSystemObject"
        for text in ("clas", "bcls"):
            code = self.reader.u32(object_id, text)
            if code in class_of_code():
                return class_of_code()[code]
        return "AudioObject"


_connections: dict[int, Connection] = {}


def connection_with(driver: str | Driver | None = None) -> Connection:
    """The connection with the CoreAudio of a driver.

    Parameters
    ----------
    driver : str, Driver or None
        None: CoreAudio, or a simulated one if ``VOICECOIL_DRIVER`` says so.
    """
    from voicecoil.drivers.coreaudio.driver import CoreAudioDriver

    if driver is None:
        named = os.environ.get("VOICECOIL_DRIVER", "")
        driver = named if named.startswith("coreaudio") else "coreaudio"
        try:
            found = get_driver(driver)
        except DriverError as error:
            raise DriverError(
                f"{error}. In a test with a SimulatedCoreAudio, use hal.connect(simulated.driver), "
                "which has the attributes of hal.system",
                call=error.call,
                code=error.code,
            ) from None
    else:
        found = get_driver(driver)
    if not isinstance(found, CoreAudioDriver):
        raise DriverError(
            f"the driver {found.name!r} has no HAL, which only CoreAudio has; give "
            'driver="coreaudio", or "coreaudio-simulated" on other systems',
            call="AudioObjectGetPropertyData",
        )
    known = _connections.get(id(found))
    if known is None or known.driver is not found:
        known = _connections[id(found)] = Connection(found)
    return known
