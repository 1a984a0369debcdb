"""The command ``voicecoil devices``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from cyclopts import Parameter
from rich.table import Table
from rich.text import Text

import voicecoil as vc
from voicecoil.cli import EXIT_FAILED
from voicecoil.cli.app import (
    DriverName,
    Json,
    command,
    out,
    print_json,
    print_whole,
    say,
    say_if_virtual,
    show_line,
    warn,
    wide,
)
from voicecoil.cli.check import Asked, print_checked
from voicecoil.cli.check import check as check_devices
from voicecoil.drivers.choose import (
    get_driver,
    offered_driver_names,
    real_driver_names,
    why_silent,
)
from voicecoil.drivers.protocol import Device, Driver
from voicecoil.errors import ArgumentError, DriverError
from voicecoil.printable import printable

__all__ = ["devices"]


@command("""
    voicecoil devices
    voicecoil devices --driver all
    voicecoil devices --check --rate 44100 --latency low
    voicecoil devices --json
""")
def devices(
    *,
    driver: DriverName = None,
    check: Annotated[
        bool,
        Parameter(
            negative="",
            show_default=False,
            help="Open each device, start nothing, and print which requests it takes.",
        ),
    ] = False,
    asked: Asked | None = None,
    json: Json = False,
) -> int:
    """List the audio devices and the default ones.

    With --driver all, the devices of every driver of this platform are listed. With --check, each
    direction of each device is opened for a moment with the requests of the other options. Exit
    code 1 means that one of them cannot be opened in this way.
    """
    asked = asked or Asked()
    if asked.given and not check:
        raise ArgumentError(f"{asked.given[0]} is a request that is checked: give --check, too")
    everything = driver == "all"
    listed = _all_devices() if everything else list(vc.devices(driver))
    if check:
        return _check(listed, driver, asked, json)
    if json:
        print_json([asdict(device) for device in listed])
        return 0
    if not everything:
        say_if_virtual(driver)
    if not listed:
        found = get_driver(driver)
        say(
            f"The driver {found.name!r} has no devices{_why(found)}. "
            f"Drivers: {', '.join(offered_driver_names())}."
        )
        return 0
    table = _table(listed, everything)
    if out.is_terminal and wide.measure(table).maximum > out.width:
        _print_stacked(listed, everything)
    else:
        print_whole(table)
    return 0


def _check(listed: list[Device], driver: str | None, asked: Asked, json: bool) -> int:
    if driver == "all":
        driver_of = {device.driver: get_driver(device.driver) for device in listed}
    else:
        found = get_driver(driver)
        driver_of = {device.driver: found for device in listed} or {found.name: found}
    results = check_devices(listed, driver_of, asked)
    if json:
        print_json([result.as_json() for result in results])
    else:
        if driver != "all":
            say_if_virtual(driver)
        print_checked(results)
    return EXIT_FAILED if any(result.error for result in results) else 0


def _table(listed: list[Device], everything: bool) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("NAME", overflow="fold")
    for heading in ("IN", "OUT", "HZ"):
        table.add_column(heading, justify="right", no_wrap=True)
    if everything:
        table.add_column("DRIVER", no_wrap=True)
    transports = _are_transports_shown(listed)
    if transports:
        table.add_column("TRANSPORT", no_wrap=True)
    table.add_column("DEFAULT FOR", no_wrap=True)
    table.add_column("UID", overflow="fold", style="dim")
    for device in listed:
        ways = _default_for(device)
        table.add_row(
            Text(printable(device.name), style="bold" if ways else ""),
            str(device.input_channels or "-"),
            str(device.output_channels or "-"),
            f"{device.samplerate:g}",
            *([Text(printable(device.driver))] if everything else []),
            *([_transport(device)] if transports else []),
            ways or "-",
            Text(printable(device.uid)),
        )
    return table


def _print_stacked(listed: list[Device], everything: bool) -> None:
    """Print three lines for each device, for a terminal in which the table does not fit.

    A uid in a narrow column would be broken into several lines, and could not be copied. A line
    that the terminal itself breaks is copied as one line.
    """
    transports = _are_transports_shown(listed)
    for device in listed:
        ways = _default_for(device)
        show_line((device.name, "bold" if ways else ""))
        facts = [
            f"{device.input_channels} in, {device.output_channels} out, {device.samplerate:g} Hz",
            *([_transport(device)] if transports else []),
            *([device.driver] if everything else []),
            *([f"default for {ways}"] if ways else []),
        ]
        show_line((f"  {', '.join(facts)}", ""))
        show_line((f"  {device.uid}", "dim"))


def _are_transports_shown(listed: list[Device]) -> bool:
    """Whether a device tells more than that it is a virtual one."""
    return any(device.transport not in (None, "virtual") for device in listed)


def _transport(device: Device) -> str:
    return printable(device.transport or "-")


def _default_for(device: Device) -> str:
    flags = {"input": device.is_default_input, "output": device.is_default_output}
    return ", ".join(way for way, is_default in flags.items() if is_default)


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
