"""The choice of the default driver.

On macOS the default is CoreAudio. Elsewhere it is miniaudio if any sound system has a device, and
otherwise the virtual driver. If the virtual driver is chosen, a warning with the reason is logged.
The choice is made once for the process.
"""

from __future__ import annotations

import os
import sys
import threading
from importlib import import_module

from voicecoil.arguments import shown
from voicecoil.drivers.protocol import Driver
from voicecoil.errors import ArgumentError, ArgumentTypeError, DriverError
from voicecoil.lifetime.uninterrupted import uninterrupted
from voicecoil.printable import printable

__all__ = ["get_driver", "offered_driver_names", "real_driver_names", "why_silent", "why_virtual"]

# name -> (module, class). A driver is imported when it is first used.
_DRIVERS = {
    "coreaudio": ("voicecoil.drivers.coreaudio.driver", "CoreAudioDriver"),
    "coreaudio-simulated": ("voicecoil.testing.simulated_driver", "SimulatedCoreAudioDriver"),
    "miniaudio": ("voicecoil.drivers.miniaudio.driver", "MiniaudioDriver"),
    "virtual": ("voicecoil.drivers.virtual.driver", "VirtualDriver"),
}
_SIMULATED = "coreaudio-simulated"
_lock = threading.RLock()  # guards the variables below; is never taken on the main thread
_open: dict[str, Driver] = {}
_why_virtual: list[str] = []  # the reason; empty until the virtual driver is chosen
_fits: list[str] = []  # the name of the real driver that was chosen; empty if none was


def offered_driver_names() -> list[str]:
    """Return the names of the drivers that help texts list.

    These are the drivers of this platform. The simulated CoreAudio is for tests of programs, and is
    one of them only if the environment asks for it.
    """
    asked = "VOICECOIL_COREAUDIO_SIMULATOR" in os.environ
    asked = asked or os.environ.get("VOICECOIL_DRIVER") == _SIMULATED
    return real_driver_names() + [_SIMULATED] * asked


def real_driver_names() -> list[str]:
    """Return the names of the drivers that can have devices on this platform."""
    others = {_SIMULATED, "miniaudio" if sys.platform == "darwin" else "coreaudio"}
    return [name for name in _DRIVERS if name not in others]


def get_driver(driver: str | Driver | None = None, *, waits: bool = False) -> Driver:
    """Return the driver with a name. There is one object for each name in the process.

    Parameters
    ----------
    driver : str, Driver or None
        A name; ``"miniaudio:jack"`` is miniaudio with only the sound system JACK. None: the driver
        that the environment variable ``VOICECOIL_DRIVER`` names, otherwise the default driver.
    waits : bool
        True if the stream can wait for a device. The virtual device then does not replace a real
        one.

    Raises
    ------
    ArgumentError
        There is no driver with that name.
    """
    origin = ""
    if driver is None:
        named = os.environ.get("VOICECOIL_DRIVER")
        origin = " (from the environment variable VOICECOIL_DRIVER)"
        driver = named or _fitting()
        if waits and not named and driver == "virtual" and "miniaudio" in _open:
            driver = "miniaudio"
    if not isinstance(driver, str):
        if not callable(getattr(driver, "open_stream", None)):
            raise ArgumentTypeError(
                f"driver={shown(driver)} is neither a name nor a driver; names are "
                + " and ".join(real_driver_names())
            )
        return driver
    name, _, part = driver.partition(":")
    if name not in _DRIVERS or (part and name != "miniaudio"):
        raise ArgumentError(
            f"there is no driver {driver!r}; possible are {' and '.join(real_driver_names())}"
            + _sound_systems(name)
            + origin
        )
    module, kind = _DRIVERS[name]
    make = getattr(import_module(module), kind)

    def opened() -> Driver:
        with _lock:
            if driver not in _open:
                _open[driver] = make(*([part] if part else []))
            return _open[driver]

    return _open.get(driver) or uninterrupted("driver", opened)


def _sound_systems(name: str) -> str:
    """Return the names of drivers with one sound system, those that are meant by `name` first."""
    if "miniaudio" not in real_driver_names():
        return ""
    from voicecoil.drivers.miniaudio.kinds import KINDS, real_kinds

    wanted = "pulse" if name.lower() == "pipewire" else name.lower()
    meant = [key for key, kind in KINDS.items() if wanted in (key, kind.title.lower())]
    names = [f'"miniaudio:{key}"' for key in meant or real_kinds()]
    return f", and one of miniaudio's sound systems, such as {' or '.join(names)}"


def why_silent(driver: Driver) -> str | None:
    """Return why a driver has no devices; None if it has some or gives no reason."""
    asked = getattr(driver, "why_silent", None)
    return asked() if asked is not None else None


def why_virtual() -> str | None:
    """Return in one line why the virtual device was chosen by default; None if it was not."""
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
        if _why_virtual or _fits:  # another thread has made the choice meanwhile
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
            f"no sound device was found ({printable(reason)}): the virtual device is used, "
            "which cannot be heard (VOICECOIL_DRIVER=miniaudio makes this an error)"
        )
    import logging

    logging.getLogger("voicecoil.choice").warning("voicecoil: %s", _why_virtual[0])
    return "virtual"


def _after_fork_in_child() -> None:
    """Forget the drivers in a forked child. Their threads and handles belong to the parent."""
    global _lock
    _lock = threading.RLock()
    for chosen in (_open, _fits, _why_virtual):
        chosen.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
