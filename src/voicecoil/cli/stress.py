"""The command ``voicecoil stress``."""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.text import Text

from voicecoil.arguments import check_blocksize, check_samplerate
from voicecoil.cli import EXIT_INTERRUPTED
from voicecoil.cli.app import (
    DeviceName,
    DeviceRate,
    DriverName,
    Json,
    Quiet,
    command,
    err,
    out,
    print_json,
    print_whole,
    say_if_virtual,
    warn,
)
from voicecoil.cli.display import Display, duration_text, showing
from voicecoil.cli.stress_table import failures, tables_of
from voicecoil.drivers.choose import get_driver
from voicecoil.drivers.find import find_device
from voicecoil.drivers.protocol import Device
from voicecoil.errors import ArgumentError
from voicecoil.printable import printable_lines
from voicecoil.stress.cell import Setting
from voicecoil.stress.homes import chosen_homes, chosen_loads
from voicecoil.stress.loads import WORDS
from voicecoil.stress.processes import OTHER_S, run_cell
from voicecoil.stress.seen import Cell, in_words

__all__ = ["stress"]

MAX_S = 3600.0


@command("""
    voicecoil stress
    voicecoil stress --homes low,safe --loads json,gc --seconds 10
    voicecoil stress --frames 64 --driver miniaudio:jack --plot stress.png
    voicecoil stress --homes safe,0.2 --json
""")
def stress(
    *,
    homes: Annotated[
        str | None,
        Parameter(
            metavar="LIST",
            help="native, isolated, low, safe, and seconds such as 0.2. Without it: all.",
        ),
    ] = None,
    loads: Annotated[
        str | None, Parameter(metavar="LIST", help=f"{', '.join(WORDS)}. Without it: all.")
    ] = None,
    seconds: Annotated[
        float, Parameter(metavar="SECONDS", help="Duration for each home and load.")
    ] = 2.0,
    frames: Annotated[int, Parameter(metavar="FRAMES", help="Frames of a block.")] = 256,
    samplerate: DeviceRate = None,
    device: DeviceName = None,
    driver: DriverName = None,
    plot: Annotated[
        Path | None, Parameter(metavar="FILE", help="Draw it, as PNG, SVG or PDF.")
    ] = None,
    quiet: Quiet = False,
    json: Json = False,
) -> int:
    """Try to make blocks late: a silent callback runs in each home, under several loads.

    A home is the place where a callback runs (docs/latency.md). A load is work that the rest of the
    program does meanwhile. The table shows the share of blocks that were in time, and what late
    blocks waited for. Ctrl-C ends the measurement, and the results so far are shown.
    """
    chosen = [(load, home) for load in chosen_loads(loads) for home in chosen_homes(homes)]
    _check(seconds, frames, plot)
    system = get_driver(driver)
    where = find_device(device, ("output",), system)
    rate = check_samplerate(samplerate) or where.samplerate
    settings = [
        Setting(home, load, driver or system.name, where.uid, frames, rate, seconds)
        for load, home in chosen
    ]
    if not (quiet or json):
        say_if_virtual(driver)
    cells, interrupted = _measure(settings, where, enabled=not (quiet or json))
    if json:
        print_json(
            {
                "device": asdict(where),
                "frames": frames,
                "samplerate": rate,
                "seconds": seconds,
                "python": platform.python_version(),
                "cells": [cell.as_json() for cell in cells],
                "verdict": in_words(cells),
                "interrupted": interrupted,
            }
        )
    elif cells and not quiet:
        _print_cells(cells, f"{_place(where, cells)}, {duration_text(seconds)} each")
    if plot is not None and interrupted:
        warn(f"not drawn: {plot}")
    elif plot is not None:
        from voicecoil.stress.plot import draw

        draw(cells, plot, f"{_place(where, cells)}, Python {platform.python_version()}")
    return EXIT_INTERRUPTED if interrupted else 0


def _check(seconds: float, frames: int, plot: Path | None) -> None:
    if not 0 < seconds <= MAX_S:
        raise ArgumentError(f"--seconds {seconds:g}: use more than 0 and at most {MAX_S:g} s")
    if not (frames and check_blocksize(frames)):
        raise ArgumentError(f"--frames {frames}: use 1 or more")
    if plot is not None:
        from voicecoil.stress.plot import check_plot

        check_plot(plot)


def _print_cells(cells: Sequence[Cell], place: str) -> None:
    print_whole(Text(printable_lines(place), "dim"))
    for table in tables_of(cells, out.width if out.is_terminal else None):
        print_whole(table)
    for line in failures(cells):
        print_whole(Text(printable_lines(line), "yellow"))
    for line in in_words(cells):
        print_whole(Text(printable_lines(line)))


def _measure(settings: Sequence[Setting], where: Device, enabled: bool) -> tuple[list[Cell], bool]:
    """Measure all settings until Ctrl-C. Returns the cells, and whether Ctrl-C was pressed."""
    each_s = OTHER_S + settings[0].seconds
    display = Display("stress", where.name, each_s * len(settings))
    cells: list[Cell] = []
    try:
        with showing(err, display, enabled) as show:
            for number, setting in enumerate(settings):
                display.place = (
                    f"{setting.home}: {WORDS[setting.load]} ({number + 1} of {len(settings)})"
                )
                began = time.monotonic()

                def look(number: int = number, began: float = began) -> None:
                    passed_s = min(each_s, time.monotonic() - began)
                    show(number * each_s + passed_s, [])

                cells.append(run_cell(setting, look))
    except KeyboardInterrupt:
        return cells, True
    return cells, False


def _place(where: Device, cells: Sequence[Cell]) -> str:
    """Return the device and its cycles: ``Speakers, 48 kHz, cycles of 256 frames (5.33 ms)``."""
    words = [where.name]
    if seen := next((cell.seen for cell in cells if cell.seen is not None), None):
        if seen.urgent:
            words[0] += " with real-time priority"
        cycle = duration_text(seen.cycle_frames / seen.samplerate)
        words.append(f"{seen.samplerate / 1000:g} kHz")
        words.append(f"cycles of {seen.cycle_frames} frames ({cycle})")
    return ", ".join(words)
