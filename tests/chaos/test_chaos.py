"""Seeds of chaos.py, in processes of their own, so that a crash or a hang names its seed.

``VOICECOIL_CHAOS=1-200`` chooses the seeds, and ``VOICECOIL_CHAOS_EVENTS`` the events of each.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from coreaudio import simulator_path

PROGRAM = Path(__file__).with_name("chaos.py")
AT_ONCE = 10
EVENTS = os.environ.get("VOICECOIL_CHAOS_EVENTS", "60")


def chunks() -> list[list[int]]:
    first, _, last = os.environ.get("VOICECOIL_CHAOS", "1-200").partition("-")
    seeds = list(range(int(first), int(last or first) + 1))
    return [seeds[at : at + AT_ONCE] for at in range(0, len(seeds), AT_ONCE)]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seeds", chunks(), ids=lambda seeds: f"{seeds[0]}-{seeds[-1]}")
def test_sound_flows_again_after_chaos(seeds: list[int]) -> None:
    simulator_path()
    done = subprocess.run(
        [sys.executable, str(PROGRAM), *map(str, seeds), "--events", EVENTS],
        capture_output=True,
        text=True,
        timeout=580,
    )
    passed = [line for line in done.stdout.splitlines() if line.endswith(": passed")]
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
    assert len(passed) == len(seeds)


def test_the_same_seed_gives_the_same_events_and_any_part_of_them_runs() -> None:
    command = [sys.executable, str(PROGRAM), "5", "--events", "40", "--trace"]
    whole, part = (
        subprocess.run([*command, *more], capture_output=True, text=True, timeout=200)
        for more in ([], ["--only", "3,17,29"])
    )
    assert whole.returncode == part.returncode == 0, part.stderr
    lines = [line.split()[-1] for line in whole.stdout.splitlines() if line[:4].strip().isdigit()]
    assert len(lines) == 40
    kept = [line.split()[-1] for line in part.stdout.splitlines() if line[:4].strip().isdigit()]
    assert kept == [lines[3], lines[17], lines[29]]
