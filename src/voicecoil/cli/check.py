"""``voicecoil devices --check``: what each device would make of the requests of a stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, get_args

import cyclopts
from cyclopts import Parameter

import voicecoil as vc
from voicecoil.arguments import shown
from voicecoil.cli.app import Whole, show_line
from voicecoil.cli.channels import CHANNELS_HELP, Channels, check_listed
from voicecoil.drivers.choose import why_silent
from voicecoil.drivers.find import find_device
from voicecoil.drivers.protocol import Device, Direction, Driver
from voicecoil.errors import DeviceNotFoundError, VoicecoilError
from voicecoil.printable import printable
from voicecoil.sample_types import SampleType
from voicecoil.streams.settings import Setting, Settings, setting_text

__all__ = ["Asked", "Checked", "check", "print_checked"]

# These rows are always printed. The others are printed only if the request was changed.
ALWAYS = ("samplerate", "channels", "blocksize", "latency")
NOT_REPORTED = ("driver", "device")  # the heading has them


def _latency(kind: type, tokens: Sequence[cyclopts.Token]) -> str | float:
    """Convert text to "safe", "low" or a number of seconds."""
    text = tokens[0].value
    if text in ("safe", "low"):
        return text
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{shown(text)} is neither safe, low nor a number of seconds") from None


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Asked:
    """The requests that ``--check`` tries.

    Attributes
    ----------
    device : str or None
        Only this device is checked. None: all devices.
    rate, channels, blocksize, latency, dtype
        The arguments of the streams.
    """

    device: Annotated[
        str | None, Parameter(metavar="NAME", help="Check only this one: name, part of it, or uid.")
    ] = None
    rate: Annotated[float | None, Parameter(metavar="HZ", help="Check this sample rate.")] = None
    channels: Annotated[Channels, Parameter(help=f"Check channels. {CHANNELS_HELP}")] = None
    blocksize: Annotated[
        Whole | None, Parameter(metavar="FRAMES", help="Check this block size.")
    ] = None
    latency: Annotated[
        Any, Parameter(converter=_latency, metavar="LATENCY", help="Check safe, low, or seconds.")
    ] = None
    dtype: Annotated[
        SampleType | None,
        Parameter(
            metavar="TYPE",
            show_choices=False,
            help=f"Check a sample type: {', '.join(get_args(SampleType))}.",
        ),
    ] = None

    @property
    def given(self) -> list[str]:
        """The options that were given, as the user writes them."""
        return [f"--{name}" for name, value in vars(self).items() if value is not None]


@dataclass(frozen=True)
class Checked:
    """The result for one direction of one device: either its settings or an error."""

    device: Device
    direction: Direction
    settings: Settings | None
    error: Exception | None

    def as_json(self) -> dict[str, Any]:
        """Return the result for `print_json`. Channels are counted from 0, as in Python."""
        error = self.error
        rows = [] if self.settings is None else list(self.settings.values())
        return {
            "device": asdict(self.device),
            "direction": self.direction,
            "error": error and {"type": type(error).__name__, "message": str(error)},
            "settings": [asdict(row) for row in rows if row.name not in NOT_REPORTED],
        }


def check(listed: list[Device], driver_of: dict[str, Driver], asked: Asked) -> list[Checked]:
    """Open and close a stream for each direction of each device. Nothing is started.

    Raises
    ------
    DeviceNotFoundError
        There is no device `asked.device`, or no device at all.
    """
    if asked.device is not None:
        listed = _named(asked.device, driver_of)
    if not listed:
        without = "; ".join(
            f"the driver {name!r} has no devices" + (f" ({reason})" if reason else "")
            for name, reason in ((one.name, why_silent(one)) for one in driver_of.values())
        )
        raise DeviceNotFoundError(f"nothing to check: {without or 'no driver has a device'}")
    return [
        _check_one(device, driver_of[device.driver], direction, asked)
        for device in listed
        for direction in _directions(device)
    ]


def _named(name: str, driver_of: dict[str, Driver]) -> list[Device]:
    """Return the device with that name, for each driver that has one."""
    found: list[Device] = []
    errors: list[DeviceNotFoundError] = []
    for driver in {id(driver): driver for driver in driver_of.values()}.values():
        try:
            found.append(find_device(name, (), driver))
        except DeviceNotFoundError as error:
            errors.append(error)
    if not found and errors:
        raise DeviceNotFoundError("; ".join(map(str, errors)))
    return found


def _directions(device: Device) -> list[Direction]:
    ways: tuple[Direction, ...] = ("output", "input")
    return [way for way in ways if device.channels(way)]


def _check_one(device: Device, driver: Driver, direction: Direction, asked: Asked) -> Checked:
    kind = vc.OutputStream if direction == "output" else vc.InputStream
    try:
        check_listed(asked.channels, device, direction)
        stream = kind(
            lambda block: None,
            device=device,
            driver=driver,
            samplerate=asked.rate,
            channels=asked.channels,
            blocksize=asked.blocksize,
            latency="safe" if asked.latency is None else asked.latency,
            dtype=asked.dtype or "float32",
        )
    except (VoicecoilError, OSError) as error:
        return Checked(device, direction, None, error)
    try:
        return Checked(device, direction, stream.settings, None)
    finally:
        stream.close()


def print_checked(results: list[Checked]) -> None:
    """Print a line for each setting. Channels are counted from 1, as on the labels of devices."""
    for number, result in enumerate(results):
        if number:
            show_line()
        device = result.device
        where = f"  {device.driver}  {device.uid}"
        show_line((device.name, "bold"), (f", {result.direction}", ""), (where, "dim"))
        if result.settings is None:
            show_line((f"  {result.error}", "red"))
            continue
        for row in result.settings.values():
            silent = row.outcome in ("applied", "default") and row.name not in ALWAYS
            if row.name not in NOT_REPORTED and not silent:
                show_line(*_line(row))


def _line(row: Setting) -> list[tuple[str, str]]:
    """Return the parts of a line. A table has no room for the reasons in a narrow terminal."""
    requested, actual, reason = _text(row.requested), _text(row.actual), row.reason
    if row.name == "channels":
        reason = ""
        actual = _counted_from_one(row.actual)
        if isinstance(row.requested, tuple):
            requested = _counted_from_one(row.requested)
    elif row.name == "latency":
        actual = f"{row.actual:.4g} s"
    change = actual if row.requested is None else f"{requested} -> {actual}"
    style = "" if row.outcome in ("applied", "default") else "yellow"
    return [
        (f"  {row.name:<12}{change}  ", ""),
        (row.outcome, style),
        (f"  {reason}" if reason else "", "dim"),
    ]


def _text(value: object) -> str:
    return printable(value) if isinstance(value, str) else setting_text(value)


def _counted_from_one(channels: tuple[int | None, ...]) -> str:
    return ",".join("none" if channel is None else str(channel + 1) for channel in channels)
