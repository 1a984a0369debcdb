"""``voicecoil doctor``: each test finds what it looks for, and says what is missing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from voicecoil.cli.app import run
from voicecoil.doctor import cable, disconnect, inputs, timing
from voicecoil.doctor.finding import Subject
from voicecoil.drivers.choose import get_driver
from voicecoil.files import FileSource
from voicecoil.testing import VirtualDevice, VirtualDriver


def subject(*devices: VirtualDevice, seconds: float = 0.2) -> Subject:
    driver = VirtualDriver(devices)
    return Subject(driver, driver.default("output"), driver.default("input"), seconds)


def looped(**options: Any) -> VirtualDevice:
    return VirtualDevice("Loop", clock="free", frames=64, loopback=True, **options)


@pytest.mark.parametrize("lag", [0, 1, 700, 9_000])
def test_a_burst_in_noise_is_found_at_its_frame(lag: int) -> None:
    heard = 0.02 * np.random.default_rng(2).standard_normal(20_000)
    heard[lag : lag + cable.BURST_FRAMES] += 0.3 * cable.burst()
    found, clear = cable.find_lag(heard, cable.burst())
    assert found == lag
    assert clear > cable.CLEAR


def test_noise_and_silence_are_no_burst() -> None:
    noise = np.random.default_rng(3).standard_normal(20_000)
    assert cable.find_lag(noise, cable.burst())[1] < cable.CLEAR
    assert cable.find_lag(np.zeros(20_000), cable.burst()) == (0, 0.0)


def tone(frames: int = 48_000) -> Any:
    wave = 0.2 * np.sin(2 * np.pi * np.arange(frames) / cable.TONE_PERIOD + 1.0)
    noise = 0.005 * np.random.default_rng(4).standard_normal(frames + 4_000)
    noise[2_000 : 2_000 + frames] += wave
    return noise


def test_a_tone_has_no_glitch() -> None:
    assert cable.find_glitches(tone()) == []


@pytest.mark.parametrize("fault", ["lost", "twice", "silence", "click"])
def test_a_glitch_is_found_where_it_is(fault: str) -> None:
    heard = tone()
    if fault == "lost":
        heard = np.delete(heard, range(20_000, 20_013))
    elif fault == "twice":
        heard = np.insert(heard, 20_000, heard[19_930:20_000])
    elif fault == "silence":
        heard[20_000:20_200] = 0
    else:
        heard[20_000] += 0.5
    found = cable.find_glitches(heard)
    assert len(found) == 1
    assert abs(found[0] - 20_000) <= 2 * cable.WINDOW


def test_the_round_trip_of_a_cable_is_the_reported_one() -> None:
    finding = cable.round_trip(subject(looped(latency_frames=(30, 50))))
    assert finding.verdict == "ok"
    assert finding.data["frames"] == finding.data["reported_frames"]
    ways = {(way["output"], way["input"]) for way in finding.data["ways"]}
    assert ways == {(1, 1), (2, 2)}


def test_without_a_cable_the_tests_that_need_one_are_skipped() -> None:
    device = VirtualDevice(clock="free", frames=64, loopback=False)
    assert cable.round_trip(subject(device)).verdict == "skipped"
    assert cable.glitches(subject(device)).verdict == "skipped"
    assert "output and an input" in cable.glitches(subject()).text


def test_no_glitch_in_a_loopback(tmp_path: Path) -> None:
    finding = cable.glitches(subject(looped()), tmp_path / "glitch.wav")
    assert (finding.verdict, finding.data["glitches"]) == ("ok", [])
    assert not (tmp_path / "glitch.wav").exists()


def test_the_last_glitch_is_kept(tmp_path: Path) -> None:
    kept = tmp_path / "glitch.wav"
    device = looped()
    device.inject("xrun", 100, at_frame=5_000)
    finding = cable.glitches(subject(device), kept)
    assert finding.verdict == "warning"
    assert finding.data["losses"]
    assert len(finding.data["glitches"]) == 1
    assert str(kept) in finding.text
    with FileSource(kept) as source:
        assert source.samplerate == 48_000
        assert source.frames > 5_000


def test_dead_input_channels_are_named() -> None:
    finding = inputs.channels(subject(VirtualDevice(clock="free", input_channels=3)))
    assert finding.verdict == "warning"
    assert finding.data["channels"] == ["zeros"] * 3
    assert finding.text.startswith("exact zeros on 1, 2, 3")


def test_callbacks_and_workload() -> None:
    device = VirtualDevice(frames=64)
    finding = timing.callbacks(subject(device))
    assert finding.verdict in ("ok", "warning")  # it depends on the machine
    assert finding.data["cycles"] > 10
    assert finding.data["cycle_s"] == pytest.approx(64 / 48_000)
    finding = timing.workload(subject(device))
    steps = finding.data["steps"]
    assert finding.data["reached"] == sum(not step["lost_frames"] for step in steps[:-1]) / 10 or (
        finding.data["reached"] == 0.9
    )


def test_a_device_that_is_unplugged_and_plugged_in_again() -> None:
    device = VirtualDevice(frames=64)
    asked = subject(device)
    told: list[str] = []

    def obey(instruction: str) -> None:
        told.append(instruction)
        if instruction.startswith("Unplug"):
            device.inject("unplug")
        else:
            device.replug()

    finding = disconnect.disconnect(asked, obey)
    assert finding.verdict == "ok", finding
    assert len(told) == 2
    refused = disconnect.disconnect(asked, lambda text: None, patience_s=0.2)
    assert refused.verdict == "skipped"


@pytest.fixture
def cabled() -> Iterator[None]:
    driver: Any = get_driver("virtual")
    before = list(driver.virtual_devices)
    driver.virtual_devices[:] = [looped()]
    yield
    driver.virtual_devices[:] = before


@pytest.mark.usefixtures("cabled")
def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["doctor", "--driver", "virtual", "--seconds", "0.2"]
    assert run([*options, "--tests", "round-trip, inputs", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    verdicts = {one["test"]: one["verdict"] for one in told["findings"]}
    assert verdicts["round-trip"] == "ok"
    assert verdicts["inputs"] == "warning"
    (device,) = [one for one in told["findings"] if one["test"] == "device"]
    assert device["text"].startswith("Loop: 2 in, 2 out, 48000 Hz")
    assert device["text"].endswith("default input, default output")
    assert device["data"]["samplerate"] == 48_000
    assert run([*options, "--tests", "glitches"]) == 0
    printed = capsys.readouterr().out
    assert "glitches          ok       0 glitches in 0.2 s" in printed
    assert run([*options, "--tests", "cables"]) == 2
    assert "there is no test 'cables'" in capsys.readouterr().err
