"""No wait in C depends on the wall clock, which NTP or the user may set at any time.

`tests/core/test_wall_clock.c` runs the waits that exist. This module finds new ones.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from paths import ROOT

FOLDERS = ("src", "simulator")
SUFFIXES = {".c", ".h", ".m", ".pyx", ".pxi", ".pxd"}
WALL_CLOCK = re.compile(
    r"\b(CLOCK_REALTIME|gettimeofday|timespec_get|ftime|time\s*\(\s*(NULL|0)\))"
)
# Waits until a time, whose clock is the wall clock unless it was chosen.
UNTIL = re.compile(
    r"\b(pthread_(cond|mutex|rwlock)_timed\w+|sem_timedwait|mtx_timedlock|cnd_timedwait)\b"
)
HELPER = "src/core/timed_wait.h"


def code(path: Path) -> str:
    """The text without the comments of C, whose lines stay."""
    text = path.read_text(encoding="utf-8")
    return re.sub(r"/\*.*?\*/", lambda found: "\n" * found[0].count("\n"), text, flags=re.S)


def places(pattern: re.Pattern[str], *folders: str) -> list[str]:
    found = []
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in SUFFIXES:
                name = path.relative_to(ROOT).as_posix()
                lines = enumerate(code(path).splitlines(), 1)
                found += [f"{name}:{number}" for number, line in lines if pattern.search(line)]
    return found


def test_no_source_reads_the_wall_clock() -> None:
    found = {place.rpartition(":")[0] for place in places(WALL_CLOCK, *FOLDERS)}
    # PulseAudio's reports have time stamps on the wall clock, of which only the age is used.
    assert found == {"src/voicecoil/drivers/miniaudio/pulse_line.c"}


def test_waits_with_a_time_limit_use_the_helper() -> None:
    found = places(UNTIL, "src")
    assert [one for one in found if not one.startswith(f"{HELPER}:")] == []
    assert len(found) == 2  # in the helper: so the pattern still finds what it looks for


@pytest.mark.parametrize(
    "line",
    [
        "clock_gettime(CLOCK_REALTIME, &until);",
        "gettimeofday(&now, NULL);",
        "time_t now = time(0);",
    ],
)
def test_the_pattern_finds_readings(line: str) -> None:
    assert WALL_CLOCK.search(line)
