"""The examples run, and the short ones have at most fifteen lines."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coreaudio import simulator_path
from paths import EXAMPLES
from voicecoil.files import open_source
from voicecoil.testing.simulated_driver import DEVICES
from voicecoil.testing.simulator_library import ENVIRONMENT

# Runs an example with shorter sleeps and one of the virtual devices below, and prints whether the
# example has imported NumPy.
RUN = """
import os, pathlib, runpy, sys, time
sleep = time.sleep
time.sleep = lambda seconds: sleep(min(seconds, 0.1))
sys.argv = sys.argv[1:]
sys.path.insert(0, str(pathlib.Path(sys.argv[0]).parent))
if devices := os.environ.get("EXAMPLE_DEVICES"):
    from voicecoil.drivers.choose import get_driver
    from voicecoil.testing import VirtualDevice
    get_driver("virtual").virtual_devices[:] = [
        VirtualDevice(name, input_channels=inputs, output_channels=outputs, samplerate=rate)
        for name, inputs, outputs, rate in eval(devices)
    ]
names = runpy.run_path(sys.argv[0], run_name="__main__")
print(names.get("position"), "numpy" in sys.modules)
"""
# (name, inputs, outputs, samplerate)
HEADSET = [("Headset", 1, 2, 44_100)]
INTERFACE = [("Interface", 4, 2, 48_000)]
MACBOOK = [("Mic", 1, 0, 48_000), ("Speakers", 0, 2, 48_000)]
DRIVERS = ["virtual", "coreaudio-simulated"]


def environment(driver: str, devices: Any) -> dict[str, str]:
    """Returns the variables of a process whose default driver has these devices."""
    variables = {**os.environ, "VOICECOIL_DRIVER": driver}
    if driver == "virtual":
        return {**variables, "EXAMPLE_DEVICES": repr(devices)}
    texts = []
    for name, inputs, outputs, rate in devices:
        channels = f"in={inputs}; " * bool(inputs) + f"out={outputs}; " * bool(outputs)
        loop = "; loopback=1" * bool(inputs and outputs)
        texts.append(f"uid={name}; name={name}; {channels}rate={rate}; rates={rate}{loop}")
    return {**variables, ENVIRONMENT: simulator_path(), DEVICES: "|".join(texts)}


def run(name: str, *arguments: str, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", RUN, str(EXAMPLES / name), *arguments],
        env=env,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize(("name", "needs_numpy"), [("sine.py", True), ("sine_plain.py", False)])
def test_the_sines_run(name: str, needs_numpy: bool) -> None:
    position, numpy = run(name).split()
    assert int(position) > 0
    assert numpy == str(needs_numpy)


@pytest.mark.parametrize("name", ["sine.py", "sine_plain.py"])
def test_the_sines_are_short(name: str) -> None:
    assert len((EXAMPLES / name).read_text().splitlines()) <= 15


def test_the_music_renders(tmp_path: Path) -> None:
    path = tmp_path / "music.wav"
    run("music.py", str(path))
    with open_source(path) as source:
        assert source.samplerate == 48_000
        assert source.frames == 13 * 48_000
        sound = source.read(13 * 48_000)
    peaks = np.abs(sound).reshape(13, -1).max(axis=1)
    assert (peaks[:12] > 0.05).all(), "each second sounds"
    assert peaks.max() < 1, "no sample clips"
    assert np.abs(sound[-100:]).max() < 0.01, "the end is faded out"


def test_the_music_refuses_a_file_before_it_renders(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "music.py"), str(tmp_path / "music.xyz")],
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("music.py: cannot write")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("metronome.py", ["fast"], "argument BPM: invalid float value: 'fast'"),
        ("metronome.py", ["0"], "BPM is 0; give 1 to 1000"),
        ("metronome.py", ["120", "4.5"], "argument BEATS: invalid int value: '4.5'"),
        ("sampler.py", ["long"], "argument seconds: invalid float value: 'long'"),
        ("fm_busy.py", ["long"], "argument seconds: invalid float value: 'long'"),
        ("voice_streams.py", ["long"], "argument seconds: invalid float value: 'long'"),
        ("two_devices.py", ["", "", "long"], "argument seconds: invalid float value: 'long'"),
        ("record_inputs.py", ["no.wav", "long"], "argument seconds: invalid float value: 'long'"),
    ],
)
def test_a_wrong_argument_is_named_in_one_sentence(
    name: str, arguments: list[str], message: str
) -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments],
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == f"{name}: error: {message}"


@pytest.mark.parametrize(
    "name",
    [
        *("sine", "sine_plain", "isolated", "isolated_bell", "music", "fm_busy"),
        *("two_devices", "voice_streams", "record_inputs", "pre_roll"),
    ],
)
def test_nothing_sounds_when_an_example_is_imported(name: str) -> None:
    code = f"""
