"""Checks functions that the program registers: for ends of runs, marks, changes of devices."""

from __future__ import annotations

from typing import Any

from voicecoil.arguments import shown
from voicecoil.callbacks.unsuitable import why_it_runs_no_code
from voicecoil.errors import ArgumentTypeError

__all__ = ["check_listener"]


def check_listener(listener: Any, name: str, takes: str) -> Any:
    """Returns `listener`, a function or None. The value that it returns later is ignored.

    Parameters
    ----------
    listener : object
    name : str
        The name of the parameter.
    takes : str
        The arguments of the function, for the message.

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
