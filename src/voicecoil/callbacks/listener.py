"""Checks functions that are told of something: ends of runs, marks, changes of devices."""

from __future__ import annotations

from typing import Any

from voicecoil.arguments import shown
from voicecoil.callbacks.unsuitable import why_it_runs_no_code
from voicecoil.errors import ArgumentTypeError

__all__ = ["check_listener"]


def check_listener(listener: Any, name: str, takes: str) -> Any:
    """Returns `listener`, a function or None. What it returns when it is called does not matter.

    Parameters
    ----------
    listener : object
    name : str
        The name of the parameter.
    takes : str
        What the function is called with, for the message.

    Raises
    ------
    ArgumentTypeError
        It cannot be called, or a call would run no code: an async function, or a generator.
    """
    if listener is None:
        return None
    if not callable(listener):
        raise ArgumentTypeError(
            f"{name}={shown(listener)} cannot be called; give a function of {takes}"
        )
    why = why_it_runs_no_code(listener)
    if why is not None:
        raise ArgumentTypeError(f"{name}={shown(listener)} is {why}")
    return listener
