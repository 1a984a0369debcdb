"""The live display in a terminal: time, progress and levels.

Levels rise at once and fall slowly, peaks are held for a while, and numbers keep their columns. The
display is removed at the end.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Text

from voicecoil.cli.interrupts import Interrupts
from voicecoil.cli.meter import LEFT, RIGHT, Bars, Needle, meter, scale
from voicecoil.cli.native_output import native_output_held
from voicecoil.drivers.protocol import Device
from voicecoil.levels import Level, decibels
from voicecoil.printable import printable
from voicecoil.wording import rounded

__all__ = [
    "REFRESH_S",
    "Display",
    "clock_text",
    "duration_text",
    "level_text",
    "showing",
    "where",
]

REFRESH_S = 0.05
WIDTH = 96  # a wider display is hard to read at a glance
LEAST_BAR = 8


def clock_text(seconds: float) -> str:
    """Return a time as hours if needed, minutes, seconds and tenths, such as ``1:02.5``."""
    tenths = int(max(0.0, seconds) * 10 + 0.5)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    tail = f"{rest // 10:02d}.{rest % 10}"
    return f"{hours}:{minutes:02d}:{tail}" if hours else f"{minutes}:{tail}"


def duration_text(seconds: float) -> str:
    """Return a duration for a reader, such as ``2 ms``, ``5.3 s`` or ``1:02.5``."""
    if seconds < 1:
        return f"{rounded(seconds * 1000, 3)} ms"
    return f"{seconds:.3g} s" if seconds < 60 else clock_text(seconds)


def level_text(peak: float) -> str:
    """Return a peak for a reader, such as ``peak -6.0 dB`` or ``silence``."""
    if peak <= 0:
        return "silence"
    return f"peak {decibels(peak):.1f} dB" + (" (clipped)" if peak > 1 else "")


def where(device: Device, samplerate: float) -> str:
    """Return the device and its sample rate, such as ``Speakers, 48 kHz``."""
    return f"{device.name}, {samplerate / 1000:g} kHz"


class Display:
    """The picture of the live display. It is as wide as the terminal when it is drawn.

    Parameters
    ----------
    title, place : str
        The sound and its device. `place` may be changed later.
    duration_s : float or None
        Duration of the sound, s. None if it is unknown.
    colour : str
        Colour of the progress bar.
    """

    def __init__(
        self, title: str, place: str, duration_s: float | None, colour: str = "cyan"
    ) -> None:
        self._title = title
        self.place = place
        self._duration_s = duration_s
        self._colour = colour
        self._position_s = 0.0
        self._needles: list[Needle] = []

    def update(self, position_s: float, levels: Sequence[Level], now: float) -> None:
        """Set the position and the levels. `now` is the time of a monotonic clock, s."""
        self._position_s = position_s
        while len(self._needles) < len(levels):
            self._needles.append(Needle())
        for needle, level in zip(self._needles, levels, strict=False):
            needle.move(level, now)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        # The last column stays free, because some terminals wrap there.
        width = min(WIDTH, options.max_width - 1)
        lines = Bars(options.ascii_only)
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
            yield meter(lines, bar, channel, needle)
        if len(self._needles) > rows:
            yield Text(f"{'':{LEFT}}and {len(self._needles) - rows} channels more", "dim")
        if self._needles:
            yield scale(bar)

    def _progress(self, lines: Bars, bar: int) -> Text:
        line = Text(f"{clock_text(self._position_s):<{LEFT}}", no_wrap=True)
        total = self._duration_s
        if not total:
            return line
        lines.draw(line, bar, min(1.0, self._position_s / total), lambda share: self._colour)
        return line.append(f"{clock_text(total):>{RIGHT}}", "dim")


@contextmanager
def showing(
    console: Console, display: Display, enabled: bool
) -> Iterator[Callable[[float, Sequence[Level]], None]]:
    """Yield a function that shows a position in seconds and levels.

    The terminal is restored afterwards. Nothing is shown if `console` is not a terminal.
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
