"""The list of the properties that an object has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, SupportsIndex, overload

from voicecoil.drivers.coreaudio._hal import Addresses
from voicecoil.drivers.coreaudio.hal import GLOBAL, INPUT, OUTPUT
from voicecoil.errors import ArgumentError, DriverError, VoicecoilError
from voicecoil.hal import codec
from voicecoil.hal.reading import PLAY_THROUGH, scope_name
from voicecoil.hal.table import PropertyRow, rows_of
from voicecoil.notebook import html_table
from voicecoil.printable import printable
from voicecoil.wording import did_you_mean

if TYPE_CHECKING:
    from voicecoil.hal.object import HalObject

__all__ = ["PropertyList", "PropertyValue", "html", "read"]

_ORDER = (GLOBAL, INPUT, OUTPUT, PLAY_THROUGH)
_SCOPES = {
    "global": (GLOBAL,),
    "any": (GLOBAL,),
    "sides": (INPUT, OUTPUT),
    "sides+global": (GLOBAL, INPUT, OUTPUT),
    "input": (INPUT,),
    "playthrough": (PLAY_THROUGH,),
}
SHORT = 60  # characters of a value in a line


@dataclass(frozen=True)
class PropertyValue:
    """A property that an object has.

    Attributes
    ----------
    name : str
        The attribute of the object.
    selector : str
        The four characters.
    scope : str
        ``"global"``, ``"input"``, ``"output"`` or ``"play_through"``.
    element : int
        The channel, from 1; 0: the main element.
    value : object
        The value; None if it has none, as events and questions.
    unit : str or None
        Of the value.
    settable : bool
        Whether it can be set now.
    error : DriverError or None
        Why the value could not be read.
    """

    name: str
    selector: str
    scope: str
    element: int
    value: Any
    unit: str | None
    settable: bool
    error: DriverError | None = None

    def __str__(self) -> str:
        where = "" if self.scope == "global" else f" {self.scope}"
        where += f" {self.element}" if self.element else ""
        text = self._text()
        unit = f" {self.unit}" if text and self.unit else ""
        return f"'{self.selector}' {self.name}{where}" + (
            f"{f': {text}' if text else ''}{unit}{' (settable)' if self.settable else ''}"
        )

    def _text(self) -> str:
        if self.error is not None:
            return f"{type(self.error).__name__}: {self.error}"
        if self.value is None:  # an event, or a question
            return ""
        text = printable(repr(self.value) if not hasattr(self.value, "name") else str(self.value))
        return text if len(text) <= SHORT else text[: SHORT - 3] + "..."


class PropertyList(list[PropertyValue]):
    """The properties of an object, returned by :func:`HalObject.properties`.

    A name or four characters as index give the first such one.
    """

    @overload
    def __getitem__(self, index: SupportsIndex | str) -> PropertyValue: ...
    @overload
    def __getitem__(self, index: slice) -> list[PropertyValue]: ...
    def __getitem__(
        self, index: SupportsIndex | str | slice
    ) -> PropertyValue | list[PropertyValue]:
        if isinstance(index, str):
            by_selector = {one.selector: one for one in reversed(self)}
            by_name = {one.name: one for one in reversed(self)}
            if (found := by_name.get(index) or by_selector.get(index)) is not None:
                return found
            asked = did_you_mean(index, (one.name for one in self))
            raise ArgumentError(
                f"the object has no property {index!r} now" + (f"; {asked}" if asked else "")
            )
        return super().__getitem__(index)

    def __repr__(self) -> str:  # a prompt shows it, and many long values would fill the screen
        return "\n".join(map(str, self))

    __str__ = __repr__

    def _repr_html_(self) -> str:
        return _table(self, "")


def places(row: PropertyRow, counts: tuple[int, int, int, int]) -> Iterator[tuple[int, int, int]]:
    """The selector, scope and element at which a property may be.

    `counts` are the channels in the scopes global, input, output and play-through.
    """
    for scope in _SCOPES[row.scopes]:
        channels = counts[_ORDER.index(scope)] if row.elements == "channels" else 0
        for element in range(1 + channels):
            yield row.code, scope, element


@cache
def _listed(kind: str, deprecated: bool) -> dict[int, tuple[PropertyRow, bool]]:
    """The rows of a class that are listed, by their codes, and whether each has a value."""
    rows = [row for row in rows_of(kind) if (deprecated or not row.deprecated) and not row.acts]
    return {row.code: (row, row.is_value) for row in rows}


def _addresses(
    rows: dict[int, tuple[PropertyRow, bool]], where: list[tuple[int, int, int]]
) -> Addresses:
    sizes = {
        code: codec.fixed_bytes(row) if is_value else 0 for code, (row, is_value) in rows.items()
    }
    return Addresses(where, [sizes[at[0]] for at in where])


@cache
def _all_places(kind: str, deprecated: bool, counts: tuple[int, int, int, int]) -> Addresses:
    rows = _listed(kind, deprecated)
    return _addresses(rows, [one for row, _ in rows.values() for one in places(row, counts)])


def read(thing: HalObject, object_id: int, deprecated: bool) -> PropertyList:
    """Reads all properties of an object. On the call thread."""
    reader = thing._connection.reader
    reader.check_alive(object_id)
    listed = _listed(thing._class_name, deprecated)
    if thing._scope is None:
        where = _all_places(thing._class_name, deprecated, thing._counts(object_id))
    else:
        rows = [row for row, _ in listed.values()]
        found_at = [one for row in rows for one in thing._addresses(object_id, row)]
        where = _addresses(listed, found_at)
    name = repr(thing)
    made: dict[int, HalObject] = {}  # objects that several lists of this object contain
    found = PropertyList()
    for (code, scope, element), can, status, data in reader.values.survey(object_id, where):
        row, is_value = listed[code]
        value, error = None, None
        if is_value:
            try:
                if data is None:
                    value = reader.get(object_id, row, scope, element, name=name)
                else:
                    value = reader.value(row, status, data, name)
                value = thing._with_objects(row, value, made)
            except DriverError as raised:
                error = raised
        one = PropertyValue.__new__(PropertyValue)
        # The constructor of a frozen dataclass makes a call for each field.
        one.__dict__.update(
            name=row.name,
            selector=row.selector,
            scope=scope_name(scope),
            element=element,
            value=value,
            unit=row.unit,
            settable=can,
            error=error,
        )
        found.append(one)
    return found


def _table(properties: PropertyList, title: str) -> str:
    return html_table(
        ("property", "selector", "scope", "element", "value", "unit", "settable"),
        [
            (
                one.name,
                one.selector,
                None if one.scope == scope_name(GLOBAL) else one.scope,
                one.element or None,
                one._text(),
                one.unit,
                "yes" if one.settable else None,
            )
            for one in properties
        ],
        title,
    )


def html(thing: HalObject) -> str:
    """The properties of an object as an HTML table; the reason if it has none now."""
    try:
        found = thing.properties()
    except VoicecoilError as error:  # a notebook would show a traceback for the object's value
        return html_table((), [(type(error).__name__, error)], repr(thing))
    return _table(found, repr(thing))
