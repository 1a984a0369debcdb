"""The meter of the command line: bars with falling levels and held peaks, and their scale."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import groupby

from rich.text import Text

from voicecoil.levels import Level

__all__ = ["LEFT", "RIGHT", "Bars", "Needle", "meter", "scale"]

LEFT = 8
RIGHT = 9
FLOOR_DB = -60.0
ZONES = ((-3.0, "red"), (-12.0, "yellow"), (-math.inf, "green"))
MARKS_DB = (-48, -36, -24, -12, -6, 0)
HOLD_S = 1.5  # time for which a peak is held
FALL_DB_S = 24.0  # rate at which levels fall, dB/s


class Needle:
    """The state of one channel's meter: its falling RMS level and its held peak."""

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


class Bars:
    """Draws bars with characters."""

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
        """Append a bar to `line`. `style` returns the colour at a share of the bar's length."""
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
        # Cells of one colour are appended together. The terminal gets only a tenth of the bytes.
        for run_style, run in groupby(drawn, key=lambda cell: cell[0]):
            line.append("".join(character for _, character in run), run_style)


def _share(level_db: float) -> float:
    return max(0.0, min(1.0, 1 - level_db / FLOOR_DB))


def _zone(share: float) -> str:
    level_db = FLOOR_DB * (1 - share)
    return next(colour for least, colour in ZONES if level_db >= least)


def scale(bar: int) -> Text:
    """Return the scale under the meters, with as many numbers as fit."""
    row = [" "] * (LEFT + bar + RIGHT)
    free_to = len(row)
    for mark in reversed(MARKS_DB):
        text = str(mark)
        end = LEFT + round(_share(mark) * bar)
        if end <= free_to:
            row[end - len(text) : end] = text
            free_to = end - len(text) - 2
    return Text("".join(row).rstrip(), "bright_black", no_wrap=True)


def meter(lines: Bars, bar: int, channel: int, needle: Needle) -> Text:
    """Return the line of one channel. `bar` is the width of the bar."""
    line = Text(f"{channel:>{LEFT - 2}}  ", "dim", no_wrap=True)
    peak = _share(needle.peak_db)
    lines.draw(line, bar, _share(needle.rms_db), _zone, peak if peak > 0 else None)
    if needle.peak_db == -math.inf:
        return line.append(f"{'silent':>{RIGHT}}", "dim")
    style = "bold red" if needle.peak_db >= 0 else "not dim"
    return line.append(f"{needle.peak_db:>{RIGHT - 3}.1f} dB", style)
