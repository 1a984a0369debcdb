"""Calls to the HAL for properties of any type. All functions run on the call thread."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from voicecoil.drivers.coreaudio import _hal
from voicecoil.drivers.coreaudio.hal import GLOBAL, INPUT, MAX_REPLY_BYTES, OUTPUT, selector
from voicecoil.drivers.coreaudio.status import (
    DEAD,
    UNKNOWN_PROPERTY,
    four_characters,
    status_error,
)
from voicecoil.errors import DriverError
from voicecoil.hal import codec
from voicecoil.hal.table import PropertyRow

if TYPE_CHECKING:
    from voicecoil.drivers.coreaudio.driver import CoreAudioDriver

__all__ = ["PLAY_THROUGH", "Address", "Qualifier", "Reader", "is_missing", "scope_name", "where"]

PLAY_THROUGH = selector("ptru")
Qualifier = bytes | str | dict[str, Any] | None
Address = tuple[int, int, int]  # selector, scope, element
_TRIES = 4  # the size of an array may change between the calls for its size and for its data
_SCOPE_NAMES = {
    GLOBAL: "global",
    INPUT: "input",
    OUTPUT: "output",
    PLAY_THROUGH: "play_through",
    selector("****"): "any",
}


def scope_name(scope: int) -> str:
    """The name of a scope, or its four characters."""
    return _SCOPE_NAMES.get(scope) or four_characters(scope)


def where(scope: int, element: int) -> str:
    """An address in words, for messages."""
    return f"scope {scope_name(scope)}" + (f", element {element}" if element else "")


def is_missing(error: DriverError) -> bool:
    """Whether the error says that the object does not have the property."""
    return error.code == UNKNOWN_PROPERTY


def _what(row: PropertyRow, name: str) -> str:
    return f"the property {row.name} ('{row.selector}') of {name}"


class Reader:
    """Reads and writes properties of objects by their IDs.

    Parameters
    ----------
    driver : CoreAudioDriver
    """

    def __init__(self, driver: CoreAudioDriver) -> None:
        self.library = driver.library
        self.values = _hal.Values(driver.library)

    # ---- reading ----

    def get(
        self,
        object_id: int,
        row: PropertyRow,
        scope: int = GLOBAL,
        element: int = 0,
        qualifier: Qualifier = None,
        question: Any = None,
        name: str = "",
    ) -> Any:
        """The value of a property. IDs of objects are numbers.

        Raises
        ------
        DriverError
            The HAL refuses the call, or the answer is no value of the type.
        """
        name = name or f"object {object_id}"
        what = partial(_what, row, name)
        at = (row.code, scope, element)
        try:
            if row.type in codec.CF_TYPES:
                return self._object(object_id, row, at, qualifier, what)
            if row.type == "translation":
                return self._translate(object_id, row, at, question, what)
            if row.type == "raw":
                return self._sized(object_id, at, qualifier, what)
            size = codec.ITEM_BYTES[row.type]
            if row.type.endswith("[]") or size == 1:
                return codec.decode(row, self._sized(object_id, at, qualifier, what))
            asked = b"" if question is None else codec.encode(row, question)
            status, data = self.values.get(object_id, *at, qualifier, asked, size)
        except codec.BadReplyError as error:
            raise self._odd(what, str(error)) from error
        return self.value(row, status, data, name)

    def value(self, row: PropertyRow, status: int, data: bytes, name: str) -> Any:
        """The value of a property of a fixed size, from an answer of the HAL.

        Raises
        ------
        DriverError
            The HAL has refused the call, or the answer is no value of the type.
        """
        if status != 0:
            raise status_error("AudioObjectGetPropertyData", status, _what(row, name))
        try:
            return codec.decode(row, data)
        except codec.BadReplyError as error:
            raise self._odd(partial(_what, row, name), str(error)) from error

    def _odd(self, what: Callable[[], str], why: str) -> DriverError:
        return DriverError(
            f"{what()} has {why}; the device's driver is faulty, so update it or choose "
            "another device",
            call="AudioObjectGetPropertyData",
        )

    def _sized(
        self, object_id: int, at: Address, qualifier: Qualifier, what: Callable[[], str]
    ) -> bytes:
        for attempt in range(_TRIES):
            if isinstance(qualifier, bytes):  # the size depends on it, so there is room for all
                size = self._most(object_id, at, what)
            else:
                status, size = self.library.size(object_id, *at)
                if status != 0:
                    raise status_error("AudioObjectGetPropertyDataSize", status, what())
            if size > MAX_REPLY_BYTES:
                raise self._odd(what, f"a size of {size} bytes")
            status, data = self.values.get(object_id, *at, qualifier, b"", size)
            if status == 0:
                return data
            if attempt == _TRIES - 1 or four_characters(status) != "'!siz'":
                raise status_error("AudioObjectGetPropertyData", status, what())
        raise AssertionError

    def _most(self, object_id: int, at: Address, what: Callable[[], str]) -> int:
        status, size = self.library.size(object_id, *at)
        if status != 0:
            raise status_error("AudioObjectGetPropertyDataSize", status, what())
        return size

    def _object(
        self,
        object_id: int,
        row: PropertyRow,
        at: Address,
        qualifier: Qualifier,
        what: Callable[[], str],
    ) -> Any:
        status, size, value = self.values.get_object(object_id, *at, qualifier)
        if status != 0:
            raise status_error("AudioObjectGetPropertyData", status, what())
        if size != 8:
            raise self._odd(what, f"{size} bytes in place of an object")
        wanted: type = {"CFArray": list, "CFDictionary": dict}.get(row.type, str)
        if not isinstance(value, wanted):
            raise self._odd(what, f"no {row.type} in it")
        return value

    def _translate(
        self, object_id: int, row: PropertyRow, at: Address, question: Any, what: Callable[[], str]
    ) -> Any:
        if row.translates is None:
            raise self._odd(what, "pointers, which only voicecoil.raw passes on")
        answer = row.translates.split()[1]
        status, value = self.values.translate(object_id, *at, codec.code_of(question), answer)
        if status != 0:
            raise status_error("AudioObjectGetPropertyData", status, what())
        if value is None:
            raise self._odd(what, "no string in it")
        return codec.text_of_code(value) if isinstance(value, int) else value

    def has(self, object_id: int, code: int, scope: int = GLOBAL, element: int = 0) -> bool:
        """Whether the object has the property at this address."""
        return self.library.has(object_id, code, scope, element)

    def settable(self, object_id: int, code: int, scope: int, element: int) -> bool:
        """Whether the property can be set."""
        status, can = self.library.settable(object_id, code, scope, element)
        return status == 0 and can

    def check_alive(self, object_id: int) -> None:
        """Raises the error of an object that has gone.

        `has` and `Values.present` answer that such an object has no property, which is no error.
        """
        self.u32(object_id, "clas")

    # ---- short forms ----

    def u32(self, object_id: int, text: str, scope: int = GLOBAL, default: int = 0) -> int:
        """A number, or `default` if the object does not have it."""
        status, data = self.library.get(object_id, selector(text), scope, 0, 4)
        self._check_alive(status, text)
        return int.from_bytes(data, "little") if status == 0 and len(data) == 4 else default

    def string(self, object_id: int, text: str) -> str:
        """A text, or "" if the object has none."""
        status, value, _ = self.library.get_string(object_id, selector(text), GLOBAL, 0)
        self._check_alive(status, text)
        return value or ""

    def ids(self, object_id: int, text: str, scope: int = GLOBAL) -> list[int]:
        """A list of IDs, which is empty if the object does not have the property."""
        code = selector(text)
        status, size = self.library.size(object_id, code, scope, 0)
        self._check_alive(status, text)
        if status != 0 or not 0 < size <= MAX_REPLY_BYTES:
            return []
        status, data = self.library.get(object_id, code, scope, 0, size)
        self._check_alive(status, text)
        if status != 0:
            return []
        return [int.from_bytes(data[at : at + 4], "little") for at in range(0, len(data) - 3, 4)]

    def channels(self, object_id: int, scope: int) -> int:
        """The channels of a device in a direction; 0 if it does not say."""
        status, size = self.library.size(object_id, selector("slay"), scope, 0)
        self._check_alive(status, "slay")
        if status != 0 or not 8 <= size <= MAX_REPLY_BYTES:
            return 0
        status, data = self.library.get(object_id, selector("slay"), scope, 0, size)
        count = int.from_bytes(data[:4], "little")
        if status != 0 or len(data) < 8 + 16 * count:
            return 0
        return sum(
            int.from_bytes(data[8 + 16 * at : 12 + 16 * at], "little") for at in range(count)
        )

    def find(self, code: str, question: Qualifier, translator: int = 1) -> int:
        """The ID that a translator, as the system object, returns; 0 if there is no such object."""
        status, data = self.values.get(translator, selector(code), GLOBAL, 0, question, b"", 4)
        return int.from_bytes(data, "little") if status == 0 and len(data) == 4 else 0

    @staticmethod
    def _check_alive(status: int, text: str) -> None:
        if status in DEAD:
            raise status_error("AudioObjectGetPropertyData", status, f"the property '{text}'")

    # ---- writing ----

    def set(
        self, object_id: int, row: PropertyRow, scope: int, element: int, value: Any, name: str
    ) -> None:
        """Requests a new value. The change may come later, or not at all."""
        at = (row.code, scope, element)
        if row.type in codec.CF_TYPES:
            status = self.values.set_object(object_id, *at, value)
        else:
            data = value if isinstance(value, bytes) else codec.encode(row, value)
            status = self.library.set(object_id, *at, data)
        if status != 0:
            what = f"the property {row.name} ('{row.selector}') of {name}"
            raise status_error("AudioObjectSetPropertyData", status, what)
