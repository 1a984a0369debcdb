"""The attributes of objects, made from the table. `_properties.pyi` has them for type checkers."""

from __future__ import annotations

from functools import partial
from typing import Any

from voicecoil.hal.table import PropertyRow, classes, rows

__all__ = ["Property"]


class Property:
    """An attribute that is a property of the object in the HAL."""

    def __init__(self, row: PropertyRow) -> None:
        self.row = row
        self.__doc__ = description(row)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        if self.row.asks:
            return partial(instance.ask, self.row.selector)
        if self.row.kind >= 0:
            value = instance._number(self.row)
            if value is not None:
                return value
        return instance.get(self.row.selector)

    def __set__(self, instance: Any, value: Any) -> None:
        instance.set(self.row.selector, value)


def description(row: PropertyRow) -> str:
    """The docstring of an attribute: what it is, its unit, and where it exists."""
    unit = f", {row.unit}" if row.unit else ""
    since = f" macOS {row.since} and later." if row.since else ""
    old = " Replaced by newer properties." if row.deprecated else ""
    event = " Only for `watch`: it has no value." if row.event else ""
    return f"{row.doc}{unit}.{event}{since}{old} The selector is '{row.selector}'."


for _name in classes():
    _own = {row.name: Property(row) for row in rows() if row.of == _name}
    globals()[f"{_name}Properties"] = type(
        f"{_name}Properties", (), {"__slots__": (), "__doc__": f"Properties of {_name}.", **_own}
    )
