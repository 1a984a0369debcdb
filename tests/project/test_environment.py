"""tools/environment.py prints clear messages if it cannot begin."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

from paths import TOOLS

sys.path.insert(0, str(TOOLS))
import environment

TOOL = TOOLS / "environment.py"
# Simulates an old interpreter, which has no tomllib.
OLDER = """
import runpy, sys
sys.version_info = (3, 10, 13)
sys.modules["tomllib"] = None
sys.argv = [{tool!r}, "build/no-environment"]
runpy.run_path({tool!r}, run_name="__main__")
"""


def said(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr


def test_nothing_but_an_environment_is_cleared(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    assert "would be deleted" in said(str(TOOL), str(tmp_path))
    assert "no virtual environment" in said(str(TOOL), str(tmp_path / "thesis.txt"))
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_an_older_python_gets_a_message() -> None:
    assert "needs Python 3.11 or later" in said("-c", OLDER.format(tool=str(TOOL)))


def test_an_environment_without_pip_is_made_anew(tmp_path: Path) -> None:
    """An interrupted set-up leaves such an environment."""
    venv.create(tmp_path, with_pip=False)
    assert not environment.is_of_this_python(tmp_path)
    venv.create(tmp_path, with_pip=True)
    assert environment.is_of_this_python(tmp_path)
