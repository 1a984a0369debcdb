"""The examples run, and the short ones have at most fifteen lines."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from paths import EXAMPLES
from voicecoil.files import open_source

# Runs an example with shorter sleeps, and prints whether the example has imported NumPy.
RUN = """
import pathlib, runpy, sys, time
sleep = time.sleep
time.sleep = lambda seconds: sleep(min(seconds, 0.1))
sys.argv = sys.argv[1:]
sys.path.insert(0, str(pathlib.Path(sys.argv[0]).parent))
names = runpy.run_path(sys.argv[0], run_name="__main__")
print(names.get("position"), "numpy" in sys.modules)
"""


def run(name: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", RUN, str(EXAMPLES / name), *arguments],
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
    "name", ["sine", "sine_plain", "isolated", "isolated_bell", "music", "fm_busy"]
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


def test_the_synthesizer_plays_beside_a_busy_loop() -> None:
    said, last = run("fm_busy.py", "1").splitlines()
    _, lead_ms = re.findall("[0-9]+", said)
    assert 60 <= int(lead_ms) <= 500
    assert int(last.split()[0]) > 0, "the callback was called"


def test_every_example_is_run_here() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == {
        "fm_busy.py",
        "isolated.py",
        "isolated_bell.py",
        "music.py",
        "sine.py",
        "sine_plain.py",
    }
