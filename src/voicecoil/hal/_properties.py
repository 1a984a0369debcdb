"""The attributes of objects, made from the table. `_properties.pyi` has them for type checkers."""

from __future__ import annotations

from functools import partial
from typing import Any

from voicecoil.drivers.coreaudio import _hal
from voicecoil.hal.codec import meaning_of
from voicecoil.hal.identity import TRUSTED_S
from voicecoil.hal.table import PropertyRow, classes, rows

__all__ = ["NumberProperty", "Property", "number_of"]


class Property:
    """An attribute that is a property of the object in the HAL."""

    def __init__(self, row: PropertyRow) -> None:
        self.row = row
        self.__doc__ = description(row)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        if self.row.asks:
            return partial(instance.ask, self.row.name)
        return instance.get(self.row.name)

    def __set__(self, instance: Any, value: Any) -> None:
        instance.set(self.row.name, value)


class NumberProperty(_hal.Number, Property):
    """A property that is a number, which has a short way."""

    def __init__(self, row: PropertyRow) -> None:
        meaning = None if row.plain else partial(meaning_of, row)
        _hal.Number.__init__(self, row, meaning, TRUSTED_S)
        Property.__init__(self, row)

    def read(self, thing: Any) -> Any:
        """The value by the ordinary way."""
        return thing.get(self.row.name)


def description(row: PropertyRow) -> str:
    """The docstring of an attribute: what it is, its unit, and where it exists."""
    unit = f", {row.unit}" if row.unit else ""
    since = f" macOS {row.since} and later." if row.since else ""
    old = " Replaced by newer properties." if row.deprecated else ""
    event = " Only for `watch`: it has no value." if row.event else ""
    return f"{row.doc}{unit}.{event}{since}{old} The selector is '{row.selector}'."


_numbers: dict[tuple[str, str], NumberProperty] = {}  # by class and selector


def number_of(row: PropertyRow) -> NumberProperty:
    """The attribute of a row whose `kind` is that of a number."""
    return _numbers[row.of, row.selector]


def _attribute(row: PropertyRow) -> Property:
    if row.kind < 0:
        return Property(row)
    made = _numbers[row.of, row.selector] = NumberProperty(row)
    return made


for _name in classes():
    _own = {row.name: _attribute(row) for row in rows() if row.of == _name}
    globals()[f"{_name}Properties"] = type(
        f"{_name}Properties", (), {"__slots__": (), "__doc__": f"Properties of {_name}.", **_own}
    )
