"""The benchmarks run without errors. Their results are not tested, because machines differ."""

from __future__ import annotations

import subprocess
import sys

import pytest

from paths import BENCHMARKS

RUN = BENCHMARKS / "run.py"


# On two processors with 30 busy programs, the run has taken 110 s. Alone it takes 10 s.
@pytest.mark.timeout(600)
def test_the_benchmarks_run() -> None:
    done = subprocess.run(
        [sys.executable, str(RUN), "--quick"], capture_output=True, text=True, timeout=580
    )
    assert done.returncode == 0, done.stderr
    assert "import voicecoil" in done.stdout
