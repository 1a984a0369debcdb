"""The choice among the drivers."""

from __future__ import annotations

import os
import sys
from importlib import import_module

from voicecoil.drivers.driver import Driver
from voicecoil.errors import ArgumentError, ArgumentTypeError

__all__ = ["driver_names", "get_driver"]

# name -> (module, class). A driver is imported when it is first wanted.
_DRIVERS = {
    "coreaudio": ("voicecoil.drivers.coreaudio.driver", "CoreAudioDriver"),
    "coreaudio-simulated": ("voicecoil.testing.simulated_driver", "SimulatedCoreAudioDriver"),
    "virtual": ("voicecoil.drivers.virtual.driver", "VirtualDriver"),
}
_PLATFORM = "coreaudio" if sys.platform == "darwin" else "virtual"
_open: dict[str, Driver] = {}


def driver_names() -> list[str]:
    """The names that ``driver=`` takes."""
    return list(_DRIVERS)


def get_driver(driver: str | Driver | None = None) -> Driver:
    """The driver of that name; one object for the process.

    Parameters
    ----------
    driver : str, Driver or None
        None: the environment variable ``VOICECOIL_DRIVER``, else the platform's own.

    Raises
    ------
    ArgumentError
        No driver is called that.
    """
    if driver is None:
        driver = os.environ.get("VOICECOIL_DRIVER") or _PLATFORM
    if not isinstance(driver, str):
        if not callable(getattr(driver, "open_stream", None)):
            raise ArgumentTypeError(
                f"driver={driver!r} is neither a name nor a driver; names are {', '.join(_DRIVERS)}"
            )
        return driver
    if driver not in _DRIVERS:
        raise ArgumentError(
            f"there is no driver {driver!r}; possible are {', '.join(_DRIVERS)} "
            "(from driver= or the environment variable VOICECOIL_DRIVER)"
        )
    if driver not in _open:
        module, name = _DRIVERS[driver]
        _open[driver] = getattr(import_module(module), name)()
    return _open[driver]


if hasattr(os, "register_at_fork"):
    # A driver's threads and native handles stay with the parent; a child gets drivers of its own.
    os.register_at_fork(after_in_child=_open.clear)
