"""Words of messages: nouns with the right article, or in the plural."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["did_you_mean", "plural", "rounded", "with_article"]


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return "did you mean ...?" with the names that are most like a name; "" if none is.

    Examples
    --------
    >>> did_you_mean("volum", ["volume", "mute"])
    "did you mean 'volume'?"
    """
    by_lower = {one.lower(): one for one in names}
    lower = name.lower()
    near = [lower] if lower in by_lower else difflib.get_close_matches(lower, by_lower, 3, 0.75)
    return f"did you mean {' or '.join(repr(by_lower[one]) for one in near)}?" if near else ""


def plural(count: int, noun: str, nouns: str | None = None) -> str:
    """Return a count with its noun, such as ``1 frame`` or ``2 frames``."""
    return f"{count} {noun if count == 1 else nouns or noun + 's'}"


def rounded(value: float, digits: int) -> str:
    """Return a number with so many digits, such as ``1700`` where ``.2g`` gives ``1.7e+03``."""
    return f"{float(f'{value:.{digits}g}'):g}"


def with_article(name: str) -> str:
    """Return the name of a type with the article that its sound takes, such as ``an int``."""
    word = name.lower()
    # "uint8" and "UUID" begin with the sound of "you". "ndarray" begins with the letter's name.
    vowel = word.startswith(("a", "e", "i", "o", "nd"))
    return f"{'an' if vowel else 'a'} {name}"
