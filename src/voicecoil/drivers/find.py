"""Lists devices, and finds the device that has a given name or uid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from voicecoil.arguments import shown
from voicecoil.drivers.choose import get_driver, why_silent
from voicecoil.drivers.protocol import Device, Direction, Driver, devices_html
from voicecoil.drivers.system_audio import (
    SystemAudio,
    SystemAudioDevice,
    SystemAudioDriver,
    refused,
    system_rate,
)
from voicecoil.drivers.two_devices import DevicePair, DeviceRequest, pair_of, same_devices
from voicecoil.errors import ArgumentError, ArgumentTypeError, DeviceNotFoundError
from voicecoil.wording import with_article

__all__ = ["default_device", "devices", "find_device"]


class _DeviceList(list[Device]):
    """A list of devices that notebooks show as a table."""

    def _repr_html_(self) -> str:
        return devices_html(self)


def devices(driver: str | Driver | None = None) -> list[Device]:
    """Return the devices that exist now.

    Parameters
    ----------
    driver : str, Driver or None
        The driver that lists them; None: the driver that streams use by default.

    Returns
    -------
    list of Device
        A snapshot of each device, in the order of the audio system. Notebooks show it as a table.
    """
    return _DeviceList(get_driver(driver).devices())


def default_device(direction: Direction, driver: str | Driver | None = None) -> Device:
    """Return the device that a stream uses if the program names no device.

    Parameters
    ----------
    direction : {"input", "output"}
        The direction of the stream.
    driver : str, Driver or None
        The driver that lists the devices; None: the driver that streams use by default.

    Returns
    -------
    Device
        A snapshot of the device.

    Raises
    ------
    DeviceNotFoundError
        There is no default device.
    """
    if direction not in ("input", "output"):
        raise ArgumentError(f'direction={shown(direction)}; possible are "input" and "output"')
    return find_device(None, (direction,), get_driver(driver))


def _describe(candidates: list[Device]) -> str:
    return "; ".join(
        f"{d.name!r} (uid {d.uid!r}, {d.input_channels} in, {d.output_channels} out)"
        for d in candidates
    )


def _why(driver: Driver, listed: list[Device]) -> str:
    """Return the end of an error message: the devices that a driver has, or why it has none."""
    if listed:
        return f"; there are: {_describe(listed)}"
    reason = why_silent(driver)
    return f" ({reason})" if reason else ""


def _two_devices(listed: list[Device], directions: tuple[Direction, ...]) -> str:
    """Return advice for an error message if input and output are two devices, as on a MacBook."""
    ways = {way for way in ("input", "output") if any(d.channels(way) for d in listed)}
    if len(directions) < 2 or len(ways) < 2:
        return ""
    return (
        '. A Stream is on one device with both, or on two: give device=("the input", "the output")'
    )


def find_device(
    device: DeviceRequest,
    directions: tuple[Direction, ...],
    driver: Driver,
) -> Device:
    """Return the only device that matches `device` and has all of `directions`.

    A string is compared with each uid and name. If none is equal, it is searched for in the names,
    then in the uids, regardless of case. A uid has no precedence over a name. Otherwise a new
    device whose uid is the name of another device would silently replace that device.
    """
    listed = driver.devices()
    if isinstance(device, SystemAudioDevice):
        device = device.request
    if isinstance(device, tuple | list) and len(directions) == 2:
        device = _with_output(device)
    if isinstance(device, SystemAudio):
        return _find_system_audio(device, listed, directions, driver)
    if isinstance(device, (tuple, list)) and len(directions) == 2:
        return _find_pair(device, listed, driver)
    return _find_one(device, listed, directions, driver)


def _find_one(
    device: DeviceRequest, listed: list[Device], directions: tuple[Direction, ...], driver: Driver
) -> Device:
    """Return the only listed device that matches `device`. A tuple is an error here."""
    usable = [d for d in listed if all(d.channels(way) for way in directions)]
    if device is None:
        return _find_default(listed, usable, directions, driver)
    if isinstance(device, Device):
        matches = same_devices(device, listed if isinstance(device, DevicePair) else usable)
        asked = f"{device.name!r} (uid {device.uid!r})"
    elif isinstance(device, str):
        matches = _find_text(device, listed, usable, directions)
        asked = repr(device)
    else:
        raise ArgumentTypeError(
            f"device={shown(device)} is {with_article(type(device).__name__)}; give a name, "
            "a part of one, a uid, a Device from voicecoil.devices(), or None for the default"
            + (
                "; a pair (input, output) is for a Stream, and this is a stream of one direction; "
                "for two streams open an InputStream and an OutputStream"
                if isinstance(device, tuple | list)
                else ""
            )
        )
    if not matches:
        wanted = f" with {' and '.join(directions)}" if directions else ""
        candidates = _describe(usable) or "none"
        raise DeviceNotFoundError(
            f"no device of the driver {driver.name!r}{wanted} is called {asked}; "
            f"there are: {candidates}" + ("" if usable else _why(driver, listed))
        )
    if len(matches) > 1:
        said, advice = _ambiguity(device, matches)
        raise DeviceNotFoundError(
            f"{len(matches)} devices {said} {asked}; {advice}: {_describe(matches)}"
        )
    return matches[0]


def _find_pair(
    devices: Sequence[str | Device | SystemAudio | None], listed: list[Device], driver: Driver
) -> Device:
    """Return the device pair (input, output), or the device if both are the same."""
    if len(devices) != 2:
        raise ArgumentError(
            f"device={shown(devices)} has {len(devices)} elements; give the pair (input, output)"
        )
    return pair_of(
        _find_one(devices[0], listed, ("input",), driver),
        _find_one(devices[1], listed, ("output",), driver),
    )


def _with_output(pair: Sequence[Any]) -> Any:
    """Return the pair, or for a pair (SystemAudio, output) a SystemAudio with this output."""
    if len(pair) != 2 or not isinstance(pair[0], SystemAudio):
        return pair
    return replace(pair[0], with_output=True if pair[1] is None else pair[1])


def _find_system_audio(
    request: SystemAudio, listed: list[Device], directions: tuple[Direction, ...], driver: Driver
) -> Device:
    """Return the sound of programs and the devices that the stream uses beside it."""
    if not isinstance(driver, SystemAudioDriver):
        raise refused(driver, listed)
    if "input" not in directions:
        raise ArgumentError(
            f"device={shown(request)} is an input; an OutputStream plays to an output device, and "
            "a Stream records the sound of programs and plays"
        )
    driver.check_system_audio()

    def beside(wanted: str | Device | bool | None, direction: Direction) -> Device | None:
        if wanted is None or wanted is False:
            return None
        chosen = None if wanted is True else wanted
        return _find_one(chosen, listed, (direction,), driver)

    plays = "output" in directions
    output = request.with_output if request.with_output is not None or not plays else True
    first, second = beside(request.with_input, "input"), beside(output, "output")
    clock = second or first
    rate_hz = clock.samplerate if clock is not None else system_rate(listed)
    return SystemAudioDevice.of(request, driver.name, first, second, rate_hz)


def _default_pair(listed: list[Device]) -> Device | None:
    """Return the pair of the default input and the default output; None if one is missing."""
    first = next((d for d in listed if d.is_default_input and d.input_channels), None)
    second = next((d for d in listed if d.is_default_output and d.output_channels), None)
    return pair_of(first, second) if first is not None and second is not None else None


def _find_default(
    listed: list[Device], usable: list[Device], directions: tuple[Direction, ...], driver: Driver
) -> Device:
    """Return the default device.

    If it lacks one of two directions, this is the pair of the default input and the default output.
    If one of these is missing as well, it is the first usable device.
    """
    wanted = " and ".join(directions)
    # `driver.default` would return the same device, but would list all devices again.
    flag = f"is_default_{directions[0]}"
    default = next((d for d in listed if getattr(d, flag)), None)
    if default is not None and default in usable:
        return default
    pair = _default_pair(listed) if len(directions) == 2 else None
    if pair is not None:
        return pair
    if not usable:
        raise DeviceNotFoundError(
            f"the driver {driver.name!r} has no device with {wanted}{_why(driver, listed)}"
            + _two_devices(listed, directions)
        )
    if default is None:
        raise DeviceNotFoundError(
            f"the driver {driver.name!r} has no default device with {wanted}; "
            f"name one of: {_describe(usable)}"
        )
    return usable[0]


def _find_text(
    device: str, listed: list[Device], usable: list[Device], directions: tuple[Direction, ...]
) -> list[Device]:
    """Return the usable devices whose name or uid is `device`, or contains it if none is equal.

    Raises
    ------
    DeviceNotFoundError
        Only devices without all of `directions` match.
    """
    text = device.casefold()
    tests: tuple[Callable[[Device], bool], ...] = (
        lambda d: device in (d.uid, d.name),
        lambda d: bool(text) and text in d.name.casefold(),
        lambda d: bool(text) and text in d.uid.casefold(),
    )
    found = [[d for d in listed if test(d)] for test in tests]
    matches = next((m for ds in found if (m := [d for d in ds if d in usable])), [])
    other = next((d for ds in found for d in ds), None)
    if not matches and other is not None:
        wanted = " and ".join(directions)
        raise DeviceNotFoundError(
            f"{other.name!r} has {other.input_channels} input and {other.output_channels} output "
            f"channels, and {wanted} is needed; "
            f"there are: {_describe(usable) or 'none with ' + wanted}"
            + _two_devices([] if usable else listed, directions)
        )
    return matches


def _ambiguity(device: str | Device, matches: list[Device]) -> tuple[str, str]:
    """Return two parts of an error message: how several devices match `device`, and advice."""
    if isinstance(device, str) and any(d.uid == device for d in matches):
        return (
            "have the name or the uid",
            "give a Device of voicecoil.devices(), or what only one is called",
        )
    contains = isinstance(device, str) and matches[0].name != device
    return "contain" if contains else "are called", "give the uid of one of"
