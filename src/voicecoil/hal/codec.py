"""Conversion between the bytes of properties and Python's values."""

from __future__ import annotations

import math
import operator
import struct
from collections.abc import Callable
from typing import Any

from voicecoil.arguments import shown
from voicecoil.drivers.coreaudio.status import four_characters
from voicecoil.errors import ArgumentError, ArgumentTypeError
from voicecoil.hal import enumerations, values
from voicecoil.hal.table import PropertyRow

__all__ = [
    "CF_TYPES",
    "ITEM_BYTES",
    "BadReplyError",
    "code_of",
    "decode",
    "encode",
    "fixed_bytes",
    "meaning_of",
    "text_of_code",
]

CF_TYPES = ("CFString", "CFURL", "CFArray", "CFDictionary")
_FORMAT = struct.Struct("<dI7I")
_RANGED = struct.Struct("<dI7Idd")
_POSITION = struct.Struct("<IIfff")
# Bytes of a value, or of each item of an array.
ITEM_BYTES = {
    "u32": 4,
    "u32[]": 4,
    "u32[2]": 8,
    "f32": 4,
    "f64": 8,
    "pid": 4,
    "status": 4,
    "id": 4,
    "id[]": 4,
    "class": 4,
    "range": 16,
    "range[]": 16,
    "format": 40,
    "format[]": 40,
    "ranged_format[]": 56,
    "address": 12,
    "channel_layout": 1,
    "buffer_list": 1,
    "stream_usage": 1,
    "c_string": 1,
    "workgroup": 8,
    "run_loop": 8,
    "tap_description": 8,
}


def fixed_bytes(row: PropertyRow) -> int:
    """Bytes of a value whose size never changes, and which is no object; 0 for other types."""
    size = ITEM_BYTES.get(row.type, 1)
    return 0 if size == 1 or row.type.endswith("[]") else size


class BadReplyError(ValueError):
    """The bytes are no value of the type. The text says what they are."""


def text_of_code(code: int) -> str:
    """Four characters, or the number if they cannot be printed.

    Examples
    --------
    >>> text_of_code(0x69737062)
    'ispb'
    """
    text = four_characters(code)
    return text[1:-1] if text.startswith("'") else str(code)


def code_of(value: object) -> int:
    """The number of four characters, or the number itself."""
    if isinstance(value, str):
        if value.lstrip("-").isdigit() and len(value) != 4:
            return int(value)
        try:
            raw = value.encode("mac-roman")
        except UnicodeEncodeError:
            raw = b""
        if len(raw) == 4:
            return int.from_bytes(raw, "big")
    elif isinstance(value, int):
        return int(value)
    raise ArgumentError(f"{shown(value)} is neither four characters nor a number")


# ---- decoding ----


def decode(row: PropertyRow, data: bytes) -> Any:
    """The value of a property that is no object and no CoreFoundation object.

    Raises
    ------
    BadReplyError
        The bytes are no value of the row's type.
    """
    is_list, size, one = _PLANS[row.type]
    if is_list:
        if len(data) % size:
            raise BadReplyError(f"{len(data)} bytes, no multiple of {size}")
        return [one(row, data[at : at + size]) for at in range(0, len(data), size)]
    if size > 1 and len(data) != size:
        raise BadReplyError(f"{len(data)} bytes in place of {size}")
    return one(row, data)


def _u32(row: PropertyRow, data: bytes) -> Any:
    return meaning_of(row, int.from_bytes(data, "little"))


def meaning_of(row: PropertyRow, value: Any) -> Any:
    """The value of a number: a bool, four characters, or a member of an enumeration."""
    if row.meaning is None or row.meaning == "level":
        return value
    if row.meaning == "flag":
        return value != 0
    if row.meaning == "code":
        return text_of_code(value)
    kind = getattr(enumerations, row.meaning)
    return kind._value2member_map_.get(value) or kind(value)


def _finite(*numbers: float) -> None:
    if not all(map(math.isfinite, numbers)):
        raise BadReplyError("the value " + ", ".join(map(repr, numbers)))


def _f32(row: PropertyRow, data: bytes) -> float:
    (value,) = struct.unpack("<f", data)
    _finite(value)
    return float(value)


