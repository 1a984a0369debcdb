"""The command ``voicecoil devices``."""

from __future__ import annotations

from dataclasses import asdict

from rich.table import Table
from rich.text import Text

import voicecoil as vc
from voicecoil.cli.app import (
    DriverName,
    Json,
    command,
    print_json,
    print_whole,
    say,
    say_if_virtual,
    warn,
)
from voicecoil.drivers.choose import driver_names, get_driver, real_driver_names, why_silent
from voicecoil.drivers.protocol import Device, Driver
from voicecoil.errors import DriverError
from voicecoil.printable import printable

__all__ = ["devices"]


@command("""
    voicecoil devices
    voicecoil devices --driver all
    voicecoil devices --json
""")
def devices(*, driver: DriverName = None, json: Json = False) -> None:
    """List the audio devices and the default ones.

    With --driver all, the devices of every driver of this platform are listed.
    """
    everything = driver == "all"
    listed = _all_devices() if everything else vc.devices(driver)
    if json:
        print_json([asdict(device) for device in listed])
        return
    if not everything:
        say_if_virtual(driver)
    if not listed:
        found = get_driver(driver)
        say(
            f"The driver {found.name!r} has no devices{_why(found)}. "
            f"Drivers: {', '.join(driver_names())}."
        )
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("NAME", overflow="fold")
    for heading in ("IN", "OUT", "HZ"):
        table.add_column(heading, justify="right", no_wrap=True)
    if everything:
        table.add_column("DRIVER", no_wrap=True)
    table.add_column("DEFAULT FOR", no_wrap=True)
    table.add_column("UID", overflow="fold", style="dim")
    for device in listed:
        ways = [
            way
            for way, default in (
                ("input", device.is_default_input),
                ("output", device.is_default_output),
            )
            if default
        ]
        table.add_row(
            Text(printable(device.name), style="bold" if ways else ""),
            str(device.input_channels or "-"),
            str(device.output_channels or "-"),
            f"{device.samplerate:g}",
            *([Text(printable(device.driver))] if everything else []),
            ", ".join(ways) or "-",
            Text(printable(device.uid)),
        )
    print_whole(table)


def _all_devices() -> list[Device]:
    listed = []
    for name in real_driver_names():
        try:
            driver = get_driver(name)
            devices = driver.devices()
        except DriverError as error:
            _say_of(name, str(error))
            continue
        listed += devices
        if not devices:
            _say_of(name, f"no devices{_why(driver)}")
    return listed


def _say_of(name: str, what: str) -> None:
    warn(f"{name}: {what}", "dim")


def _why(driver: Driver) -> str:
    """Return in parentheses why a driver has no devices; empty if no reason is known."""
    reason = why_silent(driver)
    return f" ({reason})" if reason else ""
