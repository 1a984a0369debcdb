"""The types of the ABI as ctypes: scalars, structures, pointers and callbacks."""

from __future__ import annotations

import ctypes
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["abi", "callback", "structure", "type_of"]

_SCALARS: dict[str, Any] = {
    "void": None,
    "_Bool": ctypes.c_bool,
    "char": ctypes.c_char,
    "signed char": ctypes.c_int8,
    "unsigned char": ctypes.c_uint8,
    "short": ctypes.c_int16,
    "unsigned short": ctypes.c_uint16,
    "int": ctypes.c_int32,
    "unsigned int": ctypes.c_uint32,
    "long": ctypes.c_int64,  # LP64, whatever this machine has
    "unsigned long": ctypes.c_uint64,
    "long long": ctypes.c_int64,
    "unsigned long long": ctypes.c_uint64,
    "float": ctypes.c_float,
    "double": ctypes.c_double,
    "clockid_t": ctypes.c_uint32,
    "os_clockid_t": ctypes.c_uint32,
}
# Their fields are packed to 4 bytes on all machines.
_PACKED = ("MIDIEventList", "MIDIEventPacket", "MIDIPacket", "MIDIPacketList")
_FUNCTION = re.compile(r"(.*?)\( ?\*\)\((.*)\)")
_ARRAY = re.compile(r"(.*?) ?\[(\d+)\]")


@cache
def abi() -> dict[str, Any]:
    """The functions, structures, callbacks, variables, constants and strings: `abi.json`."""
    found: dict[str, Any] = json.loads(Path(__file__).with_name("abi.json").read_text("utf-8"))
    return found


@cache
def structure(name: str) -> type[ctypes.Structure]:
    """A structure with the fields of the headers.

    Raises
    ------
    KeyError
        The ABI has no such structure.
    """
    size, fields = abi()["structs"][name]
    made: Any = type(name, (ctypes.Structure,), {"__doc__": f"The C structure, {size} bytes."})
    _made[name] = made
    if name in _PACKED:
        made._pack_, made._layout_ = 4, "ms"
    # Assigned after the class exists, because a structure may point to itself.
    made._fields_ = [(field, type_of(text)) for field, text, _ in fields]
    return _made[name]


_made: dict[str, type[ctypes.Structure]] = {}


def type_of(text: str) -> Any:
    """The ctypes type for a canonical C type."""
    if "(^" in text or _FUNCTION.match(text):
        return ctypes.c_void_p  # accepts the objects that `callback` makes
    array = _ARRAY.fullmatch(text)
    if array:
        return type_of(array[1]) * int(array[2])
    if text.endswith("*"):
        return _pointer_to(text[:-1].rstrip())
    plain = text.removeprefix("struct ")
    if plain in _SCALARS:
        return _SCALARS[plain]
    if plain in abi()["structs"]:
        return _made.get(plain) or structure(plain)
    return ctypes.c_void_p  # an object of Objective-C or of libdispatch


def _pointer_to(text: str) -> Any:
    if text == "char":
        return ctypes.c_char_p
    plain = text.removeprefix("struct ")
    if plain == "void" or (text.startswith("struct ") and plain not in abi()["structs"]):
        if text.endswith("*"):
            return ctypes.POINTER(type_of(text))
        return ctypes.c_void_p
    return ctypes.POINTER(type_of(text))


@cache
def callback(name: str) -> Any:
    """The type of a callback, which makes a C function of a Python function.

    Raises
    ------
    KeyError
        The ABI has no such callback.
    """
    match = _FUNCTION.match(abi()["callbacks"][name])
    assert match is not None
    arguments = [one.strip() for one in match[2].split(",")]
    kinds = [type_of(one) for one in arguments if one != "void"]
    return ctypes.CFUNCTYPE(type_of(match[1].strip()), *kinds)
