"""Mailboxes: named numbers and bytes passed to a callback (parameters) and from it (results).

A record holds each value at a fixed offset. ``bridge/values.c`` reads and writes records.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

from voicecoil import _block
from voicecoil.arguments import shown
from voicecoil.errors import ArgumentError, ArgumentTypeError

__all__ = ["Record"]

Field = tuple[str, str, int, int]  # name, kind, offset, size
_TAKEN = ("read", "update")  # names of methods, which values cannot have
_ALIGN = 8


class Record:
    """The control plane's side of one mailbox. It also creates the callback's side.

    Parameters
    ----------
    what : str
        The argument's name, for error messages.
    given : mapping
        Maps each name to its first value: a float, an int, a bool or bytes. The length of the first
        bytes is the capacity of that value.
    writes : bool
        True if the control plane writes the mailbox, False if the callback writes it.
    """

    def __init__(self, what: str, given: Mapping[str, Any], writes: bool) -> None:
        if not isinstance(given, Mapping):
            raise ArgumentTypeError(
                f"{what}={shown(given)}; give a dict of names and first values, such as "
                '{"gain": 0.5}'
            )
        self.fields, self.first = _layout(what, given)
        self._writes = writes
        self.values = _block.values(self.fields, self.first, None, writes, True)

    def callback_side(self) -> _block.Values:
        """Return the other side of the mailbox, for a callback in this interpreter."""
        return _block.values(self.fields, self.first, self.values, not self._writes, False)

    def for_another_interpreter(self) -> tuple[tuple[Field, ...], bytes, int]:
        """Return (fields, first record, address of the mailbox) for an isolated interpreter.

        `voicecoil.callbacks.isolated_bootstrap` makes the callback's side from them.
        """
        return self.fields, self.first, _block.mailbox(self.values)


def _layout(what: str, given: Mapping[str, Any]) -> tuple[tuple[Field, ...], bytes]:
    fields: list[Field] = []
    record = bytearray()
    for name, value in given.items():
        if not isinstance(name, str) or not name.isidentifier() or name.startswith("_"):
            raise ArgumentError(
                f"{what} has the name {name!r}; a name must be an identifier, "
                "such as gain or cutoff_hz"
            )
        if name in _TAKEN:
            raise ArgumentError(
                f"{what} has the name {name!r}, which is the name of a method; give another name"
            )
        kind, packed = _packed(what, name, value)
        fields.append((name, kind, len(record), len(value) if kind == "s" else len(packed)))
        record += packed + bytes(-len(packed) % _ALIGN)
    return tuple(fields), bytes(record)


def _packed(what: str, name: str, value: Any) -> tuple[str, bytes]:
    if type(value).__module__ == "numpy" and getattr(value, "ndim", None) == 0:
        value = value.item()  # np.float32, np.int16, np.bool_
    if isinstance(value, bool):
        return "?", struct.pack("=?", value)
    if isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise ArgumentError(f"{what}[{name!r}]={value}; an int has 64 bits with sign")
        return "q", struct.pack("=q", value)
    if isinstance(value, float):
        return "d", struct.pack("=d", value)
    if isinstance(value, (bytes, bytearray)):
        return "s", struct.pack("=I", len(value)) + bytes(value)
    raise ArgumentTypeError(
        f"{what}[{name!r}]={shown(value)}; use a float, an int, a bool or bytes"
    )
