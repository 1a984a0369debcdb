"""The exit code of a check of which a part could not run on this machine.

The check prints what is missing and exits with `EXIT_CODE`, unless something failed. The runner
counts such a step as "not run". In CI this is a failure, because a part that CI cannot run is not
tested.
"""

from __future__ import annotations

import os
import sys

EXIT_CODE = 77  # the exit code of a skipped test in Automake and Meson


def in_ci() -> bool:
    """Returns whether this is a CI run, where every part must run."""
    return os.environ.get("CI", "").lower() not in ("", "0", "false")


def required(optional: bool) -> list[str]:
    """Returns the arguments of pytest for a run in which a skip is a failure if the machine lacks
    something.

    Parameters
    ----------
    optional : bool
        Packages that have no wheels yet for a new Python may be missing.
    """
    names = ("numba", "matplotlib") if optional else ()
    return ["--require", *(f"--may-lack={name}" for name in names)]


if __name__ == "__main__":
    print(f"*** NOT RUN: {sys.argv[1]} ***")
    sys.exit(EXIT_CODE)
