"""Each sound counts its samples that are NaN or infinite."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rig import Rig
from voicecoil.files import FileSink

RATE = 48_000


def broken(frames: int, dtype: type = np.float32) -> np.ndarray:
    sound = np.full((frames, 2), 0.25, dtype)
    sound[10, 0], sound[20, 1], sound[30, 0] = np.nan, np.inf, -np.inf
    return sound


@pytest.mark.parametrize("kind", ["array", "float64", "file"])
def test_a_sound_counts_its_own_nonfinite_samples(rig: Rig, tmp_path: Path, kind: str) -> None:
    other = rig.play(np.full((1000, 2), 0.25, np.float32), RATE)
    if kind == "file":
        with FileSink(tmp_path / "a.wav", RATE, 2) as sink:
            sink.write(broken(1000))
        playback = rig.play(tmp_path / "a.wav")
    elif kind == "float64":
        sound = broken(1000, np.float64)
        sound[40, 0] = 1e300  # too large for float32
        with np.errstate(over="ignore"):
            playback = rig.play(sound, RATE)
    else:
        playback = rig.play(broken(1000), RATE)
    rig.play_out(playback)
    assert playback.nonfinite_samples == (4 if kind == "float64" else 3)
    assert other.nonfinite_samples == 0
    assert np.isfinite(rig.heard).all()