import sys, threading
sys.path.insert(0, {str(EXAMPLES)!r})
sys.modules["time"].sleep = None  # to play is to sleep
import {name}
print(threading.active_count())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100)
    assert (done.stdout, done.stderr) == ("1\n", "")


@pytest.mark.skipif(sys.version_info < (3, 12), reason="isolated=True needs Python 3.12")
def test_the_bell_rings() -> None:
    xruns, last = run("isolated.py").splitlines()
    assert xruns.startswith("xruns: ")
    assert last == "3 False"


@pytest.mark.parametrize("driver", DRIVERS)
def test_the_synthesizer_plays_beside_a_busy_loop(driver: str) -> None:
    said, last = run("fm_busy.py", "1", env=environment(driver, INTERFACE)).splitlines()
    _, lead_ms = re.findall("[0-9]+", said)
    assert 60 <= int(lead_ms) <= 500
    assert int(last.split()[0]) > 0, "the callback was called"


@pytest.mark.parametrize("driver", DRIVERS)
def test_the_streams_of_a_voice_agent_run(driver: str) -> None:
    ear, mouth, said, last = run(
        "voice_streams.py", "0.5", env=environment(driver, HEADSET)
    ).splitlines()
    assert ear == "16000 Hz on a device at 44100 Hz"
    assert mouth == "24000 Hz on a device at 44100 Hz"
    assert said.startswith("heard ")
    assert int(last.split()[0]) > 0


@pytest.mark.parametrize("driver", DRIVERS)
def test_an_effect_runs_over_two_devices(driver: str) -> None:
    lines = run("two_devices.py", "", "", "0.3", env=environment(driver, MACBOOK)).splitlines()
    assert lines[0] == "Mic + Speakers"
    assert int(lines[-1].split()[0]) > 0


@pytest.mark.parametrize("driver", DRIVERS)
def test_an_impulse_response_has_six_lines_and_begins_with_the_impulse(driver: str) -> None:
    assert len((EXAMPLES / "impulse_response.py").read_text().splitlines()) <= 6
    assert run("impulse_response.py", env=environment(driver, INTERFACE)).startswith("0 0.5\n")


@pytest.mark.parametrize("driver", DRIVERS)
def test_inputs_3_and_4_are_recorded(driver: str, tmp_path: Path) -> None:
    path = tmp_path / "take.flac"
    last = run("record_inputs.py", str(path), "0.3", env=environment(driver, INTERFACE))
    with open_source(path) as source:
        assert (source.channels, source.samplerate) == (2, 48_000)
        assert source.frames == int(last.splitlines()[-1].split()[0]) > 0


def test_every_example_is_run_here() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == {
        "echo_canceller.py",
        "fm_busy.py",
        "impulse_response.py",
        "isolated.py",
        "isolated_bell.py",
        "metronome.py",  # in tests/live/test_mixer_examples.py
        "music.py",
        "network_audio.py",  # in tests/live/test_network_audio.py
        "pre_roll.py",
        "raw_audio_file.py",  # in tests/hal/test_raw.py
        "record_inputs.py",
        "sampler.py",  # in tests/live/test_mixer_examples.py
        "sine.py",
        "sine_plain.py",
        "two_devices.py",
        "voice_agent.py",  # in tests/live/test_voice_agent.py
        "voice_streams.py",
    }


@pytest.mark.parametrize("driver", DRIVERS)
def test_the_pre_roll_saves_what_came_before(driver: str, tmp_path: Path) -> None:
    """The example hears itself: a second thread plays a sound that becomes loud after 0.8 s."""
    code = f"""
import sys, threading, time
import numpy as np
sys.path.insert(0, {str(EXAMPLES)!r})
import pre_roll, voicecoil as vc
quiet, loud = np.full(4800 * 8, 0.01), np.full(4800 * 3, 0.2)
playback = vc.play(np.concatenate([quiet, loud]).astype("float32"), 48_000)
pre_roll.main({str(tmp_path / "said.wav")!r})
playback.stop()
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(driver, INTERFACE),
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert "lost frames: 0" in done.stdout
    with open_source(tmp_path / "said.wav") as source:
        sound = np.abs(source.read(100_000)[:, 0])
    first_loud = int(np.argmax(sound > 0.1))
    # The half second ends when the program looks, which is later on a busy machine.
    assert 0 < first_loud <= 16_000 * 0.5, "half a second came before the loud sound"
    assert np.count_nonzero(sound > 0.1) == pytest.approx(16_000 * 0.3, rel=0.05)


def test_the_echo_canceller_cancels_the_echo() -> None:
    pytest.importorskip("pywebrtc_audio", reason="NOT TESTED: pywebrtc-audio is not installed")
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "echo_canceller.py"), "--cable"],
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    (decibels,) = re.findall(r"is ([0-9.]+) dB lower", done.stdout)
    assert float(decibels) > 40
