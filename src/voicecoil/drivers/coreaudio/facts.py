"""What a device tells about itself beyond its channels and rate. Runs on the call thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from voicecoil.drivers.coreaudio.hal import GLOBAL, Hal, selector
from voicecoil.drivers.coreaudio.status import DEAD, four_characters
from voicecoil.drivers.protocol import standard_rates
from voicecoil.errors import DriverError

__all__ = ["MAX_LATENCY_FRAMES", "TRANSPORTS", "facts_of"]

Result = TypeVar("Result")
MAX_LATENCY_FRAMES = 1 << 24  # a device's driver that reports more is faulty
TRANSPORTS = {
    "bltn": "built in",
    "grup": "aggregate",
    "fgrp": "auto aggregate",
    "virt": "virtual",
    "pci ": "pci",
    "usb ": "usb",
    "1394": "fire wire",
    "blue": "bluetooth",
    "blea": "bluetooth le",
    "hdmi": "hdmi",
    "dprt": "display port",
    "airp": "air play",
    "eavb": "avb",
    "thun": "thunderbolt",
    "ccap": "continuity capture",
    "ccwd": "continuity capture wired",
    "ccwl": "continuity capture wireless",
}
_NAMES = {selector(text): name for text, name in TRANSPORTS.items()}


def facts_of(hal: Hal, object_id: int, scopes: dict[str, int]) -> dict[str, Any]:
    """The fields of `Device` that a device may leave open.

    A property that is missing or has an impossible value leaves its field open. It does not hide
    the device.

    Parameters
    ----------
    hal : Hal
    object_id : int
    scopes : dict of str to int
        The directions that the device has, "input" and "output", with their scopes.
    """
    found: dict[str, Any] = {
        "transport": _or_none(hal, object_id, "tran", lambda: _transport(hal, object_id)),
        "manufacturer": _text(hal, object_id, "lmak"),
        "model": _text(hal, object_id, "lmod"),
        "samplerates": _or_none(hal, object_id, "nsr#", lambda: _rates(hal, object_id)),
    }
    for way, scope in scopes.items():
        found[f"{way}_latency_frames"] = _latency(hal, object_id, scope)
    return found


def _or_none(
    hal: Hal, object_id: int, text: str, get: Callable[[], Result], scope: int = GLOBAL
) -> Result | None:
    try:
        return get() if hal.has(object_id, text, scope) else None
    except DriverError as error:
        if error.code in DEAD:
            raise
        return None


def _text(hal: Hal, object_id: int, text: str) -> str | None:
    return hal.string_or(object_id, text, "") or None


def _transport(hal: Hal, object_id: int) -> str | None:
    code = hal.u32(object_id, "tran")
    return _NAMES.get(code, four_characters(code)) if code else None


def _rates(hal: Hal, object_id: int) -> tuple[float, ...] | None:
    return standard_rates((one.low, one.high) for one in hal.ranges(object_id, "nsr#"))


def _latency(hal: Hal, object_id: int, scope: int) -> int | None:
    def get() -> int | None:
        streams = hal.ids(object_id, "stm#", scope)
        parts = [hal.u32_or(one, "ltnc", 0) for one in streams]
        more = hal.u32_or(object_id, "saft", 0, scope)
        found = hal.u32(object_id, "ltnc", scope), more, max(parts, default=0)
        return sum(found) if max(found) <= MAX_LATENCY_FRAMES else None

    return _or_none(hal, object_id, "ltnc", get, scope)
