"""tools/mac_loopback.py, which runs on real Macs, on the simulated CoreAudio."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from coreaudio import simulator_path
from paths import ROOT

PROGRAM = ROOT / "tools" / "mac_loopback.py"


def test_every_home_passes_on_the_simulated_coreaudio() -> None:
    command = [sys.executable, str(PROGRAM), "--device", "Loopback", "--seconds", "0.2"]
    done = subprocess.run(
        [*command, "--driver", "coreaudio-simulated"],
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, "VOICECOIL_COREAUDIO_SIMULATOR": simulator_path()},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    passed = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("passed")]
    assert {"low", "safe"} <= set(passed)
    assert done.stdout.splitlines()[-1].startswith(f"{len(passed)} passed, 0 failed")


@pytest.fixture(scope="module")
def program() -> Any:
    spec = importlib.util.spec_from_file_location("mac_loopback", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def numbered(program: Any, *numbers: int) -> Any:
    wave = (np.array(numbers, np.float64)[:, None] + 1) * program.SCALE
    return np.concatenate([np.zeros((3, 2)), np.repeat(wave, 2, axis=1)]).astype(np.float32)


def test_faults_are_found(program: Any) -> None:
    assert program.faults(numbered(program, 5, 6, 7), 0) == []
    assert program.faults(numbered(program, 5, 8, 9), 2) == []
    assert program.faults(numbered(program, 5, 8, 9), 1) == [
        "2 frames are missing, and 1 are reported"
    ]
    assert "repeated" in program.faults(numbered(program, 5, 6, 6, 7), 0)[0]
    assert "volume" in program.faults(numbered(program, 4, 6, 8) * np.float32(0.7), 99)[0]
    assert program.faults(np.zeros((9, 2), np.float32), 0) == ["nothing came back"]
    swapped = numbered(program, 5, 6)
    swapped[-1, 1] = 0.5
    assert program.faults(swapped, 0) == ["the two channels differ"]
