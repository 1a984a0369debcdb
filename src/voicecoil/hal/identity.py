"""Which thing an object of the HAL stands for, and the ID that the thing has now."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any, TypeVar

from voicecoil.drivers.coreaudio.status import BAD_STREAM, DEAD
from voicecoil.errors import DeviceLostError, DriverError
from voicecoil.hal.codec import meaning_of
from voicecoil.hal.connection import Connection
from voicecoil.hal.reading import where
from voicecoil.hal.table import PropertyRow
from voicecoil.printable import printable
from voicecoil.sealed import Sealed

__all__ = ["GONE", "Identified"]

Result = TypeVar("Result")
GONE = (*DEAD, BAD_STREAM)
TRUSTED_S = 1.0  # after this time, an ID is compared with its object again


class Identified(Sealed):
    """An object that stands for a thing, not for its number in the HAL."""

    _connection: Connection
    _class_name: str
    _key: object
    _label: str
    _id: int
    _checked: float
    _scope: int | None
    _element: int | None

    def __init__(
        self, connection: Connection, object_id: int, kind: str, key: object, label: str
    ) -> None:
        # Lists make many objects, and checking the name of each attribute would take longest.
        self.__dict__.update(
            _connection=connection,
            _class_name=kind,
            _key=key,
            _label=label,
            _id=object_id,
            _checked=monotonic(),
            _scope=None,
            _element=None,
        )

    # ---- identity ----

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Identified):
            return NotImplemented
        return self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def _identity(self) -> tuple[object, ...]:
        return (id(self._connection), self._class_name, self._key, self._scope, self._element)

    def __repr__(self) -> str:
        at = ""
        if self._scope is not None:
            at += f" {where(self._scope, self._element or 0)}"
        elif self._element:
            at += f" element {self._element}"
        return f"<{type(self).__name__} {printable(self._label)}{at}>"

    @property
    def object_id(self) -> int:
        """The AudioObjectID that the object has now."""
        return self._on_object("finding", lambda object_id: object_id)

    # ---- numbers ----

    def _number(self, row: PropertyRow) -> Any:
        """A number by the short way; None if the ordinary way must be taken.

        The short way is for an ID that was compared with its object in the last second.
        """
        object_id = self._id
        if not object_id or monotonic() - self._checked >= TRUSTED_S:
            return None
        scope = self._scope
        if scope is None or row.scopes == "global":
            scope = row.whole
        element = self._element or 0
        value = self._connection.number(
            object_id, row.code, scope, element, row.kind, row.name, self
        )
        return value if row.plain or value is None else meaning_of(row, value)

    # ---- the ID ----

    def _find(self) -> int:
        """The ID that the thing has now; 0: it is not there. On the call thread."""
        return 0

    def _is(self, object_id: int) -> bool:
        """Whether an ID still is this thing's. On the call thread."""
        return self._connection.class_of(object_id) == self._class_name

    def _current_id(self) -> int:
        """The ID, found anew if it may be out of date. On the call thread."""
        now = monotonic()
        if self._id and now - self._checked < TRUSTED_S:
            return self._id
        try:
            same = self._id != 0 and self._is(self._id)
        except DriverError as error:
            if error.code not in GONE:
                raise
            same = False
        if not same:
            self._id = self._find()
        self._checked = now
        if not self._id:
            raise self._gone()
        return self._id

    def _gone(self) -> DeviceLostError:
        return DeviceLostError(f"{self!r} is not there any more; it is found again when it is back")

    def _work(self, work: Callable[[int], Result]) -> Result:
        """Calls `work` with the ID, again if the ID was out of date. On the call thread."""
        try:
            return work(self._current_id())
        except DriverError as error:
            if error.code not in GONE:
                raise
            self._id = 0
            object_id = self._current_id()
        try:
            return work(object_id)
        except DriverError as error:
            if error.code not in GONE:
                raise
            self._id = 0
            raise self._gone() from error

    def _on_object(self, name: str, work: Callable[[int], Result]) -> Result:
        return self._connection.call(f"{name} {self!r}", lambda: self._work(work))
