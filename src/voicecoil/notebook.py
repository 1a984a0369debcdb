"""HTML tables for notebooks. All text is escaped, because names can come from any program."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from voicecoil.printable import printable

__all__ = ["html_table"]


def html_table(headings: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> str:
    """Return an HTML table, for methods ``_repr_html_``.

    Parameters
    ----------
    headings : sequence of str
        One for each column. Empty: the table has no heading, and the first cell of each row is the
        heading of that row.
    rows : iterable of sequence
        The cells, which are converted with `str`. None is an empty cell.
    title : str
        The caption of the table.
    """
    from html import escape

    def cell(value: object, tag: str) -> str:
        text = "" if value is None else escape(printable(str(value)))
        left = ' style="text-align: left"'
        return f"<{tag}{left}>{text}</{tag}>"

    lines = ["<table>"]
    if title:
        lines.append(f'<caption style="text-align: left">{escape(printable(title))}</caption>')
    if headings:
        lines.append("<thead><tr>" + "".join(cell(h, "th") for h in headings) + "</tr></thead>")
    lines.append("<tbody>")
    for row in rows:
        tags = ["td" if headings or column else "th" for column in range(len(row))]
        cells = (cell(value, tag) for value, tag in zip(row, tags, strict=True))
        lines.append("<tr>" + "".join(cells) + "</tr>")
    return "\n".join([*lines, "</tbody>", "</table>"])
