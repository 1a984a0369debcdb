"""The memory of a program that plays and records for long, and one that has no memory left."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from paths import LIVES
from programs import DEADLINE_S

SECONDS = float(os.environ.get("VOICECOIL_MEMORY_S", "60"))  # of virtual time; 1800: 30 min
MOST_BYTES = 2_000_000
PROGRAM = LIVES / "live_memory.py"


@pytest.mark.skipif(sys.platform != "linux", reason="NOT TESTED: it reads /proc/self/statm")
@pytest.mark.timeout(200 + SECONDS)
def test_the_memory_of_a_player_a_recorder_and_a_mixer_stays_the_same() -> None:
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(SECONDS)],
        capture_output=True,
        text=True,
        timeout=180 + SECONDS,
    )
    assert done.returncode == 0, done.stderr
    half, end = map(int, done.stdout.split())
    assert end - half < MOST_BYTES


@pytest.mark.parametrize("what", ["voice", "clip"])
def test_what_there_is_no_memory_for_is_not_added(what: str) -> None:
    """The IO thread would use a voice or clip that nothing keeps alive."""
    pytest.importorskip("_testcapi", reason="CPython's test modules are not installed")
    done = subprocess.run(
        [sys.executable, str(LIVES / "no_memory.py"), what],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )
    assert (done.returncode, done.stderr) == (0, "")
