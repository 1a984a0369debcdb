"""A failed test does not let the next test fail."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from paths import ROOT, TESTS
from programs import DEADLINE_S

PROGRAM = """
import gc

class Leftover:
    def __init__(self):
        self.me = self  # only the garbage collector frees it

    def __del__(self):
        raise RuntimeError("left over")


def test_first():
    leftover = Leftover()
    assert {passes}


def test_second():
    gc.collect()
"""


@pytest.mark.parametrize(
    ("passes", "options", "failed", "printed"),
    [
        (False, [], "test_first", "1 failed, 1 passed"),
        (False, ["--reruns=1"], "test_first", "1 failed, 1 passed, 1 rerun"),
        (True, [], "test_second", "1 failed, 1 passed"),
    ],
)
def test_what_a_test_leaves_behind(
    tmp_path: Path, passes: bool, options: list[str], failed: str, printed: str
) -> None:
    program = tmp_path / "test_it.py"
    program.write_text(PROGRAM.format(passes=passes))
    options = ["-p", "no:cacheprovider", "-p", "conftest", *options]
    options += ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *options, str(program)],
        env={"PYTHONPATH": str(TESTS)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )
    assert f"FAILED test_it.py::{failed}" in done.stdout, done.stdout + done.stderr
    assert printed in done.stdout.splitlines()[-1], done.stdout + done.stderr