def _f64(row: PropertyRow, data: bytes) -> float:
    (value,) = struct.unpack("<d", data)
    _finite(value)
    return float(value)


def _signed(row: PropertyRow, data: bytes) -> int:
    return int.from_bytes(data, "little", signed=True)


def _unsigned(row: PropertyRow, data: bytes) -> int:
    return int.from_bytes(data, "little")


def _class(row: PropertyRow, data: bytes) -> str:
    return text_of_code(int.from_bytes(data, "little"))


def _pair(row: PropertyRow, data: bytes) -> tuple[int, int]:
    first, second = struct.unpack("<II", data)
    return first, second


def _ordered(low: float, high: float) -> values.Range:
    _finite(low, high)
    if low > high:
        raise BadReplyError(f"a range from {low!r} down to {high!r}")
    return values.Range(low, high)


def _range(row: PropertyRow, data: bytes) -> values.Range:
    return _ordered(*struct.unpack("<dd", data))


def _format(row: PropertyRow, data: bytes) -> values.StreamFormat:
    rate, identity, flags, packet, frames, frame, channels, bits, _ = _FORMAT.unpack(data)
    _finite(rate)
    kinds = enumerations.FormatFlags(flags)
    return values.StreamFormat(
        rate, text_of_code(identity), kinds, packet, frames, frame, channels, bits
    )


def _ranged_format(row: PropertyRow, data: bytes) -> values.RangedFormat:
    return values.RangedFormat(_format(row, data[:40]), _ordered(*struct.unpack("<dd", data[40:])))


def _layout(row: PropertyRow, data: bytes) -> values.ChannelLayout:
    if len(data) < 12:
        raise BadReplyError(f"{len(data)} bytes")
    tag, bitmap, count = struct.unpack("<III", data[:12])
    if len(data) < 12 + _POSITION.size * count:
        raise BadReplyError(f"{len(data)} bytes for {count} channels")
    found = []
    for label, flags, *where in _POSITION.iter_unpack(data[12 : 12 + _POSITION.size * count]):
        _finite(*where)
        found.append(values.ChannelPosition(label, flags, (where[0], where[1], where[2])))
    return values.ChannelLayout(tag, bitmap, tuple(found))


def _buffers(row: PropertyRow, data: bytes) -> tuple[values.Buffer, ...]:
    if len(data) < 4:
        raise BadReplyError(f"{len(data)} bytes")
    count = int.from_bytes(data[:4], "little")
    if count and len(data) < 8 + 16 * count:
        raise BadReplyError(f"{len(data)} bytes for {count} buffers")
    found = (struct.unpack_from("<II", data, 8 + 16 * at) for at in range(count))
    return tuple(values.Buffer(channels, size) for channels, size in found)


def _c_string(row: PropertyRow, data: bytes) -> str:
    return data.split(b"\0", 1)[0].decode("utf-8", "replace")


def _bytes(row: PropertyRow, data: bytes) -> bytes:
    return data


_DECODERS: dict[str, Callable[[PropertyRow, bytes], Any]] = {
    "u32": _u32,
    "u32[2]": _pair,
    "f32": _f32,
    "f64": _f64,
    "pid": _signed,
    "status": _signed,
    "id": _unsigned,
    "class": _class,
    "range": _range,
    "format": _format,
    "ranged_format": _ranged_format,
    "channel_layout": _layout,
    "buffer_list": _buffers,
    "stream_usage": _bytes,
    "address": _bytes,
    "c_string": _c_string,
    "workgroup": _unsigned,
    "run_loop": _unsigned,
    "tap_description": _unsigned,
}
# For each type: whether it is a list, and the bytes and the decoder of an item.
_PLANS = {
    kind: (kind.endswith("[]"), size, _DECODERS[kind.removesuffix("[]")])
    for kind, size in ITEM_BYTES.items()
}


# ---- encoding ----


