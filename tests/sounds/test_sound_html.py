"""Recordings and measurements in notebooks."""

from __future__ import annotations

import base64
import io
import re
import xml.etree.ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import voicecoil as vc
from rig import Rig, until
from voicecoil.drivers.virtual.driver import VirtualDevice
from voicecoil.sounds import sound_html


def player(html: str) -> tuple[Any, int]:
    (data,) = re.findall(r'src="data:audio/wav;base64,([^"]+)"', html)
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(data)), dtype="int16")
    return samples, rate


def paths(html: str) -> list[str]:
    (svg,) = re.findall(r"<svg.*?</svg>", html, re.DOTALL)
    return [path.attrib["d"] for path in xml.etree.ElementTree.fromstring(svg)]


@pytest.mark.parametrize("kind", ["array", "integers", "file"])
def test_a_recording_has_its_waveform_and_a_player(rig: Rig, tmp_path: Path, kind: str) -> None:
    options: dict[str, Any] = {"dtype": "int16"} if kind == "integers" else {}
    take = rig.record(tmp_path / "a.wav" if kind == "file" else None, **options)
    sound = np.stack([np.full(640, 0.5), np.full(640, -0.25)], axis=1).astype(np.float32)
    playback = rig.play(sound, 48_000)
    rig.step(12)
    html = take._repr_html_()
    assert "recording" in html
    assert "<svg" not in html
    assert ("file" in html) is (kind == "file"), "no row without a value"
    take.stop()
    playback.stop(0)
    html = take._repr_html_()
    assert "display: block" in html, "the player is below the waveform"
    samples, rate = player(html)
    assert rate == 48_000
    assert samples.shape == (768, 2)
    assert (samples[128:] == [2**14, -(2**13)]).all()
    upper, lower = paths(html)
    # A row is 60 pixels high. The last column is a line from the highest to the lowest sample.
    assert upper.endswith("M599.5 14.5V15.5")
    assert lower.endswith("M599.5 97.0V98.0")


def test_a_long_recording_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig()
    monkeypatch.setattr(sound_html, "MAX_AUDIO_BYTES", 400)
    take = rig.record()
    rig.step(100)
    take.stop()
    html = take._repr_html_()
    assert len(player(html)[0]) == 100
    assert "the first 0.00208 s" in html
    assert len(html) < 40_000


def test_names_are_escaped_and_an_empty_recording_is_a_table(tmp_path: Path) -> None:
    rig = Rig()
    rig.device = VirtualDevice("<b>&", clock="stepped", frames=64)
    rig.driver.virtual_devices[:] = [rig.device]
    take = rig.record()
    take.stop()
    html = take._repr_html_()
    assert "&lt;b&gt;&amp;" in html
    assert "<svg" not in html
    take = rig.record(tmp_path / "a.wav")
    rig.step(2)
    take.stop()
    (tmp_path / "a.wav").unlink()
    assert "<svg" not in take._repr_html_()


def test_a_measurement_has_its_waveform_after_wait(rig: Rig) -> None:
    measurement = vc.playrec(
        np.full(640, 0.5, np.float32), 48_000, input_channels=1, driver=rig.driver
    )
    assert "<audio" not in measurement._repr_html_()
    until(lambda: not measurement.recording or rig.step() is not None)
    measurement.wait(10)
    html = measurement._repr_html_()
    assert (player(html)[0] == 2**14).all()
    assert len(paths(html)) == 1
    assert '<td style="text-align: left">True</td>' in html
