"""What a terminal shows while sound runs: time, progress, levels."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

__all__ = ["Display", "clock_text", "decibels", "showing"]

METER_WIDTH = 40
METER_FLOOR_DB = -60.0
ROWS = 8  # channels that are shown
REFRESH_S = 0.05
HOLD_S = 1.0  # how long a peak stays


def decibels(linear: float) -> float:
    """Level in dB re full scale; -inf for silence."""
    return 20.0 * math.log10(linear) if linear > 0 else -math.inf


def clock_text(seconds: float) -> str:
    """Minutes, seconds and tenths."""
    minutes, rest = divmod(max(0.0, seconds), 60.0)
    return f"{int(minutes):02d}:{rest:04.1f}"


class Display:
    """Draws one picture of what is going on."""

    def __init__(self, title: str, duration_s: float | None) -> None:
        self._title = title
        self._duration_s = duration_s
        self._held: dict[int, tuple[float, float]] = {}

    def picture(self, position_s: float, levels: list[tuple[float, float]]) -> Group:
        rows = Table.grid(padding=(0, 1))
        for channel, (peak, rms) in enumerate(levels[:ROWS]):
            rows.add_row(
                Text(f"{channel:2d}", style="dim"),
                _meter(rms, self._hold(channel, peak)),
                Text(_level_text(peak), style="bold red" if peak >= 1.0 else ""),
            )
        if len(levels) > ROWS:
            rows.add_row("", Text(f"and {len(levels) - ROWS} channels more", style="dim"), "")
        return Group(self._progress(position_s), rows)

    def _progress(self, position_s: float) -> Table:
        line = Table.grid(padding=(0, 1))
        total = self._duration_s
        if total:
            bar = ProgressBar(total=total, completed=min(position_s, total), width=METER_WIDTH)
            line.add_row(self._title, bar, f"{clock_text(position_s)} / {clock_text(total)}")
        else:
            line.add_row(self._title, clock_text(position_s))
        return line

    def _hold(self, channel: int, peak: float) -> float:
        now = time.monotonic()
        held, since = self._held.get(channel, (0.0, now))
        if peak >= held or now - since > HOLD_S:
            self._held[channel] = (peak, now)
            return peak
        return held


def _cells(linear: float) -> int:
    level = max(METER_FLOOR_DB, decibels(linear))
    return round((level - METER_FLOOR_DB) / -METER_FLOOR_DB * METER_WIDTH)


def _meter(rms: float, held_peak: float) -> Text:
    filled = min(METER_WIDTH, _cells(rms))
    peak = min(METER_WIDTH, _cells(held_peak))
    meter = Text()
    for cell in range(METER_WIDTH):
        level = METER_FLOOR_DB * (1 - (cell + 1) / METER_WIDTH)
        style = "red" if level > -3 else "yellow" if level > -12 else "green"
        if cell < filled:
            meter.append("█", style)
        elif peak and cell == peak - 1:
            meter.append("|", style)
        else:
            meter.append("·", "dim")
    return meter


def _level_text(peak: float) -> str:
    level = decibels(peak)
    return "  silent" if level == -math.inf else f"{level:6.1f} dB"


@contextmanager
def showing(
    console: Console, display: Display, enabled: bool
) -> Iterator[Callable[[float, list[tuple[float, float]]], None]]:
    """Gives a function that shows a position and levels, and a terminal as it was afterwards."""
    if not enabled or not console.is_terminal:
        yield lambda position_s, levels: None
        return
    with Live(console=console, auto_refresh=False, transient=False) as live:
        yield lambda position_s, levels: live.update(
            display.picture(position_s, levels), refresh=True
        )
