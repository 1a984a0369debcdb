"""The picture of ``voicecoil stress --plot``: times of blocks and their deadline."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voicecoil.errors import ArgumentError
from voicecoil.printable import printable
from voicecoil.stress.loads import WORDS
from voicecoil.stress.seen import Cell, Seen, Spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["check_plot", "draw"]

SUFFIXES = (".png", ".svg", ".pdf")
# Colours of Okabe and Ito, which people with a colour vision deficiency can distinguish.
WAIT, RUN, INK, LATE = "#D55E00", "#0072B2", "#222222", "#EEEEEE"
PER_OCTAVE = 4  # bars in each octave of time
FAINTEST = 1e-4  # smallest share of blocks with a visible bar
# A device may be called "$\alpha$", which is a formula for matplotlib and a command for TeX.
PLAIN: dict[str, Any] = {"parse_math": False, "usetex": False}
HALF = 0.40  # height of a bar with all blocks, as a share of a row


def check_plot(path: Path) -> None:
    """Check that the plot can be drawn, before the measurement starts.

    Raises
    ------
    ArgumentError
        matplotlib is not installed, or `path` is impossible.
    """
    from importlib.util import find_spec

    if path.suffix.lower() not in SUFFIXES:
        raise ArgumentError(f"--plot {path}: give a name that ends in {', '.join(SUFFIXES)}")
    if not path.absolute().parent.is_dir():
        raise ArgumentError(f"--plot {path}: there is no folder {str(path.parent)!r}")
    if find_spec("matplotlib") is None:
        raise ArgumentError(
            "--plot needs matplotlib, which is not installed: pip install voicecoil[plot]"
        )


def draw(cells: Sequence[Cell], path: Path, title: str) -> None:
    """Draw one panel for each load, with one row for each home.

    The bars above a row's line are the times for which the callback waited for the GIL. The bars
    below the line are the run times. Times in the grey area after the deadline are too late.
    """
    # pyplot is not used, because it would look for a window system.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    loads = list(dict.fromkeys(cell.load for cell in cells))
    homes = list(dict.fromkeys(cell.home for cell in cells))
    columns = min(2, len(loads))
    rows = math.ceil(len(loads) / columns)
    height = 0.9 + rows * (0.75 + 0.42 * len(homes))
    figure = Figure(figsize=(0.6 + 4.6 * columns, height), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    grid: Any = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    low_s, high_s = _range(cells)
    for place, axes in enumerate(grid.flat):
        if place >= len(loads):
            axes.set_visible(False)
            continue
        load = loads[place]
        axes.set_title(WORDS[load], fontsize=10, loc="left", color=INK)
        axes.set_xscale("log")
        axes.set_xlim(low_s, high_s)
        for row, home in enumerate(homes):
            cell = next((c for c in cells if (c.home, c.load) == (home, load)), None)
            _row(axes, len(homes) - 1 - row, cell)
        _tidy(axes, homes)
    _label_time(grid, loads, columns)
    _legend(figure, title)
    figure.savefig(path)


def _range(cells: Sequence[Cell]) -> tuple[float, float]:
    ends = [0.01e-3, 0.02]
    for cell in cells:
        if cell.seen is not None:
            spreads = [s for s in (cell.seen.gil_wait, cell.seen.run_time) if s is not None]
            ends += [s.buckets[0][0] for s in spreads] + [s.max_s for s in spreads]
            ends.append(cell.seen.deadline_s)
    return max(2e-8, min(ends) / 1.5), max(ends) * 2


def _row(axes: Axes, y: float, cell: Cell | None) -> None:
    low_s, high_s = axes.get_xlim()
    if cell is None or cell.seen is None:
        words = "not measured" if cell is None else _short(cell.failed or "")
        axes.text(
            low_s * 1.3, y, printable(words), fontsize=8, color="#777777", va="center", **PLAIN
        )
        return
    seen = cell.seen
    deadline_s = seen.deadline_s
    axes.plot([low_s, high_s], [y, y], color="#DDDDDD", linewidth=0.6, zorder=1)
    axes.fill_between([deadline_s, high_s], y - 0.5, y + 0.5, color=LATE, linewidth=0, zorder=0)
    axes.plot([deadline_s] * 2, [y - 0.5, y + 0.5], color=INK, linewidth=1.1, zorder=3)
    _bars(axes, y, seen.gil_wait, HALF, WAIT)
    _bars(axes, y, seen.run_time, -HALF, RUN)
    _share(axes, y, seen)


def _short(text: str) -> str:
    return text.split(",")[0] if len(text) > 50 else text


def _bars(axes: Axes, y: float, spread: Spread | None, height: float, colour: str) -> None:
    if spread is None:
        return
    bars: dict[int, int] = {}
    for end_s, count in spread.buckets:
        place = math.ceil(math.log2(end_s) * PER_OCTAVE - 1e-9)
        bars[place] = bars.get(place, 0) + count
    every = sum(bars.values())
    for place, count in bars.items():
        end_s = 2 ** (place / PER_OCTAVE)
        share = 1 - math.log(count / every) / math.log(FAINTEST)
        begin_s = end_s * 2 ** (-1 / PER_OCTAVE)
        axes.fill_between(
            [begin_s, end_s], y, y + height * max(0.04, share), color=colour, linewidth=0, zorder=2
        )


def _share(axes: Axes, y: float, seen: Seen) -> None:
    axes.text(
        1.01,
        y,
        seen.share_text,
        transform=axes.get_yaxis_transform(),
        fontsize=9,
        va="center",
        color=INK,
        fontweight="bold" if seen.missed_frames else "normal",
    )


def _tidy(axes: Axes, homes: Sequence[str]) -> None:
    axes.set_ylim(-0.6, len(homes) - 0.4)
    names = [f"{home} s" if home[0].isdigit() else home for home in reversed(homes)]
    axes.set_yticks(range(len(homes)), names, fontsize=9)
    axes.tick_params(axis="y", length=0, pad=6, labelcolor=INK)
    axes.tick_params(axis="x", which="minor", length=0)
    axes.tick_params(axis="x", color=INK, labelcolor=INK, labelsize=8)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def _label_time(grid: Any, loads: Sequence[str], columns: int) -> None:
    low_s, high_s = grid[0, 0].get_xlim()
    decades = range(math.ceil(math.log10(low_s)), math.floor(math.log10(high_s)) + 1)
    for axes in grid.flat:
        axes.set_xticks([10.0**d for d in decades], [_time_text(d) for d in decades])
    for place in range(max(0, len(loads) - columns), len(loads)):
        axes = grid.flat[place]
        axes.tick_params(labelbottom=True)
        axes.set_xlabel("time after the callback was called", fontsize=9, color=INK)


def _time_text(decade: int) -> str:
    unit, power = next(
        (u, p) for u, p in (("s", 0), ("ms", -3), ("µs", -6), ("ns", -9)) if decade >= p
    )
    return f"{10 ** (decade - power)} {unit}"


def _legend(figure: Figure, title: str) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    figure.suptitle(printable(title), fontsize=9, color=INK, x=0.01, ha="left", **PLAIN)
    figure.legend(
        handles=[
            Patch(color=WAIT, label="waited for the GIL (upwards)"),
            Patch(color=RUN, label="ran (downwards)"),
            Line2D([], [], color=INK, linewidth=1.1, label="deadline"),
            Patch(color=LATE, label="too late"),
        ],
        loc="outside lower center",
        ncols=4,
        fontsize=9,
        frameon=False,
        title="Bars: share of the blocks, logarithmic, from 0.01 % to 100 %. "
        "Right: blocks that were in time.",
        title_fontsize=8,
    )
