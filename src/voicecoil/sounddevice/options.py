"""What this package does beyond python-sounddevice, if the program asks for it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal

from voicecoil.arguments import shown
from voicecoil.errors import ArgumentError

if TYPE_CHECKING:
    from voicecoil.drivers.protocol import Driver

__all__ = ["LOST_VARIABLE", "Options", "options"]

LOST_VARIABLE = "VOICECOIL_ON_DEVICE_LOST"  # environment variable: the first `on_device_lost`

_POSSIBLE: dict[str, tuple[object, ...]] = {
    "on_device_lost": ("stop", "wait", "default"),
    "overlapping_play": (False, True),
    "raise_callback_errors": (False, True),
}


class Options:
    """Options of `voicecoil.sounddevice`, for the streams that are opened from now on.

    Attributes
    ----------
    driver : str, Driver or None
        The audio system that devices are listed of, as for `voicecoil.devices`. A change gives all
        devices new indices.
    on_device_lost : {"stop", "wait", "default"}
        What a stream does when its device is removed, as for `voicecoil.OutputStream`.
    overlapping_play : bool
        True: `play` does not end the sound that is playing. False, as in python-sounddevice: it
        does.
    raise_callback_errors : bool
        True: an exception that ended a callback is printed, and also raised by `stop`, `abort` or
        `close`. False, as in python-sounddevice: it is only printed.
    """

    driver: str | Driver | None
    on_device_lost: Literal["stop", "wait", "default"]
    overlapping_play: bool
    raise_callback_errors: bool

    def __init__(self) -> None:
        self.driver = None
        lost = os.environ.get(LOST_VARIABLE) or "stop"
        if lost not in (possible := _POSSIBLE["on_device_lost"]):
            raise ArgumentError(
                f"the environment variable {LOST_VARIABLE}={shown(lost)}; possible are "
                f"{', '.join(map(repr, possible))}"
            )
        self.on_device_lost = lost  # type: ignore[assignment]
        self.overlapping_play = False
        self.raise_callback_errors = True

    def __setattr__(self, name: str, value: object) -> None:
        if name not in ("driver", *_POSSIBLE):
            raise AttributeError(
                f"there is no option {shown(name)}; there are driver, {', '.join(_POSSIBLE)}"
            )
        if name != "driver" and value not in _POSSIBLE[name]:
            raise ValueError(
                f"{name}={shown(value)}; possible are {', '.join(map(repr, _POSSIBLE[name]))}"
            )
        super().__setattr__(name, value)


options = Options()
