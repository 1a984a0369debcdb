"""The choice among the drivers.

On macOS it is CoreAudio. Elsewhere it is miniaudio where any sound system has a device, and the
virtual device where none has: then one line says so, and why. The choice is made once.
"""

from __future__ import annotations

import os
import sys
import threading
from importlib import import_module

from voicecoil.drivers.protocol import Driver
from voicecoil.errors import ArgumentError, ArgumentTypeError, DriverError
from voicecoil.lifetime.uninterrupted import uninterrupted
from voicecoil.printable import printable

__all__ = ["driver_names", "get_driver", "real_driver_names", "why_silent", "why_virtual"]

# name -> (module, class). A driver is imported when it is first wanted.
_DRIVERS = {
    "coreaudio": ("voicecoil.drivers.coreaudio.driver", "CoreAudioDriver"),
    "coreaudio-simulated": ("voicecoil.testing.simulated_driver", "SimulatedCoreAudioDriver"),
    "miniaudio": ("voicecoil.drivers.miniaudio.driver", "MiniaudioDriver"),
    "virtual": ("voicecoil.drivers.virtual.driver", "VirtualDriver"),
}
_SIMULATED = "coreaudio-simulated"
_lock = threading.RLock()  # of all that follows; not taken on the main thread
_open: dict[str, Driver] = {}
_why_virtual: list[str] = []  # the reason, once the virtual device was chosen
_fits: list[str] = []  # the driver that was chosen, where it is a real one


def driver_names() -> list[str]:
    """The names that ``driver=`` takes; also ``miniaudio:`` with one of its sound systems."""
    return list(_DRIVERS)


def real_driver_names() -> list[str]:
    """Those that can have devices on this platform."""
    others = {_SIMULATED, "miniaudio" if sys.platform == "darwin" else "coreaudio"}
    return [name for name in _DRIVERS if name not in others]


def get_driver(driver: str | Driver | None = None, *, waits: bool = False) -> Driver:
    """The driver of that name; one object for the process.

    Parameters
    ----------
    driver : str, Driver or None
        A name; ``"miniaudio:jack"`` is miniaudio with no other sound system than that. None: the
        environment variable ``VOICECOIL_DRIVER``, else the one that fits this machine.
    waits : bool
        It is for who waits for a device: nothing stands in for a real one.

    Raises
    ------
    ArgumentError
        No driver is called that.
    """
    if driver is None:
        named = os.environ.get("VOICECOIL_DRIVER")
        driver = named or _fitting()
        if waits and not named and driver == "virtual" and "miniaudio" in _open:
            driver = "miniaudio"
    if not isinstance(driver, str):
        if not callable(getattr(driver, "open_stream", None)):
            raise ArgumentTypeError(
                f"driver={driver!r} is neither a name nor a driver; names are {', '.join(_DRIVERS)}"
            )
        return driver
    name, _, part = driver.partition(":")
    if name not in _DRIVERS or (part and name != "miniaudio"):
        raise ArgumentError(
            f"there is no driver {driver!r}; possible are {', '.join(_DRIVERS)}, or one of "
            'miniaudio\'s sound systems, as "miniaudio:jack" (from driver= or the environment '
            "variable VOICECOIL_DRIVER)"
        )
    module, kind = _DRIVERS[name]
    make = getattr(import_module(module), kind)

    def opened() -> Driver:
        with _lock:
            if driver not in _open:
                _open[driver] = make(*([part] if part else []))
            return _open[driver]

    return _open.get(driver) or uninterrupted("driver", opened)


def why_silent(driver: Driver) -> str | None:
    """Why a driver has no devices, where it says so; None: it has some, or does not say."""
    asked = getattr(driver, "why_silent", None)
    return asked() if asked is not None else None


def why_virtual() -> str | None:
    """Why the virtual device stands in for a real one, in one line; None: it does not."""
    return _why_virtual[0] if _why_virtual else None


def _fitting() -> str:
    if sys.platform == "darwin":
        return "coreaudio"
    if _why_virtual:
        return "virtual"
    if _fits:
        return _fits[0]
    return uninterrupted("driver", _look_for_one)


def _look_for_one() -> str:
    from voicecoil.drivers.miniaudio.driver import MiniaudioDriver

    with _lock:
        if _why_virtual or _fits:  # another thread has looked meanwhile
            return "virtual" if _why_virtual else _fits[0]
        try:
            if "miniaudio" not in _open:
                _open["miniaudio"] = MiniaudioDriver()
            reason = why_silent(_open["miniaudio"])
        except DriverError as error:
            reason = str(error)
        if reason is None:
            _fits.append("miniaudio")
            return "miniaudio"
        _why_virtual.append(
            f"no sound device was found ({printable(reason)}): the virtual device stands in, "
            "unheard (VOICECOIL_DRIVER=miniaudio insists on a real one)"
        )
    import logging

    logging.getLogger("voicecoil.choice").warning("voicecoil: %s", _why_virtual[0])
    return "virtual"


def _after_fork_in_child() -> None:
    """A driver's threads and native handles stay with the parent; a child gets its own."""
    global _lock
    _lock = threading.RLock()
    for chosen in (_open, _fits, _why_virtual):
        chosen.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
