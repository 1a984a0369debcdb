"""What a terminal shows while sound runs: time, progress, levels.

It is calm: levels rise at once and fall slowly, peaks stay for a while, numbers keep their columns,
and at the end all of it is gone.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Text

from voicecoil.cli.interrupts import Interrupts
from voicecoil.cli.native_output import native_output_held
from voicecoil.drivers.protocol import Device
from voicecoil.levels import Level, decibels
from voicecoil.printable import printable

__all__ = [
    "REFRESH_S",
    "Display",
    "clock_text",
    "duration_text",
    "level_text",
    "plural",
    "showing",
    "where",
]

REFRESH_S = 0.05
WIDTH = 96  # more is hard to read at a glance
LEFT = 8
RIGHT = 9
LEAST_BAR = 8
FLOOR_DB = -60.0
ZONES = ((-3.0, "red"), (-12.0, "yellow"), (-math.inf, "green"))
MARKS_DB = (-48, -36, -24, -12, -6, 0)
HOLD_S = 1.5  # how long a peak stays
FALL_DB_S = 24.0  # how fast levels fall


def clock_text(seconds: float) -> str:
    """Hours if there are any, minutes, seconds and tenths: ``1:02.5``."""
    tenths = int(max(0.0, seconds) * 10 + 0.5)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    tail = f"{rest // 10:02d}.{rest % 10}"
    return f"{hours}:{minutes:02d}:{tail}" if hours else f"{minutes}:{tail}"


def duration_text(seconds: float) -> str:
    """A time as people say it: ``2 ms``, ``5.3 s``, ``1:02.5``."""
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms"
    return f"{seconds:.3g} s" if seconds < 60 else clock_text(seconds)


def level_text(peak: float) -> str:
    """A peak as people say it: ``peak -6.0 dB``, ``silence``."""
    if peak <= 0:
        return "silence"
    return f"peak {decibels(peak):.1f} dB" + (" (clipped)" if peak > 1 else "")


def plural(count: int, noun: str) -> str:
    """``1 frame``, ``2 frames``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def where(device: Device, samplerate: float) -> str:
    """The device and its rate: ``Speakers, 48 kHz``."""
    return f"{device.name}, {samplerate / 1000:g} kHz"


class _Needle:
    """What a meter shows of one channel."""

    def __init__(self) -> None:
        self.rms_db = -math.inf
        self.peak_db = -math.inf
        self._peak_at = 0.0
        self._now = 0.0

    def move(self, level: Level, now: float) -> None:
        fall_db = FALL_DB_S * (now - self._now)
        self._now = now
        self.rms_db = max(level.rms_db, self.rms_db - fall_db)
        if level.peak_db >= self.peak_db:
            self.peak_db = level.peak_db
            self._peak_at = now
        elif now - self._peak_at > HOLD_S:
            self.peak_db = max(level.peak_db, self.peak_db - fall_db)


