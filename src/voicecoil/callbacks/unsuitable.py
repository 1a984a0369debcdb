"""Detects callables that cannot be callbacks before a device is opened.

This module imports nothing, so that an isolated interpreter is created quickly.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["why_it_runs_no_code", "why_unsuitable"]

DEPTH = 100  # largest number of nested partials and methods that are unwrapped
# Bits of co_flags in a function's code object.
_ASYNC = 0x80 | 0x100  # CO_COROUTINE, CO_ITERABLE_COROUTINE
_GENERATOR = 0x20
_ASYNC_GENERATOR = 0x200


def why_unsuitable(callback: Any) -> str | None:
    """Return why a call of `callback` would not return None; None if no reason is known.

    Without this check, the first block raised an exception on the device's thread.
    """
    why = why_it_runs_no_code(callback)
    if why is None and _returns_a_mock(callback):
        return "a Mock, which returns another Mock and not None: make it with return_value=None"
    return why


def why_it_runs_no_code(callback: Any) -> str | None:
    """Return why a call of `callback` would run none of its code; None if no reason is known."""
    flags = getattr(getattr(_function(callback), "__code__", None), "co_flags", 0)
    if not isinstance(flags, int):
        flags = 0
    if flags & _ASYNC:
        return (
            "an async function: calling it makes a coroutine and runs no code. Give a plain "
            "function; it can wake an event loop with loop.call_soon_threadsafe()"
        )
    if flags & (_GENERATOR | _ASYNC_GENERATOR):
        return (
            "a generator function: calling it makes a generator and runs no code. Give a "
            "function without yield; to keep state, give a method of an object"
        )
    return None


def _function(callback: Any) -> Any:
    """Return the function behind partials, methods and callable objects."""
    for _ in range(DEPTH):
        kind = type(callback)
        if kind.__module__ == "functools" and kind.__name__ == "partial":
            callback = callback.func
        elif hasattr(callback, "__func__"):
            callback = callback.__func__
        elif not hasattr(callback, "__code__") and hasattr(kind.__call__, "__code__"):
            callback = kind.__call__
        else:
            break
    return callback


def _returns_a_mock(callback: Any) -> bool:
    if all(kind.__module__ != "unittest.mock" for kind in type(callback).__mro__):
        return False
    attributes = vars(callback)
    values = [attributes.get(f"_mock_{name}") for name in ("side_effect", "wraps", "delegate")]
    return all(value is None for value in values) and (
        attributes.get("_mock_return_value") is not None
    )
