"""Separates the arguments of ``voicecoil run`` from those of the program that it runs."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["with_separator"]

WITH_VALUE = ("--on-device-lost", "--driver")


def with_separator(tokens: Sequence[str]) -> list[str]:
    """Return the tokens with ``--`` before the program of ``voicecoil run``.

    Without it, ``--help`` after the program would be the help of voicecoil.
    """
    words = list(tokens)
    if words[:1] != ["run"]:
        return words
    place = 1
    while place < len(words) and words[place].startswith("-") and words[place] != "-m":
        if words[place] == "--":
            return words
        place += 2 if words[place] in WITH_VALUE else 1
    return [*words[:place], "--", *words[place:]] if place < len(words) else words
