"""The exit code of a check if a part of it could not run on this machine.

Such a check prints what is missing. It exits with `EXIT_CODE` if nothing failed, and the runner
counts it as "not run". In CI this is a failure, because CI must run every part.
"""

from __future__ import annotations

import os
import sys

EXIT_CODE = 77  # the exit code of a skipped test in Automake and Meson


def in_ci() -> bool:
    """Returns whether this is a CI run, where every part must run."""
    return os.environ.get("CI", "").lower() not in ("", "0", "false")


def required(optional: bool) -> list[str]:
    """Returns the arguments of pytest for CI. A skip is a failure if the machine lacks something.

    A test that fails has a second attempt, because CI runs several thousand tests on a machine that
    other work may stop for seconds. pytest shows the first failure of each such test at the end. A
    crash has no second attempt.

    Parameters
    ----------
    optional : bool
        True if packages may be missing because they have no wheels for a new Python yet.
    """
    packages = ("numba", "matplotlib", "PyAV", "sounddevice", "trio", "pywebrtc-audio")
    names = packages if optional else ()
    return ["--require", "--reruns=1", *(f"--may-lack={name}" for name in names)]


if __name__ == "__main__":
    print(f"*** NOT RUN: {sys.argv[1]} ***")
    sys.exit(EXIT_CODE)
