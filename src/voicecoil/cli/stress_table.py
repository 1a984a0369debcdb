"""Tables of the results of `voicecoil stress`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.table import Table
from rich.text import Text

from voicecoil.stress.seen import Cell, Seen, Spread

__all__ = ["failures", "tables_of"]

Column = tuple[str, Callable[[Seen], str | Text]]
WIDE = 108  # width of a single table with all results, in columns of a terminal


def _share(seen: Seen) -> Text:
    return Text(seen.share_text, "red" if seen.missed_frames else "green")


def _spread(spread: Spread | None) -> str:
    if spread is None:
        return "-"
    return " / ".join(_ms(s) for s in (spread.median_s, spread.p99_s, spread.max_s))


def _ms(seconds: float) -> str:
    ms = seconds * 1000
    return f"{ms:.3f}" if ms < 1 else f"{ms:.2f}" if ms < 10 else f"{ms:.0f}"


COUNTS: Sequence[Column] = [
    ("BLOCKS\nIN TIME", _share),
    ("LATE\nCYCLES", lambda seen: str(seen.late_cycles)),
    ("\nXRUNS", lambda seen: str(seen.xruns)),
    ("FRAMES\nLOST", lambda seen: str(seen.lost_frames)),
]
TIMES: Sequence[Column] = [
    ("GIL WAIT, ms\nmedian / 99 % / max", lambda seen: _spread(seen.gil_wait)),
    ("RUN TIME, ms\nmedian / 99 % / max", lambda seen: _spread(seen.run_time)),
    ("JITTER, ms\nmedian / 99 % / max", lambda seen: _spread(seen.jitter)),
]


def tables_of(cells: Sequence[Cell], width: int | None) -> list[Table]:
    """Return tables with the share of blocks in time and the times of each home and load.

    The result is one table if `width`, in columns of a terminal, has room for it or is None.
    Otherwise it is two tables.
    """
    if width is None or width >= WIDE:
        return [_table(cells, [*COUNTS, *TIMES])]
    return [_table(cells, COUNTS), _table(cells, TIMES)]


def _table(cells: Sequence[Cell], columns: Sequence[Column]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("LOAD\n  HOME", no_wrap=True)
    for heading, _ in columns:
        table.add_column(heading, justify="right", no_wrap=True)
    load = None
    for cell in cells:
        if cell.load != load:
            load = cell.load
            table.add_row(Text(load, "bold"))
        if cell.seen is None:
            table.add_row(f"  {cell.home}", Text("-", "yellow"))
        else:
            table.add_row(f"  {cell.home}", *(tell(cell.seen) for _, tell in columns))
    return table


def failures(cells: Sequence[Cell]) -> list[str]:
    """Return one line for each home and each reason why the home has no results."""
    loads: dict[tuple[str, str], list[str]] = {}
    for cell in cells:
        if cell.failed is not None:
            loads.setdefault((cell.home, cell.failed), []).append(cell.load)
    return [f"{home} under {', '.join(under)}: {failed}" for (home, failed), under in loads.items()]
