"""Opens the same callback in each of the homes that are measured."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from voicecoil.errors import ArgumentError
from voicecoil.limits import MAX_LEAD_S
from voicecoil.stress.loads import WORDS as LOADS

if TYPE_CHECKING:
    from voicecoil.statistics import Histogram
    from voicecoil.streams.stream import OutputStream

__all__ = ["HOMES", "chosen_homes", "chosen_loads", "open_home"]

HOMES = ("native", "isolated", "low", "safe")

Opened = tuple["OutputStream", Callable[[], "Histogram"]]


def chosen_homes(text: str | None) -> list[str]:
    """Return the homes in a list such as "low,safe,0.2"; all homes with a name if it is None.

    Raises
    ------
    ArgumentError
        A home does not exist.
    """
    names = _parts(text) or list(HOMES)
    for name in names:
        if name not in HOMES and not 0 < _seconds(name) <= MAX_LEAD_S:
            raise ArgumentError(
                f"--homes {text}: there is no home {name!r}; possible are {', '.join(HOMES)}, and "
                "a number: that many seconds ahead of the device, such as 0.2"
            )
    return names


def chosen_loads(text: str | None) -> list[str]:
    """Return the loads in a list such as "idle,json"; all loads if it is None.

    Raises
    ------
    ArgumentError
        A load does not exist.
    """
    names = _parts(text) or list(LOADS)
    for name in names:
        if name not in LOADS:
            raise ArgumentError(
                f"--loads {text}: there is no load {name!r}; possible are {', '.join(LOADS)}"
            )
    return names


def _parts(text: str | None) -> list[str]:
    return list(dict.fromkeys(part for part in (text or "").replace(",", " ").split()))


def _seconds(name: str) -> float:
    try:
        return float(name)
    except ValueError:
        return 0.0


def open_home(home: str, **where: Any) -> Opened:
    """Open a stream with its callback in `home`.

    Returns the stream and a function that returns the histogram of the callback's run times.

    Raises
    ------
    PythonVersionError
        This version of Python does not support the home.
    """
    from voicecoil.streams.stream import OutputStream
    from voicecoil.stress.silence import silence

    if home == "native":
        return _open_native(**where)
    if home == "isolated":
        stream = OutputStream(f"{silence.__module__}:silence", isolated=True, **where)
    else:
        latency: Any = _seconds(home) or home
        stream = OutputStream(silence, latency=latency, **where)
    return stream, lambda: stream.statistics().run_time


def _open_native(**where: Any) -> Opened:
    from voicecoil.callbacks.native import NativeCallback
    from voicecoil.statistics import Histogram
    from voicecoil.streams.stream import OutputStream
    from voicecoil.stress import _native

    counts = array("Q", bytes(8 * _native.BUCKETS))
    stream = OutputStream(NativeCallback(_native.silence_address(), counts), **where)
    return stream, lambda: Histogram(counts.tobytes())
