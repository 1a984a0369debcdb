"""Values that threads leave for each other in a deque, taken without a lock."""

from __future__ import annotations

import contextlib
from collections import deque
from typing import TypeVar

__all__ = ["take_all", "take_kept"]

Kept = TypeVar("Kept")


def take_kept(kept: deque[Kept]) -> Kept | None:
    """Removes the newest object of `kept` and returns it, without a lock; None if it is empty."""
    try:
        return kept.pop()
    except IndexError:
        return None


def take_all(kept: deque[Kept]) -> list[Kept]:
    """Removes all objects of `kept` and returns them, oldest first.

    Several threads may do this at the same time. Each object is returned to one of them.
    """
    taken = []
    with contextlib.suppress(IndexError):  # `kept` is empty
        while True:
            taken.append(kept.popleft())
    return taken
