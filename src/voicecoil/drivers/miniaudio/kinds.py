"""The sound systems that miniaudio speaks to, and what is to be known of each."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import Literal

__all__ = ["KINDS", "Kind", "Timeouts", "real_kinds"]


@dataclass(frozen=True)
class Timeouts:
    """How long is waited for what, s.

    Attributes
    ----------
    probe_s : float
        Until a sound system has said whether it is there, and which devices it has.
    look_s : float
        The same while a stream has stopped to run, or somebody wants to know its latency.
    open_s, start_s, stop_s : float
        A call that opens, starts or ends a device.
    cycle_s : float
        Between any two IO cycles of a device that runs.
    """

    probe_s: float = 3.0
    look_s: float = 1.0
    open_s: float = 10.0
    start_s: float = 5.0
    stop_s: float = 5.0
    cycle_s: float = 5.0


@dataclass(frozen=True)
class Kind:
    """What is to be known of a sound system.

    Attributes
    ----------
    key : str
        What uids begin with, and what follows "miniaudio:" in a driver's name.
    title : str
        As miniaudio and people call it.
    ids : {"text", "wide", "bytes", "none"}
        How its device ids read; "none": it has one device.
    own_rate : bool
        Its rate cannot be chosen.
    fixed_frames : bool
        All its cycles have the same number of frames.
    least_frames : int
        A shorter period than this it cannot keep up with.
    asynchronous : bool
        Its two directions do not wait for each other: miniaudio puts a buffer of two periods
        between them.
    connects_later : bool
        Its first cycles reach nobody: it is connected to the sound card when it runs already.
    own_threads : bool
        Its callbacks come on threads to which it gives a priority itself.
    catches_up : bool
        A late callback costs no frames: its clock waits.
    reserve_s : float
        What lies in its server beyond the buffer, about: only a callback that is later than both
        means that the device ran dry.
    survives_fork : bool
        A child of a process that used it can use it, too.
    """

    key: str
    title: str
    ids: Literal["text", "wide", "bytes", "none"] = "text"
    own_rate: bool = False
    fixed_frames: bool = False
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
        # libpulse answers a forked child's every call as if there were no server.
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
            fixed_frames=True,
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
    """The sound systems to look for here, the most likely one first; never the null one."""
    if sys.platform == "win32":
        return ["wasapi"]
    if sys.platform == "darwin":
        return ["coreaudio", "jack"]
    if sys.platform == "linux":
        return ["pulse", "jack", *(["alsa"] if has_sound_card() else [])]
    return ["pulse", "jack", "sndio", "audio4", "oss"]


def has_sound_card() -> bool:
    """Whether Linux knows one. Where it knows none, ALSA lists plugins that play nowhere."""
    try:
        return any(name.startswith("pcm") for name in os.listdir("/dev/snd"))
    except OSError:
        return False
