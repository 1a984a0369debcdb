"""A registry of objects that does not keep them alive."""

from __future__ import annotations

import weakref
from typing import Generic, TypeVar

__all__ = ["Alive"]

T = TypeVar("T")


class Alive(Generic[T]):
    """Lists objects as long as they are alive.

    Any thread may use it, also in callbacks and in `__del__`. A `weakref.WeakSet` raises an error
    if another thread drops the last reference to one of its objects while the set is iterated. Here
    each access is a single atomic operation of a dictionary.
    """

    def __init__(self) -> None:
        self._references: dict[int, weakref.ref[T]] = {}

    def add(self, thing: T) -> None:
        """Adds `thing`. Adding it twice has no effect."""
        key, references = id(thing), self._references
        # Python calls the lambda before it frees the memory of `thing`, so no other object can have
        # the same id yet.
        references[key] = weakref.ref(thing, lambda gone: references.pop(key, None))

    def discard(self, thing: T) -> None:
        """Removes `thing`, if it is listed."""
        self._references.pop(id(thing), None)

    def clear(self) -> None:
        """Removes all objects."""
        self._references.clear()

    def now(self) -> list[T]:
        """Returns the objects that are alive now."""
        found = (reference() for reference in self._references.copy().values())
        return [thing for thing in found if thing is not None]
