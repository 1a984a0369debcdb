"""Escapes untrusted text so that it is safe to print.

The names of devices come from Bluetooth, the network and other users. File names, tags and the
texts of exceptions can come from any program. A terminal executes control characters in such text,
and characters of the Unicode bidirectional algorithm change the order of the text beside them.
Therefore everything that voicecoil prints passes through this module.
"""

from __future__ import annotations

__all__ = ["LONGEST_LINE", "LONGEST_TEXT", "printable", "printable_lines"]

LONGEST_LINE = 400  # characters
LONGEST_TEXT = 20_000  # characters; a traceback has a few thousand

_SPACES = frozenset("\t\u00a0\u1680\u202f\u205f\u3000") | {chr(c) for c in range(0x2000, 0x200B)}


def printable(text: str, longest: int = LONGEST_LINE) -> str:
    r"""Return `text` as one line of at most `longest` characters.

    Each kind of space becomes an ordinary space. Characters that are not printable (control and
    format characters, surrogates, unassigned code points) become Python's escapes, such as
    ``\x1b``.
    """
    cut = text[: longest + 1]
    if not cut.isprintable():
        cut = "".join(map(_shown, cut))
    return cut if len(cut) <= longest and len(text) <= longest else cut[: longest - 1] + "…"


def printable_lines(text: str, longest: int = LONGEST_TEXT) -> str:
    """Apply `printable` to each line of a text, such as an exception with its traceback."""
    if text.isprintable() and len(text) <= LONGEST_LINE:
        return text
    lines = text[: longest + 1].split("\n")
    shown = "\n".join(printable(line.replace("\t", "    "), longest) for line in lines)
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character in _SPACES else character.encode("unicode_escape").decode("ascii")
