"""What PulseAudio tells about a device beyond its channels and rate.

miniaudio asks for each device when it lists them, and drops these facts. So they are read from the
answers on their way to miniaudio, and cost no further call. PipeWire's server for PulseAudio gives
the same answers.
"""

from __future__ import annotations

import ctypes
from typing import Any

__all__ = ["clear", "facts_of", "note"]

_HARDWARE, _NETWORK = 0x0004, 0x0010  # PA_SINK_HARDWARE and PA_SOURCE_HARDWARE, ..._NETWORK
_TRANSPORTS = {"firewire": "fire wire"}  # other names are those of `Device.transport`


class _SampleSpec(ctypes.Structure):
    _fields_ = (("format", ctypes.c_int), ("rate", ctypes.c_uint32), ("channels", ctypes.c_uint8))


class _ChannelMap(ctypes.Structure):
    _fields_ = (("channels", ctypes.c_uint8), ("map", ctypes.c_int * 32))


class _Volume(ctypes.Structure):
    _fields_ = (("channels", ctypes.c_uint8), ("values", ctypes.c_uint32 * 32))


class Info(ctypes.Structure):
    """The beginning of pa_sink_info, which is the same as that of pa_source_info."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("index", ctypes.c_uint32),
        ("description", ctypes.c_char_p),
        ("sample_spec", _SampleSpec),
        ("channel_map", _ChannelMap),
        ("owner_module", ctypes.c_uint32),
        ("volume", _Volume),
        ("mute", ctypes.c_int),
        ("monitor", ctypes.c_uint32),
        ("monitor_name", ctypes.c_char_p),
        ("latency", ctypes.c_uint64),
        ("driver", ctypes.c_char_p),
        ("flags", ctypes.c_int),
        ("proplist", ctypes.c_void_p),
    )


_noted: dict[str, dict[str, Any]] = {}  # facts by the name of a sink or source


def clear() -> None:
    """Forgets all devices. Called before they are listed."""
    _noted.clear()


def note(address: int) -> None:
    """Keeps the facts of an answer, a pa_sink_info or pa_source_info."""
    try:
        library = ctypes.CDLL("libpulse.so.0")
        gets = library.pa_proplist_gets
    except (OSError, AttributeError):
        return
    gets.restype, gets.argtypes = ctypes.c_char_p, (ctypes.c_void_p, ctypes.c_char_p)
    info = Info.from_address(address)
    if not info.name or not info.proplist:
        return

    def text(*keys: bytes) -> str | None:
        found = (gets(info.proplist, key) for key in keys)
        first: bytes | None = next((one for one in found if one), None)
        return first.decode("utf-8", "replace") if first else None

    _noted[info.name.decode("utf-8", "replace")] = {
        "transport": _transport(
            text(b"device.bus"), text(b"device.form_factor") == "internal", info.flags
        ),
        "manufacturer": text(b"device.vendor.name"),
        "model": text(b"device.product.name", b"alsa.card_name"),
    }


def _transport(bus: str | None, is_internal: bool, flags: int) -> str | None:
    if is_internal:
        return "built in"
    if bus is not None:
        return _TRANSPORTS.get(bus, bus)
    return None if flags & (_HARDWARE | _NETWORK) else "virtual"


def facts_of(names: list[str]) -> dict[str, Any]:
    """The fields of `Device` that the devices of these names have in common.

    Parameters
    ----------
    names : list of str
        A sink, a source, or both.
    """
    known = [_noted.get(name, {}) for name in names]
    if not known:
        return {}
    first = known[0]
    return {key: first[key] for key in first if all(one.get(key) == first[key] for one in known)}
