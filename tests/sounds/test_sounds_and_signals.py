"""Recordings and sounds of programs that are interrupted, or that do not wait for their end.

``VOICECOIL_RUNS`` is the number of runs of each program (8; tools/test.py --long: 20).
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from programs import NOTHING, check, run, run_fresh

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")

INTERRUPTED = r"Traceback \(most recent call last\):\n(  .*\n)+KeyboardInterrupt\n"


@pytest.mark.parametrize(
    ("name", "how", "code", "said"),
    [
        ("array", "stop", 0, NOTHING),
        ("{}.wav", "stop", 0, NOTHING),
        ("{}.flac", "stop", 0, NOTHING),
        ("{}.wav", "exit", -2, INTERRUPTED),
        ("{}.flac", "exit", -2, INTERRUPTED),
    ],
)
def test_ctrl_c_keeps_every_frame_of_a_take(
    tmp_path: Path, name: str, how: str, code: int, said: str
) -> None:
    file = name if name == "array" else str(tmp_path / name)
    check(run("interrupted_take", file, how), code=code, stderr=said)


@pytest.mark.parametrize("waits", ["waits", "does not wait"])
@pytest.mark.parametrize("what", ["play", "a.wav"])
def test_an_error_is_raised_or_reported_if_the_program_does_not_wait(
    tmp_path: Path, what: str, waits: str
) -> None:
    check([run_fresh("unseen", what if what == "play" else str(tmp_path / what), waits)])
