"""The same programs on sounddevice and on voicecoil.sounddevice, on one PulseAudio server.

The programs are in examples_shapes.py. They run unchanged in processes of their own: with the real
sounddevice, and with ``voicecoil run --as-sounddevice``. What they print must be the same, and a
program of the server records what is heard.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from coded import aligned
from servers.pulse import Monitor, PulseServer

pytestmark = pytest.mark.realtime

PROGRAMS = Path(__file__).with_name("examples_shapes.py")
OURS = ["-m", "voicecoil", "run", "--as-sounddevice", "--driver", "miniaudio:pulse"]
LIMIT_S = 100


class Seen:
    """What one library has done: the lines that the programs printed, and the heard frames."""

    def __init__(self, server: PulseServer, folder: Path, words: list[str]) -> None:
        monitor = Monitor(server)
        command = [sys.executable, *words, str(PROGRAMS), str(folder)]
        done = subprocess.run(
            command,
            env={**os.environ, **server.processes.env, **server.env},
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        self.lines: dict[str, Any] = dict(json.loads(line) for line in done.stdout.splitlines())
        self.errors = done.stderr
        self.sent: NDArray[np.float32] = np.load(folder / "sent.npy")
        self.heard = aligned(monitor.heard())


@pytest.fixture(scope="module")
def server() -> Iterator[PulseServer]:
    server = PulseServer()
    yield server
    server.close()


@pytest.fixture(scope="module")
def ours(server: PulseServer, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return Seen(server, tmp_path_factory.mktemp("ours"), OURS)


@pytest.fixture(scope="module")
def theirs(server: PulseServer, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    probe = [sys.executable, "-c", "import sounddevice"]
    if subprocess.run(probe, capture_output=True).returncode:
        pytest.skip("NOT TESTED: sounddevice cannot be imported (apt install libportaudio2)")
    return Seen(server, tmp_path_factory.mktemp("theirs"), [])


def test_each_program_returns_the_same(ours: Seen, theirs: Seen) -> None:
    assert ours.lines == theirs.lines
    assert len(ours.lines) == 16
    assert not [line for line in ours.lines.values() if str(line).startswith("raised")]


def test_all_frames_of_all_programs_are_heard_in_order(ours: Seen) -> None:
    assert np.array_equal(ours.heard, ours.sent)
    assert ours.errors == ""


def test_sounddevice_plays_the_same_frames(ours: Seen, theirs: Seen) -> None:
    assert np.array_equal(theirs.sent, ours.sent)
    # PortAudio drops the ends of sounds, a quarter of all frames. The rest is in order.
    codes = [np.round(seen.heard[:, 0] * 2**19).astype(int) for seen in (theirs, ours)]
    assert (np.diff(codes[0]) > 0).all()
    assert set(codes[0]) <= set(codes[1])
    assert len(codes[0]) > 0.5 * len(codes[1])
