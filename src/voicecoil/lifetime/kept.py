"""The newest value of a deque, taken without a lock."""

from __future__ import annotations

from collections import deque
from typing import TypeVar

__all__ = ["take_kept"]

Kept = TypeVar("Kept")


def take_kept(kept: deque[Kept]) -> Kept | None:
    """Removes the newest object of `kept` and returns it, without a lock; None if it is empty."""
    try:
        return kept.pop()
    except IndexError:
        return None
