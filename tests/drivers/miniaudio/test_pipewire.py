"""The miniaudio driver on a real PipeWire: as a client of PulseAudio, and of JACK."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from coded import assert_coded
from paths import TESTS
from pulse_contract import PulseContract, PulseRig, Shared
from servers.pipewire import JACK_FOLDERS, PipeWireServer

pytest.importorskip("_miniaudio", reason="NOT TESTED: the package miniaudio is not installed")
pytestmark = pytest.mark.realtime


@pytest.fixture(scope="module")
def shared() -> Iterator[Shared]:
    shared = Shared(PipeWireServer)
    yield shared
    shared.close()


@pytest.fixture
def rig(shared: Shared, monkeypatch: pytest.MonkeyPatch) -> PulseRig:
    return PulseRig(*shared.get(monkeypatch))


class TestPipeWire(PulseContract):
    pass


PLAY = """
import sys
sys.path.insert(0, sys.argv[1])
import voicecoil as vc
from coded import coded
device, = vc.devices("miniaudio:jack")
print(device.name, device.output_channels, device.samplerate)
vc.play(coded(0, 20_000, 2), 48_000, driver="miniaudio:jack").wait()
"""


def test_a_client_of_jack_plays_sample_for_sample(rig: PulseRig) -> None:
    """PipeWire has a libjack of its own, which a process must load in place of JACK's."""
    folder = next((folder for folder in JACK_FOLDERS if os.path.isdir(folder)), None)
    if folder is None:
        pytest.skip("NOT TESTED: PipeWire's libjack is not installed (pipewire-jack)")
    tests = str(TESTS)
    done = subprocess.run(
        [sys.executable, "-c", PLAY, tests],
        env={**os.environ, "LD_LIBRARY_PATH": folder},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout == "JACK 2 48000.0\n"
    heard = rig.heard()
    assert_coded(heard)
    assert len(heard) == 20_000
