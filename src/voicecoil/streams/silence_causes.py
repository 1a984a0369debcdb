"""The causes of an input of zeros: those that can be read, and those that are possible."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from voicecoil.drivers.protocol import Device, Driver
from voicecoil.drivers.system_audio import SystemAudioDevice
from voicecoil.errors import VoicecoilError

__all__ = ["Causes", "causes_of_silence", "possible_causes"]

MUTED = "the input is muted, or another data source of the device is selected (Audio MIDI Setup)"


@dataclass
class Causes:
    """What is known about the causes.

    Attributes
    ----------
    read : list of str
        What the audio system says, such as a mute that is on.
    certain : bool
        Whether one of `read` is certainly a cause, so that no other one needs to be named.
    possible : list of str
        What cannot be read, the most frequent cause first.
    natural : bool
        Nobody makes a sound, so that zeros are right.
    """

    read: list[str] = field(default_factory=list)
    certain: bool = False
    possible: list[str] = field(default_factory=list)
    natural: bool = False


def causes_of_silence(driver: Driver, device: Device, used: Sequence[int]) -> Causes:
    """Returns the causes for the channels `used` of a device, counted from 0."""
    causes = Causes(possible=possible_causes(driver.name))
    if isinstance(device, SystemAudioDevice):
        return _of_system_audio(driver, device)
    if driver.name.startswith("coreaudio"):
        # A property that cannot be read leaves the list as it is.
        with contextlib.suppress(VoicecoilError, OSError, AttributeError):
            _read_coreaudio(driver, device, used, causes)
    return causes


def _of_system_audio(driver: Driver, device: SystemAudioDevice) -> Causes:
    """Judges the zeros of a tap by whether the recorded programs play."""
    playing: list[str] | None = None
    with contextlib.suppress(VoicecoilError, OSError, AttributeError):
        playing = driver.programs_playing(device)  # type: ignore[attr-defined]
    if playing == []:
        return Causes(natural=True)
    causes = Causes(
        possible=[
            f"{_app()} has no consent to record the sound of other programs (System Settings, "
            "Privacy & Security, Screen & System Audio Recording)",
            "the app has no NSAudioCaptureUsageDescription, so that macOS does not ask for consent",
            "the programs play silence",
        ]
    )
    if playing:
        causes.read.append(f"{', '.join(playing)} {'plays' if len(playing) == 1 else 'play'}")
    return causes


def _app() -> str:
    """The app whose consent counts: macOS asks for that of the one that started the program."""
    owner = os.environ.get("__CFBundleIdentifier")  # noqa: SIM112
    owner = owner or os.environ.get("TERM_PROGRAM")
    return "the app that runs this program" + (f" ({owner})" if owner else "")


def _read_coreaudio(driver: Driver, device: Device, used: Sequence[int], causes: Causes) -> None:
    from voicecoil import hal
    from voicecoil.hal.connection import connection_with

    system = hal.System(connection_with(driver))
    one = system.device(device.uid).input
    if _value(system, "pmin") or _value(one, "appm"):
        causes.read.append("the input of this program is muted")
    mutes = _main_or_channels(one, "mute", used)
    if mutes and all(mutes):
        causes.read.append("the input is muted (Audio MIDI Setup)")
    volumes = _main_or_channels(one, "volm", used)
    if volumes and not any(volumes):
        causes.read.append("the volume of the input is 0 (Audio MIDI Setup)")
    if causes.read:
        causes.certain = True
        return
    if _value(one, "jack") is False:
        causes.read.append("nothing is plugged into the input")
    sources: list[Any] = []
    with contextlib.suppress(VoicecoilError):
        selected, sources = one.data_source, one.data_sources
        others = [str(source) for source in sources if source.id != selected.id]
        if others:
            causes.read.append(
                f"the data source {str(selected)!r} is selected, and there is also "
                + ", ".join(map(repr, others))
            )
    if mutes or volumes or sources:  # which were read, so they need no guess
        causes.possible = [cause for cause in causes.possible if cause != MUTED]


def _main_or_channels(device: Any, text: str, used: Sequence[int]) -> list[Any]:
    """Returns the values of a control: of the whole device, or of each channel that is used."""
    main = _value(device, text)
    if main is not None:
        return [main]
    values = [_value(device.channel(channel + 1), text) for channel in used]
    return [value for value in values if value is not None] if None not in values else []


def _value(thing: Any, text: str) -> Any:
    """Returns a property, or None if the object does not have it."""
    try:
        return thing.get(text)
    except VoicecoilError:
        return None


def possible_causes(driver_name: str) -> list[str]:
    """Returns the possible causes of exact zeros on an audio system, the most frequent first."""
    system = driver_name.partition(":")[2] or driver_name
    if system.startswith("coreaudio"):
        return [
            f"{_app()} has no consent to use the microphone (System Settings, Privacy & Security, "
            "Microphone)",
            MUTED,
            "the source is silent",
        ]
    if system == "wasapi":
        return [
            "desktop apps have no consent to use the microphone (Settings, Privacy, Microphone)",
            "the input is muted or disabled (Settings, Sound)",
            "the source is silent",
        ]
    if system == "jack":
        return ["no source is connected to the ports of this stream", "the source is silent"]
    if system == "virtual":
        return ["no stream plays on the other end of the loopback"]
    return [
        "the input is muted, or another port of the device is selected (pavucontrol, alsamixer)",
        "the program runs in a sandbox without consent to record (Flatpak, Snap)",
        "the source is silent",
    ]
