"""What is alive: things that are listed as long as somebody else holds them."""

from __future__ import annotations

import weakref
from typing import Generic, TypeVar

__all__ = ["Alive"]

T = TypeVar("T")


class Alive(Generic[T]):
    """Things as long as they live, for any number of threads, in callbacks and in `__del__`.

    A `weakref.WeakSet` may find itself changed while it is listed, when the last reference to one
    of its things goes on another thread. Here each step is one of the dictionary's own.
    """

    def __init__(self) -> None:
        self._references: dict[int, weakref.ref[T]] = {}

    def add(self, thing: T) -> None:
        """Lists it, once."""
        key, references = id(thing), self._references
        # Called before the memory is free: no other thing has the key yet.
        references[key] = weakref.ref(thing, lambda gone: references.pop(key, None))

    def discard(self, thing: T) -> None:
        """Lists it no more, if it was."""
        self._references.pop(id(thing), None)

    def clear(self) -> None:
        """Lists nothing more."""
        self._references.clear()

    def now(self) -> list[T]:
        """Those that are alive now."""
        found = (reference() for reference in self._references.copy().values())
        return [thing for thing in found if thing is not None]
