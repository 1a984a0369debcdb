"""Settings of a device that may change under a stream without ending it.

All functions run on the call thread.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

from voicecoil.drivers.coreaudio.hal import INPUT, Hal

__all__ = ["SETTINGS", "Settings", "read_settings"]

SETTINGS = ("fsiz", "ssrc", "ltnc", "saft", "oink")
NOBODY = 0xFFFFFFFF  # the owner of a device that is not in hog mode

# Data sources that Apple's drivers have.
_SOURCES = {
    "ispk": "internal speakers",
    "espk": "external speakers",
    "hdpn": "headphones",
    "imic": "internal microphone",
    "emic": "external microphone",
    "line": "line",
    "spdf": "digital",
}


@dataclass(frozen=True)
class Settings:
    """The settings at one time.

    Attributes
    ----------
    buffer_frames : int
        Frames of each IO cycle of this process.
    sources : dict
        The data sources of each scope that the stream uses, as four characters.
    other_owner : int or None
        Another process that has the device in hog mode. Meanwhile it may be silent for all others.
    """

    buffer_frames: int
    sources: dict[int, tuple[str, ...]]
    other_owner: int | None

    def changes(self, now: Settings) -> list[str]:
        """Returns a sentence for each setting that is another one in `now`."""
        told = []
        if now.buffer_frames != self.buffer_frames:
            told.append(
                f"the IO cycles have {now.buffer_frames} frames instead of {self.buffer_frames}"
            )
        for scope, after in now.sources.items():
            before = self.sources.get(scope, ())
            if after != before:
                side = "input" if scope == INPUT else "output"
                told.append(
                    f"the data source of the {side} is {_named(after)} instead of {_named(before)}"
                )
        if now.other_owner != self.other_owner:
            told.append(
                "no other program uses it exclusively any more"
                if now.other_owner is None
                else f"the process {now.other_owner} uses it exclusively (hog mode), and other "
                "programs may be silent until it ends"
            )
        return told


def _named(sources: tuple[str, ...]) -> str:
    return ", ".join(_SOURCES.get(code, repr(code)) for code in sources) or "none"


def read_settings(hal: Hal, device: int, scopes: Iterable[int]) -> Settings:
    """Reads the settings of a device for the scopes that a stream uses."""
    return Settings(
        hal.u32_or(device, "fsiz", 0),
        {scope: _sources(hal, device, scope) for scope in scopes},
        _other_owner(hal, device),
    )


def _other_owner(hal: Hal, device: int) -> int | None:
    owner = hal.u32_or(device, "oink", NOBODY)
    return owner if owner not in (NOBODY, os.getpid()) else None


def _sources(hal: Hal, device: int, scope: int) -> tuple[str, ...]:
    if not hal.has(device, "ssrc", scope):
        return ()
    return tuple(
        code.to_bytes(4, "big").decode("latin-1") for code in hal.ids(device, "ssrc", scope)
    )
