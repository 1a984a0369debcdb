"""The output of ``voicecoil play`` on simulated devices of CoreAudio equals the file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from coreaudio import simulator_path
from voicecoil.conversion import as_source, converted, read_all
from voicecoil.files import FileSink
from voicecoil.testing.simulated_driver import DEVICES
from voicecoil.testing.simulator_library import ENVIRONMENT


@pytest.mark.parametrize("rates", ["48000", "44100", "44100,48000"])
@pytest.mark.parametrize("streams", ["2", "2,2", "2,2,8", "1,1"])
def test_a_file_is_heard_as_it_is(streams: str, rates: str, tmp_path: Path) -> None:
    source, heard_file = tmp_path / "source.wav", tmp_path / "heard.wav"
    sound = np.linspace(-0.9, 0.9, 2 * 30_000, dtype=np.float32).reshape(-1, 2)
    with FileSink(source, 48_000.0, 2) as sink:
        sink.write(sound)
    done = subprocess.run(
        [sys.executable, "-m", "voicecoil", "play", "--heard", heard_file, "--", source],
        env={
            **os.environ,
            "VOICECOIL_DRIVER": "coreaudio-simulated",
            ENVIRONMENT: simulator_path(),
            DEVICES: f"uid=simulated; out={streams}; rates={rates}",
        },
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    heard_source = as_source(heard_file)
    rate, heard = heard_source.samplerate, read_all(heard_source)
    assert rate == int(rates.split(",")[0]), "the rate of the device is unchanged"
    assert heard.shape[1] == sum(map(int, streams.split(",")))
    assert np.array_equal(heard, read_all(converted(as_source(source), rate, heard.shape[1])))
    assert np.abs(heard).max() > 0.8
