"""The voice agent, a recorder with pre-roll and a player on a real PulseAudio."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import voicecoil as vc
from coded import aligned, assert_coded, coded
from paths import EXAMPLES
from servers.pulse import Monitor, PulseServer
from voicecoil.files import open_source

pytest.importorskip("_miniaudio", reason="NOT TESTED: the package miniaudio is not installed")
pytestmark = pytest.mark.realtime

DRIVER = "miniaudio:pulse"


@pytest.fixture(scope="module")
def server() -> Iterator[PulseServer]:
    server = PulseServer()
    server.control("set-default-source", "null0.monitor")
    yield server
    server.close()


@pytest.fixture(scope="module")
def monitor(server: PulseServer) -> Monitor:
    return Monitor(server)


def run(server: PulseServer, code: str) -> str:
    """Runs a program whose default driver is PulseAudio. Returns what it has printed."""
    before = f"import sys; sys.path.insert(0, {str(EXAMPLES)!r})\n"
    done = subprocess.run(
        [sys.executable, "-c", before + code],
        env={**os.environ, **server.processes.env, **server.env, "VOICECOIL_DRIVER": DRIVER},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_the_voice_agent_speaks_and_knows_the_words(server: PulseServer, monitor: Monitor) -> None:
    code = """
import asyncio, voice_agent
marks = []
async def main():
    interruption = asyncio.Event()
    loop = asyncio.get_running_loop()
    def on_mark(mark):
        marks.append(mark)
        if len(marks) == 3:
            loop.call_soon_threadsafe(interruption.set)
    print(*await voice_agent.agent(voice_agent.WORDS * 20, interruption, on_mark=on_mark))
asyncio.run(main())
"""
    monitor.reset()
    words = run(server, code).split()
    assert words[:3] == ["I", "can", "tell"]
    assert len(words) < 13 * 20
    heard = monitor.heard()
    assert 0.2 < np.abs(heard).max() < 0.3


def test_the_pre_roll_begins_before_the_sound(server: PulseServer, tmp_path: Path) -> None:
    path = tmp_path / "said.wav"
    code = f"""
import numpy as np, pre_roll, voicecoil as vc
loud = np.full(48_000 * 5, 0.2, np.float32)
loud[: 48_000 * 4] = 0.01  # the recorder has begun before
playback = vc.play(loud, 48_000)
pre_roll.main({str(path)!r})
playback.stop()
"""
    assert str(path) in run(server, code)
    with open_source(path) as source:
        sound = np.abs(source.read(100_000)[:, 0])
    first_loud = int(np.argmax(sound > 0.1))
    assert 0 < first_loud <= 16_000 * 0.5, "half a second came before the loud sound"
    assert np.count_nonzero(sound > 0.1) > 16_000 * 0.5


def test_a_player_plays_each_frame_once(
    server: PulseServer, monitor: Monitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.use(monkeypatch)
    monitor.reset()
    frames = 24_000  # fewer than the prebuffer, so that they begin when they are complete
    with vc.Player(driver=DRIVER, samplerate=48_000, channels=2, prebuffer_s=1.0) as player:
        player.mark("begin")
        for begin in range(0, frames, 997):
            player.write(coded(begin, min(997, frames - begin), 2))
        player.mark("end")
        assert player.drain(60)
        assert [mark.name for mark in player.marks_heard] == ["begin", "end"]
        assert player.heard_frames == frames
    assert_coded(aligned(monitor.heard()))
