"""The examples of docs/testing.md run and pass as tests."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from coreaudio import simulator_path
from paths import ROOT
from voicecoil.testing.simulator_library import ENVIRONMENT

PAGE = (ROOT / "docs" / "testing.md").read_text()


def test_the_examples_run(tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    program = tmp_path / "test_page.py"
    program.write_text("\n\n".join(blocks))
    run = subprocess.run(
        [sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider", program],
        cwd=tmp_path,
        env={**os.environ, ENVIRONMENT: simulator_path()},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    examples = len(re.findall(r"^def test_", PAGE, re.MULTILINE))
    seeds = 4  # the number of seeds in addition to the first
    assert f"{examples + seeds} passed" in run.stdout
