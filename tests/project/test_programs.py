"""A program that hangs in a test shows the stacks of its threads."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import programs

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGABRT to send")

HANGS = """
import threading
def waits_for_nobody():
    threading.Event().wait()
threading.Thread(target=waits_for_nobody).start()
"""


@pytest.fixture
def hangs(tmp_path: Path) -> str:
    (tmp_path / "hangs.py").write_text(HANGS)
    return str(tmp_path / "hangs")


def test_a_new_interpreter_that_hangs_shows_its_stacks(hangs: str) -> None:
    ended = programs.run_fresh(hangs, deadline_s=4.0)
    assert ended.code == programs.HUNG
    assert "in waits_for_nobody" in ended.stderr


def test_a_fork_that_hangs_shows_its_stacks(hangs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "DEADLINE_S", 4.0)
    (ended,) = programs.run_forks(1, 1, hangs)
    assert ended.code == programs.HUNG
    assert "in waits_for_nobody" in ended.stderr
