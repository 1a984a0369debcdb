"""The sound of other programs as an input: what to record, and the device that a driver makes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, cast, get_args, runtime_checkable

from voicecoil.arguments import shown
from voicecoil.drivers.protocol import Device, Driver
from voicecoil.errors import ArgumentError, ArgumentTypeError, SystemAudioError

__all__ = ["SystemAudio", "SystemAudioDevice", "SystemAudioDriver", "refused", "system_rate"]

Mute = Literal["never", "always", "while recording"]
FALLBACK_RATE_HZ = 48_000.0


@dataclass(frozen=True)
class SystemAudio:
    """The sound that programs play, as an input device. macOS 14.2 or later.

    Use it as the `device` of an `InputStream`, a `Stream` or `record`.

    Parameters
    ----------
    application : str or sequence of str, optional
        The bundle IDs of the programs, such as ``"com.spotify.client"``. Helper processes belong to
        a program if their bundle IDs begin with that of the program and a dot, even if they start
        later. None: all programs.
    exclude : str or sequence of str
        The bundle IDs of programs that are left out. Only without `application`.
    include_self : bool
        Whether the sound of this program is recorded if all programs are.
    mute : {"never", "always", "while recording"}
        Whether the programs stay audible. "always" mutes them while the stream is open, and "while
        recording" while it runs.
    mono : bool
        One channel, which has left and right mixed, in place of two.
    with_input : str, Device or bool, optional
        An input device, such as the microphone, whose channels come before those of the programs in
        the same blocks, on one time line. True: the default input.
    with_output : str, Device or bool, optional
        The output device of a `Stream`, on the same time line. True or None: the default output.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        An argument is not possible.

    Examples
    --------
    >>> import voicecoil as vc
    >>> everything = vc.SystemAudio()
    >>> browser = vc.SystemAudio("org.mozilla.firefox", with_input=True)
    """

    application: str | Sequence[str] | None = None
    exclude: str | Sequence[str] = ()
    include_self: bool = False
    mute: Mute = "never"
    mono: bool = False
    with_input: str | Device | bool | None = None
    with_output: str | Device | bool | None = None

    def __post_init__(self) -> None:
        for name in ("application", "exclude"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, _bundles(name, value))
        if self.application is not None and self.exclude:
            raise ArgumentError(
                f"exclude={shown(self.exclude)} is for the sound of all programs, and "
                f"application={shown(self.application)} names those that are recorded; give one"
            )
        if self.application == ():
            raise ArgumentError("application=() names no program; None records all programs")
        if self.mute not in get_args(Mute):
            raise ArgumentError(
                f'mute={shown(self.mute)}; possible are "never", "always" and "while recording"'
            )

    @property
    def bundles(self) -> tuple[str, ...]:
        """The bundle IDs that are recorded, or those that are left out."""
        return tuple(self.application or self.exclude)

    @property
    def channels(self) -> int:
        """The number of channels of the programs' sound."""
        return 1 if self.mono else 2

    @property
    def name(self) -> str:
        """The name that is shown to users."""
        if self.application is not None:
            return "sound of " + ", ".join(self.application)
        return "system audio" + (" without " + ", ".join(self.exclude) if self.exclude else "")


def _bundles(name: str, value: object) -> tuple[str, ...]:
    found: tuple[object, ...] = (value,)
    if not isinstance(value, str) and isinstance(value, Iterable):
        found = tuple(value)
    for one in found:
        if not isinstance(one, str):
            raise ArgumentTypeError(
                f"{name}={shown(value)}; give bundle IDs, such as 'com.apple.Music', and no "
                "process numbers, which change with each start of the program"
            )
        if not one or "." not in one:
            raise ArgumentError(
                f"{name}={shown(value)}; {one!r} is no bundle ID, such as 'com.apple.Music' "
                "(osascript -e 'id of app \"Music\"' prints that of a program)"
            )
    return cast("tuple[str, ...]", found)


@dataclass(frozen=True, kw_only=True)
class SystemAudioDevice(Device):
    """The sound of programs, and the devices that a stream uses beside it, as one device.

    Attributes
    ----------
    request : SystemAudio
    input, output : Device or None
        The devices beside it. The channels of `input` come first.
    """

    request: SystemAudio
    input: Device | None
    output: Device | None

    @classmethod
    def of(
        cls,
        request: SystemAudio,
        driver: str,
        first: Device | None,
        second: Device | None,
        rate_hz: float,
    ) -> SystemAudioDevice:
        """Returns the device for a request and the devices beside it."""
        beside = [one.name for one in (first, second) if one is not None]
        uids = [one.uid if one is not None else "" for one in (first, second)]
        return cls(
            name=" + ".join([request.name, *dict.fromkeys(beside)]),
            uid="system-audio:" + "|".join([",".join(request.bundles), *uids]),
            driver=driver,
            input_channels=(first.input_channels if first else 0) + request.channels,
            output_channels=second.output_channels if second else 0,
            samplerate=rate_hz,
            stereo_channels=second.stereo_channels if second else (0, 1),
            request=request,
            input=first,
            output=second,
        )

    @property
    def clock(self) -> Device | None:
        """The device that clocks the stream; None: that on which the programs play."""
        return self.output or self.input


@runtime_checkable
class SystemAudioDriver(Protocol):
    """A driver that can record the sound of other programs."""

    def check_system_audio(self) -> None:
        """Raises `SystemAudioError` if this system cannot do it."""


def refused(driver: Driver, listed: Sequence[Device]) -> SystemAudioError:
    """Returns the error for a driver that cannot record the sound of other programs."""
    said = f"the driver {driver.name!r} has no SystemAudio, which needs macOS 14.2 or later"
    monitors = [one.name for one in listed if "monitor" in f"{one.name} {one.uid}".casefold()]
    system = driver.name.partition(":")[2] or driver.name
    if monitors:
        return SystemAudioError(
            f"{said}; an output's sound is recorded here with its monitor: device={monitors[0]!r}"
        )
    if system == "wasapi":
        return SystemAudioError(
            f"{said}; here a loopback device has the sound of all programs, such as 'Stereo Mix' "
            "or a virtual cable"
        )
    if system == "jack":
        return SystemAudioError(f"{said}; here connect the ports of the program to the stream's")
    return SystemAudioError(
        f"{said}; PulseAudio and PipeWire have a monitor source of each output, which "
        "voicecoil.devices() lists as 'Monitor of ...'"
    )


def system_rate(listed: Sequence[Device]) -> float:
    """Returns the rate of the default output, on which programs play, Hz."""
    return next((one.samplerate for one in listed if one.is_default_output), FALLBACK_RATE_HZ)
