"""Tables for a terminal and for a page."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table


def markdown(table: list[list[str]]) -> str:
    head, *rows = ["| " + " | ".join(row) + " |" for row in table]
    return "\n".join([head, "|" + "---|" * len(table[0]), *rows])


def show(title: str, table: list[list[str]]) -> None:
    shown = Table(*table[0], title=title)
    for row in table[1:]:
        shown.add_row(*row)
    Console().print(shown)
