"""The miniaudio driver on the ALSA library, with ALSA's plugin for PulseAudio in place of a sound
card.

ALSA is used like this in containers and on machines with a sound server. A real sound card would
have a clock of its own, which these tests do not cover.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pulse_contract import MonitoredContract, PulseRig, Shared
from servers.pulse import PulseServer

pytest.importorskip("_miniaudio", reason="NOT TESTED: the package miniaudio is not installed")
pytestmark = pytest.mark.realtime

CONFIGURATION = """
</usr/share/alsa/alsa.conf>
pcm.!default { type pulse }
ctl.!default { type pulse }
pcm.null0 {
    type pulse
    device null0
    hint { show on description "Null Output" }
}
"""


@pytest.fixture(scope="module")
def shared() -> Iterator[Shared]:
    if not any(Path("/usr/lib").glob("*/alsa-lib/libasound_module_pcm_pulse.so")):
        pytest.skip("NOT TESTED: ALSA's plugins are not installed (libasound2-plugins)")
    shared = Shared(PulseServer)
    yield shared
    shared.close()


@pytest.fixture
def rig(shared: Shared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PulseRig:
    configuration = tmp_path / "asound.conf"
    configuration.write_text(CONFIGURATION)
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(configuration))
    return PulseRig(*shared.get(monkeypatch), "alsa")


class TestAlsa(MonitoredContract):
    def test_one_that_takes_any_number_of_channels_has_two(self, rig: PulseRig) -> None:
        """ALSA's device "default" converts channels, so it accepts any number of channels."""
        for uid in ("alsa", "alsa:null0"):
            device = next(d for d in rig.driver.devices() if d.uid == uid)
            assert (device.input_channels, device.output_channels) == (2, 2)
            assert device.samplerate == 48_000

    def test_listing_devices_prints_nothing(self, rig: PulseRig) -> None:
        """When ALSA lists devices, it loads its plugins, and JACK's plugin prints messages."""
        command = [sys.executable, "-m", "voicecoil", "devices", "--driver", "miniaudio:alsa"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0
        assert done.stderr == ""
        assert "Null Output (ALSA)" in done.stdout
