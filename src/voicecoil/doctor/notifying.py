"""The threads that call property listeners, for ``voicecoil doctor --record``.

Sources disagree about the threads on which CoreAudio calls a listener. So listeners of our own note
the thread of each call while a device is started and stopped. No setting is changed for it.
"""

from __future__ import annotations

import contextlib
import ctypes
import threading
from collections.abc import Collection
from functools import cache
from typing import Any

from voicecoil import raw
from voicecoil.drivers.coreaudio.hal import GLOBAL, selector
from voicecoil.errors import DriverError

__all__ = ["Listeners", "threads_of_notifications"]

SELECTORS = ("goin", "gone", "over")  # what a start and a stop of a device may report
NAME_BYTES = 64
_kept: list[Any] = []  # CoreAudio may still call a listener that was removed


@cache
def _functions() -> tuple[Any, Any] | None:
    """Returns what tells the name of the calling thread; None if this system does not have it."""
    library = ctypes.CDLL(None)
    try:
        current, get = library.pthread_self, library.pthread_getname_np
    except AttributeError:
        return None
    current.restype = ctypes.c_void_p
    get.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
    return current, get


def _has_name() -> bool | None:
    """Whether the calling thread has a name; None if this cannot be asked for."""
    functions = _functions()
    if functions is None:
        return None
    current, get = functions
    name = ctypes.create_string_buffer(NAME_BYTES)
    return bool(name.value) if get(current(), name, NAME_BYTES) == 0 else None


class Listeners:
    """Listeners on a device. `end` removes them.

    Parameters
    ----------
    frameworks : raw.Frameworks
    device : int
        The AudioObjectID.
    """

    def __init__(self, frameworks: raw.Frameworks, device: int) -> None:
        self._frameworks = frameworks
        self._device = device
        self._caller = threading.get_native_id()
        self._heard: list[tuple[int, int, bool | None]] = []  # selector, thread, has a name
        self._function = raw.AudioObjectPropertyListenerProc(self._hear)
        _kept.append(self._function)
        _functions()  # they are not looked up on an IO thread
        self._each("AudioObjectAddPropertyListener")

    def _each(self, call: str) -> None:
        for text in SELECTORS:
            address = raw.AudioObjectPropertyAddress(selector(text), GLOBAL, 0)
            function = getattr(self._frameworks, call)
            with contextlib.suppress(DriverError):  # then it is not reported here
                function(self._device, ctypes.byref(address), self._function, None)

    def _hear(self, _device: int, count: int, addresses: Any, _data: Any) -> int:
        thread, has_name = threading.get_native_id(), _has_name()
        for place in range(count):
            self._heard.append((addresses[place].mSelector, thread, has_name))
        return 0

    def end(self) -> None:
        """Removes the listeners."""
        self._each("AudioObjectRemovePropertyListener")

    def summary(self, io_threads: Collection[int]) -> dict[str, Any]:
        """Return for each property the calls, their threads, and whether these have a name.

        Parameters
        ----------
        io_threads : collection of int
            The native IDs of the threads that have called the IOProc.
        """
        found: dict[str, Any] = {}
        for text in SELECTORS:
            heard = [one for one in self._heard if one[0] == selector(text)]
            kinds = {
                "io" if thread in io_threads else "caller" if thread == self._caller else "other"
                for _, thread, _ in heard
            }
            found[text] = {
                "calls": len(heard),
                "threads": len({thread for _, thread, _ in heard}),
                "kinds": sorted(kinds),
                "named": sum(has_name is True for _, _, has_name in heard),
            }
        return found


def threads_of_notifications(recorded: dict[str, Any]) -> dict[str, list[str]]:
    """Return the kinds of threads on which each property was reported.

    Parameters
    ----------
    recorded : dict
        What `record_answers` returned.

    Returns
    -------
    dict of str to list of str
        "io": the thread of the IOProc. "caller": the one that has started and stopped the device.
        "other": another one. A property that was not reported is left out.
    """
    found: dict[str, set[str]] = {}
    for stop in ((recorded.get("io") or {}).get("stop") or {}).values():
        told = stop.get("notifications") if isinstance(stop, dict) else None
        for text, one in (told or {}).items():
            if one["calls"]:
                found.setdefault(text, set()).update(one["kinds"])
    return {text: sorted(kinds) for text, kinds in found.items()}
