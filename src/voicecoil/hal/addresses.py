"""Scopes and elements that a user names."""

from __future__ import annotations

from typing import SupportsIndex

from voicecoil.arguments import shown
from voicecoil.drivers.coreaudio.hal import GLOBAL, INPUT, OUTPUT
from voicecoil.errors import ArgumentError, ArgumentTypeError
from voicecoil.hal import codec
from voicecoil.hal.reading import PLAY_THROUGH

__all__ = ["element_of", "scope_code"]

WILDCARD = codec.code_of("****")
_ONLY_LISTENERS = "a wildcard is for CoreAudio's listeners only"
_SCOPES = {
    "global": GLOBAL,
    "input": INPUT,
    "output": OUTPUT,
    "play_through": PLAY_THROUGH,
    "playthrough": PLAY_THROUGH,
}


def scope_code(scope: str | int) -> int:
    """The number of a scope, from its name, its four characters or its number."""
    if isinstance(scope, str):
        known = _SCOPES.get(scope.lower().replace(" ", "_").replace("-", "_"))
        if known is not None:
            return known
        if len(scope) != 4:
            raise ArgumentError(
                f"scope={shown(scope)}; possible are {', '.join(map(repr, _SCOPES))}, and four "
                "characters such as 'inpt'"
            )
    code = codec.code_of(scope)
    if not 0 <= code < 2**32:
        raise ArgumentError(f"scope={shown(scope)}; the number of a scope is 0 to 4294967295")
    if code == WILDCARD:
        raise ArgumentError(
            f"scope={shown(scope)}; {_ONLY_LISTENERS}: give no scope to watch all of them"
        )
    return code


def element_of(element: int) -> int:
    """The number of an element, checked."""
    if isinstance(element, bool) or not isinstance(element, SupportsIndex):
        raise ArgumentTypeError(f"element={shown(element)}; possible are channels from 1, and 0")
    number = element.__index__()
    if number == 2**32 - 1:
        raise ArgumentError(
            f"element={shown(element)}; {_ONLY_LISTENERS}: give no element to watch all"
        )
    if not 0 <= number < 2**32:
        raise ArgumentError(f"element={shown(element)}; possible are channels from 1, and 0")
    return number
