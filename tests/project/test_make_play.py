"""The output of `make play` on a virtual device."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile

from coded import coded
from paths import ROOT

RATE = 48_000


@pytest.fixture
def make_play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Runs tools/play.py with its files in another folder."""
    spec = importlib.util.spec_from_file_location("make_play", ROOT / "tools" / "play.py")
    assert spec is not None
    assert spec.loader is not None
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "HEARD", tmp_path / "heard.wav")
    return module


def write(path: Path, sound: np.ndarray) -> Path:
    soundfile.write(path, sound, RATE, "FLOAT")
    return path


def test_output_that_equals_the_source(
    make_play: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write(tmp_path / "source.wav", coded(0, 1000, 2))
    write(make_play.HEARD, coded(0, 1000, 2))
    assert make_play.compare(source) == 0
    assert capsys.readouterr().out == "heard.wav equals the source: 1000 frames, 2 channels\n"


def test_a_different_sample_is_reported(
    make_play: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sound = coded(0, 1000, 2)
    source = write(tmp_path / "source.wav", sound)
    sound[777, 1] = np.nextafter(sound[777, 1], np.float32(2.0))
    write(make_play.HEARD, sound)
    assert make_play.compare(source) == 1
    assert "DIFFERENT: first at frame 777, channel 1" in capsys.readouterr().out


@pytest.mark.parametrize("frames", [1, 999, 1001])
def test_another_length_is_reported(
    make_play: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], frames: int
) -> None:
    source = write(tmp_path / "source.wav", coded(0, 1000, 2))
    write(make_play.HEARD, coded(0, frames, 2))
    assert make_play.compare(source) == 1
    assert f"DIFFERENT: heard ({frames}, 2), the source has (1000, 2)" in capsys.readouterr().out


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
@pytest.mark.parametrize(
    "name", ["$(shell touch {})", "`touch {}`", "a $$b 'c\".flac", "$(touch {})"]
)
def test_the_name_of_the_file_is_not_run(tmp_path: Path, name: str) -> None:
    name = name.format(tmp_path / "run")
    say = f"{sys.executable} -c \"import os; print(os.environ['VOICECOIL_PLAY_FILE'])\" ;:"
    done = subprocess.run(
        ["make", "-s", "-C", ROOT, "play", f"FILE={name}", "PYTHON=:", f"IN_ENV={say}"],
        env={**os.environ, "MAKEFLAGS": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{name}\n"
    assert not (tmp_path / "run").exists()
