"""The benchmarks run without errors. Their results are not tested, because machines differ."""

from __future__ import annotations

import subprocess
import sys

from paths import BENCHMARKS

RUN = BENCHMARKS / "run.py"


def test_the_benchmarks_run() -> None:
    done = subprocess.run(
        [sys.executable, str(RUN), "--quick"], capture_output=True, text=True, timeout=110
    )
    assert done.returncode == 0, done.stderr
    assert "import voicecoil" in done.stdout
