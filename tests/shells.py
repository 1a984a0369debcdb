"""Runs the command `voicecoil` in a shell, for the tests of the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

COMMAND = [sys.executable, "-m", "voicecoil"]
ENV = {**os.environ, "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8", "COLUMNS": "80"}
ENV["VOICECOIL_DRIVER"] = "virtual"
ENV.pop("NO_COLOR", None)
needs_posix = pytest.mark.skipif(os.name != "posix", reason="needs a POSIX system")


def sine(frames: int) -> NDArray[np.float32]:
    wave = 0.5 * np.sin(np.arange(frames) * 0.05)
    return np.stack([wave, wave / 2], axis=1).astype(np.float32)


def shell(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        **{"capture_output": True, "text": True, "timeout": 60, "env": ENV, **options},
    )