class Display:
    """Draws one picture of what is going on; as wide as the terminal is at that moment.

    Parameters
    ----------
    title, place : str
        What sounds, and where. `place` may be changed.
    duration_s : float or None
        s; None: nobody knows.
    colour : str
        Of the progress bar.
    """

    def __init__(
        self, title: str, place: str, duration_s: float | None, colour: str = "cyan"
    ) -> None:
        self._title = title
        self.place = place
        self._duration_s = duration_s
        self._colour = colour
        self._position_s = 0.0
        self._needles: list[_Needle] = []

    def update(self, position_s: float, levels: Sequence[Level], now: float) -> None:
        """Takes what is to be shown; `now` in s, from any clock that does not go back."""
        self._position_s = position_s
        while len(self._needles) < len(levels):
            self._needles.append(_Needle())
        for needle, level in zip(self._needles, levels, strict=False):
            needle.move(level, now)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        # The last column stays free: some terminals wrap there.
        width = min(WIDTH, options.max_width - 1)
        lines = _Lines(options.ascii_only)
        title = Text(printable(self._title), "bold", no_wrap=True, overflow="ellipsis")
        title.append(f"  {printable(self.place)}", "not bold dim")
        title.truncate(width, overflow="ellipsis")
        yield title
        bar = width - LEFT - RIGHT
        if bar < LEAST_BAR:
            yield Text(clock_text(self._position_s), no_wrap=True)
            return
        yield self._progress(lines, bar)
        rows = max(1, (console.size.height or 24) - 5)
        for channel, needle in enumerate(self._needles[:rows]):
            yield self._meter(lines, bar, channel, needle)
        if len(self._needles) > rows:
            yield Text(f"{'':{LEFT}}and {len(self._needles) - rows} channels more", "dim")
        if self._needles:
            yield _scale(bar)

    def _progress(self, lines: _Lines, bar: int) -> Text:
        line = Text(f"{clock_text(self._position_s):<{LEFT}}", no_wrap=True)
        total = self._duration_s
        if not total:
            return line
        lines.draw(line, bar, min(1.0, self._position_s / total), lambda share: self._colour)
        return line.append(f"{clock_text(total):>{RIGHT}}", "dim")

    @staticmethod
    def _meter(lines: _Lines, bar: int, channel: int, needle: _Needle) -> Text:
        line = Text(f"{channel:>{LEFT - 2}}  ", "dim", no_wrap=True)
        peak = _share(needle.peak_db)
        lines.draw(line, bar, _share(needle.rms_db), _zone, peak if peak > 0 else None)
        if needle.peak_db == -math.inf:
            return line.append(f"{'silent':>{RIGHT}}", "dim")
        style = "bold red" if needle.peak_db >= 0 else "not dim"
        return line.append(f"{needle.peak_db:>{RIGHT - 3}.1f} dB", style)


class _Lines:
    """Bars made of characters."""

    def __init__(self, ascii_only: bool) -> None:
        self._full, self._half, self._empty, self._mark = "=-.|" if ascii_only else "━╸─┃"

    def draw(
        self,
        line: Text,
        cells: int,
        share: float,
        style: Callable[[float], str],
        mark: float | None = None,
    ) -> None:
        """Appends a bar; `style` gives the colour at a share of its length."""
        halves = round(share * cells * 2)
        marked = None if mark is None else min(cells - 1, round(mark * cells))
        drawn = []
        for cell in range(cells):
            colour = f"not dim {style((cell + 0.5) / cells)}"
            if cell == marked:
                drawn.append((colour, self._mark))
            elif halves >= 2 * cell + 2:
                drawn.append((colour, self._full))
            elif halves == 2 * cell + 1:
                drawn.append((colour, self._half))
            else:
                drawn.append(("bright_black", self._empty))
        # Runs of one colour: a terminal gets a tenth of the bytes.
        for run_style, run in groupby(drawn, key=lambda cell: cell[0]):
            line.append("".join(character for _, character in run), run_style)


def _share(level_db: float) -> float:
    return max(0.0, min(1.0, 1 - level_db / FLOOR_DB))


def _zone(share: float) -> str:
    level_db = FLOOR_DB * (1 - share)
    return next(colour for least, colour in ZONES if level_db >= least)


def _scale(bar: int) -> Text:
    """The numbers under the meters, those that have room."""
    row = [" "] * (LEFT + bar + RIGHT)
    free_to = len(row)
    for mark in reversed(MARKS_DB):
        text = str(mark)
        end = LEFT + round(_share(mark) * bar)
        if end <= free_to:
            row[end - len(text) : end] = text
            free_to = end - len(text) - 2
    return Text("".join(row).rstrip(), "bright_black", no_wrap=True)


@contextmanager
def showing(
    console: Console, display: Display, enabled: bool
) -> Iterator[Callable[[float, Sequence[Level]], None]]:
    """Gives a function that shows a position in s and levels.

    Afterwards the terminal is as it was. Where there is no terminal nothing is shown.
    """
    if not enabled or not console.is_terminal or console.is_dumb_terminal:
        yield lambda position_s, levels: None
        return
    live = Live(display, console=console, auto_refresh=False, transient=True)
    interrupts = Interrupts()

    def show(position_s: float, levels: Sequence[Level]) -> None:
        display.update(position_s, levels, time.monotonic())
        with interrupts.held():
            live.refresh()

    with native_output_held(console), interrupts:
        with interrupts.held():
            live.start()
        try:
            yield show
        finally:
            with interrupts.held():
                live.stop()
