"""Words of messages: nouns with the right article, or in the plural."""

from __future__ import annotations

__all__ = ["plural", "with_article"]


def plural(count: int, noun: str, nouns: str | None = None) -> str:
    """Return a count with its noun, such as ``1 frame`` or ``2 frames``."""
    return f"{count} {noun if count == 1 else nouns or noun + 's'}"


def with_article(name: str) -> str:
    """Return the name of a type with the article that its sound takes, such as ``an int``."""
    word = name.lower()
    # "uint8" and "UUID" begin with the sound of "you". "ndarray" begins with the letter's name.
    vowel = word.startswith(("a", "e", "i", "o", "nd"))
    return f"{'an' if vowel else 'a'} {name}"
