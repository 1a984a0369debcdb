"""Objects that are found in a list of the object that owns them."""

from __future__ import annotations

from typing import ClassVar

from voicecoil.drivers.coreaudio.hal import SYSTEM
from voicecoil.errors import DriverError
from voicecoil.hal.connection import Connection
from voicecoil.hal.object import HalObject
from voicecoil.hal.table import parents

__all__ = ["Owned"]

OWNERS = {"AudioDevice", "AudioClockDevice"}


class Owned(HalObject):
    """An object that is found in a list of the object that owns it."""

    _list: ClassVar[str] = "ownd"
    _owner: HalObject | None
    _marks: object

    def __init__(
        self,
        connection: Connection,
        object_id: int,
        kind: str,
        key: object,
        label: str,
        owner: HalObject | None,
    ) -> None:
        super().__init__(connection, object_id, kind, (owner, key), label)
        self.__dict__.update(_owner=owner, _marks=key)

    @classmethod
    def _marks_of(cls, connection: Connection, object_id: int) -> object:
        """What distinguishes an object from others of its class and owner."""
        return object_id

    @classmethod
    def _make(
        cls, connection: Connection, object_id: int, kind: str, owner: HalObject | None
    ) -> HalObject:
        by = cls._owner_of(connection, object_id, owner)
        marks = cls._marks_of(connection, object_id)
        label = cls._label_of(connection, object_id, kind, marks)
        return cls(connection, object_id, kind, marks, label + (f" of {by!r}" if by else ""), by)

    @classmethod
    def _owner_of(
        cls, connection: Connection, object_id: int, owner: HalObject | None
    ) -> HalObject | None:
        if owner is not None and not OWNERS.isdisjoint(parents(owner._class_name)):
            return owner._whole()
        owner_id = connection.reader.u32(object_id, "stdv")
        return connection.object(owner_id) if owner_id not in (0, SYSTEM) else None

    @classmethod
    def _label_of(cls, connection: Connection, object_id: int, kind: str, marks: object) -> str:
        return connection.reader.string(object_id, "lnam") or str(marks)

    def _find(self) -> int:
        if self._owner is None:
            return 0
        reader = self._connection.reader
        # The ID of the owner may be out of date as well: both change when a device is replugged.
        for object_id in self._owner._work(lambda owner_id: reader.ids(owner_id, self._list)):
            try:
                if self._is(object_id):
                    return object_id
            except DriverError:
                continue
        return 0

    def _is(self, object_id: int) -> bool:
        same = self._connection.class_of(object_id) == self._class_name
        return same and self._marks_of(self._connection, object_id) == self._marks
