"""The sound systems that miniaudio supports, and their properties."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import Literal

__all__ = ["KINDS", "Kind", "Timeouts", "real_kinds"]


@dataclass(frozen=True)
class Timeouts:
    """Time limits of the calls of a sound system, s.

    Attributes
    ----------
    probe_s : float
        For connecting to a sound system and listing its devices.
    look_s : float
        For looking for the device of a stream that stalls, and for asking for a latency.
    open_s, start_s, stop_s : float
        For a call that opens, starts, or stops or closes a device.
    cycle_s : float
        For the time between two IO cycles of a running device.
    """

    probe_s: float = 3.0
    look_s: float = 1.0
    open_s: float = 10.0
    start_s: float = 5.0
    stop_s: float = 5.0
    cycle_s: float = 5.0


@dataclass(frozen=True)
class Kind:
    """The properties of a sound system.

    Attributes
    ----------
    key : str
        The beginning of the uids of its devices. It comes after "miniaudio:" in a driver's name.
    title : str
        The name that miniaudio and users know.
    ids : {"text", "wide", "bytes", "none"}
        The format of its device ids. "none": the sound system has a single device.
    own_rate : bool
        The rate cannot be chosen.
    fixed_period : bool
        All cycles have the same number of frames.
    least_frames : int
        The shortest period, frames, with which the sound system works reliably.
    asynchronous : bool
        The two directions do not wait for each other, so that miniaudio puts a buffer of two
        periods between them.
    connects_later : bool
        The device is connected to the sound card after it has started, so that its first cycles
        are not played.
    own_threads : bool
        The sound system itself sets the priority of the threads that call the callbacks.
    catches_up : bool
        A late callback costs no frames, because the clock waits.
    reserve_s : float
        Approximate length of the server's own buffer, s. Frames are lost only if a callback is late
        by more than the device's buffer and the server's buffer together.
    survives_fork : bool
        A forked child of a process that used the system can use it, too.
    """

    key: str
    title: str
    ids: Literal["text", "wide", "bytes", "none"] = "text"
    own_rate: bool = False
    fixed_period: bool = False
    least_frames: int = 32
    asynchronous: bool = False
    connects_later: bool = False
    own_threads: bool = False
    catches_up: bool = False
    reserve_s: float = 0.0
    survives_fork: bool = True


KINDS = {
    kind.key: kind
    for kind in (
        # In a forked child, libpulse answers each call as if there were no server.
        Kind(
            "pulse",
            "PulseAudio",
            least_frames=256,
            asynchronous=True,
            reserve_s=0.02,
            survives_fork=False,
        ),
        Kind(
            "jack",
            "JACK",
            "none",
            own_rate=True,
            fixed_period=True,
            asynchronous=True,
            connects_later=True,
            own_threads=True,
        ),
        Kind("alsa", "ALSA"),
        Kind("wasapi", "WASAPI", "wide"),
        Kind("dsound", "DirectSound", "bytes"),
        Kind("winmm", "WinMM", "bytes"),
        Kind("coreaudio", "Core Audio", asynchronous=True),
        Kind("sndio", "sndio"),
        Kind("audio4", "audio(4)"),
        Kind("oss", "OSS"),
        Kind("null", "Null", "none", catches_up=True),
    )
}


def real_kinds() -> list[str]:
    """Return the sound systems of this platform, the preferred one first, without "null"."""
    if sys.platform == "win32":
        return ["wasapi"]
    if sys.platform == "darwin":
        return ["coreaudio", "jack"]
    if sys.platform == "linux":
        return ["pulse", "jack", *(["alsa"] if has_sound_card() else [])]
    return ["pulse", "jack", "sndio", "audio4", "oss"]


def has_sound_card() -> bool:
    """Whether Linux has a sound card. Without one, ALSA lists only plugins without output."""
    try:
        return any(name.startswith("pcm") for name in os.listdir("/dev/snd"))
    except OSError:
        return False
