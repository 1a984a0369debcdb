"""If a part of the test run cannot run, the report does not say that it has passed."""

from __future__ import annotations

import importlib
import os
import shlex
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from paths import ROOT

NOT_RUN = 77
SKIPS = """
import pytest

def test_of_a_server():
    pytest.skip("NOT TESTED: jackd not installed")

def test_of_numba():
    pytest.importorskip("no_numba_at_all", reason="NOT TESTED: numba is not installed")

def test_of_another_platform():
    pytest.skip("only on macOS")
"""


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delitem(sys.modules, "test", raising=False)  # Python also has a package `test`
    module = importlib.import_module("test")
    monkeypatch.delitem(sys.modules, "test")
    return module


def step(runner: ModuleType, *codes: int) -> object:
    exits = [[sys.executable, "-c", f"raise SystemExit({code})"] for code in codes]
    made = runner.Step("a step", *exits)
    made.run()
    return made


@pytest.mark.parametrize(
    ("codes", "result", "exit_code", "exit_code_in_ci"),
    [
        ([0, 0], "passed", 0, 0),
        ([0, NOT_RUN], "not run", 0, 1),
        ([NOT_RUN, 0], "not run", 0, 1),
        ([NOT_RUN, 1], "failed", 1, 1),
        ([1, NOT_RUN], "failed", 1, 1),
    ],
)
def test_a_step_that_cannot_run_is_counted_as_not_run_and_fails_in_ci(
    runner: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    codes: list[int],
    result: str,
    exit_code: int,
    exit_code_in_ci: int,
) -> None:
    made = step(runner, *codes)
    assert made.result == result  # type: ignore[attr-defined]
    assert runner.summary([made]) == exit_code
    count = dict.fromkeys(["passed", "failed", "not run"], 0) | {result: 1}
    said = ", ".join(f"{number} {name}" for name, number in count.items())
    assert capsys.readouterr().out.splitlines()[-1] == said
    monkeypatch.setenv("CI", "true")
    assert runner.summary([made]) == exit_code_in_ci


def test_the_summary_ends_with_the_commands_that_failed(
    runner: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before, a reader had to search thousands of lines for the command to repeat."""
    good, bad = "raise SystemExit(0)", """raise SystemExit("it's wrong")"""
    made = runner.Step("two commands", [sys.executable, "-c", good], [sys.executable, "-c", bad])
    made.run()
    runner.summary([made])
    said = capsys.readouterr().out
    assert said.count("to repeat: ") == 1
    command = said.partition("to repeat: ")[2].splitlines()[0]
    assert shlex.split(command) == [sys.executable, "-c", bad]


def test_newer_pythons_without_debootstrap_are_not_run(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "newer_pythons.py"), "--only", "3.13t"],
        env={**os.environ, "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == NOT_RUN, done.stderr
    assert "NOT TESTED: Python 3.13t" in done.stdout


@pytest.mark.parametrize(
    ("options", "failed", "skipped"),
    [([], 0, 3), (["--require"], 2, 1), (["--require", "--may-lack", "numba"], 1, 2)],
)
def test_a_skip_as_not_tested_fails_with_require(
    tmp_path: Path, options: list[str], failed: int, skipped: int
) -> None:
    (tmp_path / "test_skips.py").write_text(SKIPS)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = realtime\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "conftest", *options, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    counted = f"{failed} failed, {skipped} skipped" if failed else f"{skipped} skipped"
    assert f"\n{counted} in" in done.stdout, done.stdout + done.stderr
