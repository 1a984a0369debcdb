"""Text from outside, made safe to print.

The names of devices come from Bluetooth, the network and other users, the names and tags of files
from anywhere, and the words of exceptions from other programs. A terminal takes control characters
among them for commands, and characters of the bidirectional algorithm change the order of what
stands beside them. So whatever is printed goes through here.
"""

from __future__ import annotations

__all__ = ["LONGEST_LINE", "LONGEST_TEXT", "printable", "printable_lines"]

LONGEST_LINE = 400  # characters
LONGEST_TEXT = 20_000  # characters: a traceback has some thousand

_SPACES = frozenset("\t\u00a0\u1680\u202f\u205f\u3000") | {chr(c) for c in range(0x2000, 0x200B)}


def printable(text: str, longest: int = LONGEST_LINE) -> str:
    r"""`text` in one line of at most `longest` characters.

    Spaces of other kinds become a space; characters that are not shown (control and format
    characters, surrogates, what Unicode does not know) become Python's escapes, such as ``\x1b``.
    """
    cut = text[: longest + 1]
    if not cut.isprintable():
        cut = "".join(map(_shown, cut))
    return cut if len(cut) <= longest and len(text) <= longest else cut[: longest - 1] + "…"


def printable_lines(text: str, longest: int = LONGEST_TEXT) -> str:
    """The same for a text that may have several lines, such as one with a traceback."""
    if text.isprintable() and len(text) <= LONGEST_LINE:
        return text
    lines = text[: longest + 1].split("\n")
    shown = "\n".join(printable(line.replace("\t", "    "), longest) for line in lines)
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character in _SPACES else character.encode("unicode_escape").decode("ascii")