def encode(row: PropertyRow, value: Any) -> bytes:
    """The bytes of a value.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        The property cannot have this value.
    """
    encoder = _ENCODERS.get(row.type.removesuffix("[]"))
    if encoder is None:
        raise ArgumentTypeError(
            f"{row.name} ({row.type}) cannot be set from a Python value; voicecoil.raw has the "
            "functions and structures of CoreAudio"
        )
    try:
        if row.type.endswith("[]"):
            single = isinstance(value, str | int)
            return b"".join(encoder(row, one) for one in ([value] if single else value))
        return encoder(row, value)
    except ArgumentError:
        raise
    except (TypeError, AttributeError) as error:
        raise ArgumentTypeError(f"{row.name}={shown(value)}; possible {possible(row)}") from error
    except (ValueError, OverflowError, struct.error) as error:
        raise ArgumentError(f"{row.name}={shown(value)}; possible {possible(row)}") from error


def possible(row: PropertyRow) -> str:
    """The values that a property can have, in words for messages: "are ..." or "is ..."."""
    kind = row.type.removesuffix("[]")
    if row.meaning == "flag":
        words = "are True and False"
    elif row.meaning == "code":
        words = "are four characters, such as 'ispk', or their number"
    elif row.meaning not in (None, "level"):
        words = "are " + ", ".join(map(repr, map(str, getattr(enumerations, row.meaning))))
    elif kind in ("f32", "f64"):
        words = "is a finite number"
    else:
        words = f"is {_WORDS.get(kind, 'a whole number from 0 to 4294967295')}"
    if (row.unit and not row.in_out and row.meaning is None) or row.meaning == "level":
        words += f", {row.unit}"
    return words if kind == row.type else f"{words}, or a list of such values"


_WORDS = {
    "u32[2]": "a pair of whole numbers from 0",
    "pid": "the number of a process",
    "id": "an object of voicecoil.hal or its number",
    "class": "four characters",
    "format": "a hal.StreamFormat",
    "channel_layout": "a hal.ChannelLayout",
}


def _to_u32(row: PropertyRow, value: Any) -> bytes:
    if row.meaning == "flag":
        if value not in (0, 1):
            raise ArgumentError(f"{row.name}={shown(value)}; possible are True and False")
        return int(value).to_bytes(4, "little")
    if row.meaning not in (None, "code") and isinstance(value, str):
        kind = getattr(enumerations, row.meaning)
        known = kind.__members__.get(value.upper().replace(" ", "_"))
        value = code_of(value) if known is None else known
    elif row.meaning == "code":
        value = code_of(value)
    return operator.index(value).to_bytes(4, "little")


def _to_float(layout: str) -> Callable[[PropertyRow, Any], bytes]:
    def pack(row: PropertyRow, value: Any) -> bytes:
        number = float(value)
        if not math.isfinite(number):
            raise ValueError("the number must be finite")
        return struct.pack(layout, number)

    return pack


def _to_pid(row: PropertyRow, value: Any) -> bytes:
    return int(value).to_bytes(4, "little", signed=True)


def _to_id(row: PropertyRow, value: Any) -> bytes:
    return int(value).to_bytes(4, "little")


def _to_class(row: PropertyRow, value: Any) -> bytes:
    return code_of(value).to_bytes(4, "little")


def _to_pair(row: PropertyRow, value: Any) -> bytes:
    first, second = value
    return struct.pack("<II", first, second)


def _to_format(row: PropertyRow, value: values.StreamFormat) -> bytes:
    return _FORMAT.pack(
        value.samplerate,
        code_of(value.format_id),
        int(value.flags),
        value.bytes_per_packet,
        value.frames_per_packet,
        value.bytes_per_frame,
        value.channels,
        value.bits,
        0,
    )


def _to_layout(row: PropertyRow, value: values.ChannelLayout) -> bytes:
    head = struct.pack("<III", value.tag, value.bitmap, len(value.channels))
    return head + b"".join(
        _POSITION.pack(one.label, one.flags, *one.coordinates) for one in value.channels
    )


_ENCODERS: dict[str, Callable[[PropertyRow, Any], bytes]] = {
    "u32": _to_u32,
    "u32[2]": _to_pair,
    "f32": _to_float("<f"),
    "f64": _to_float("<d"),
    "pid": _to_pid,
    "id": _to_id,
    "class": _to_class,
    "format": _to_format,
    "channel_layout": _to_layout,
}
