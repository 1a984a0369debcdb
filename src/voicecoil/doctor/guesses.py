"""Which guesses of the table of properties a recording confirms or refutes.

No source says of these properties whether CoreAudio lets them be set: ``"settable": "guess"`` in
`hal/properties.json`.
"""

from __future__ import annotations

from typing import Any

from voicecoil.hal.table import class_of_code, parents, rows
from voicecoil.wording import plural

__all__ = ["judged_guesses"]


def judged_guesses(recorded: dict[str, Any]) -> list[str]:
    """Return a line for each guess about which a recording says something.

    Parameters
    ----------
    recorded : dict
        What `record_answers` returned.

    Returns
    -------
    list of str
        The guess is that the property can be set. It is confirmed if each object with the property
        lets it be set, refuted if none does, and both if they differ. A property that no object of
        the recording has gets no line.
    """
    answers: dict[tuple[str, str], list[bool]] = {}
    for thing in recorded["objects"]:
        kind = thing["class"]
        known = parents(kind) if kind in class_of_code().values() else [kind]
        for one in thing.get("properties", ()):
            for name in known:
                answers.setdefault((name, one["selector"]), []).append(one["settable"])
    found = []
    for row in rows():
        told = answers.get((row.of, row.selector), [])
        if row.settable != "guess" or not told:
            continue
        can = sum(told)
        verdict = "confirmed" if can == len(told) else "refuted" if not can else "differs"
        found.append(
            f"{verdict}: '{row.selector}' {row.name} of {row.of} can be set in {can} of "
            f"{plural(len(told), 'place')}"
        )
    return found
