"""Which thing an object of the HAL stands for, and the ID that the thing has now."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from time import monotonic
from typing import TypeVar

from voicecoil.drivers.coreaudio._hal import Shortcut
from voicecoil.drivers.coreaudio.status import BAD_STREAM, DEAD
from voicecoil.errors import DeviceLostError, DriverError
from voicecoil.hal.connection import Connection
from voicecoil.hal.reading import where
from voicecoil.printable import printable
from voicecoil.sealed import Sealed

__all__ = ["GONE", "Identified"]

Result = TypeVar("Result")
GONE = (*DEAD, BAD_STREAM)
TRUSTED_S = 1.0  # after this time, an ID is compared with its object again


class Identified(Sealed):
    """An object that stands for a thing, not for its number in the HAL."""

    _connection: Connection
    _shortcut: Shortcut
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
            _shortcut=connection.driver.shortcut,
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
        return self._connection.call(f"finding {self!r}", self._certain_id)

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

    def _certain_id(self) -> int:
        """The ID, compared with the thing however new it is. On the call thread.

        For uses that cannot notice that the ID is out of date, as `_work` does.
        """
        self._checked = -inf
        return self._work(lambda object_id: object_id)

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
