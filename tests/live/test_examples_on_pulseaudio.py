"""The examples and a player on a real PulseAudio, judged by the frames of a sink's monitor."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import voicecoil as vc
from coded import aligned, assert_coded, coded
from mixer_examples import check_metronome, check_sampler
from paths import EXAMPLES
from rig import until
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


def environment(server: PulseServer) -> dict[str, str]:
    """Returns the variables of a process whose default driver is PulseAudio."""
    return {**os.environ, **server.processes.env, **server.env, "VOICECOIL_DRIVER": DRIVER}


def run(server: PulseServer, code: str) -> str:
    """Runs a program whose default driver is PulseAudio. Returns what it has printed."""
    before = f"import sys; sys.path.insert(0, {str(EXAMPLES)!r})\n"
    done = subprocess.run(
        [sys.executable, "-c", before + code],
        env=environment(server),
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


def test_the_beats_of_the_metronome_are_exact_to_the_frame(
    server: PulseServer, monitor: Monitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.use(monkeypatch)
    monitor.reset()
    check_metronome(DRIVER, monitor.heard, monkeypatch)


def test_200_voices_of_the_sampler_begin_at_their_frames(
    server: PulseServer, monitor: Monitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.use(monkeypatch)
    monitor.reset()
    check_sampler(DRIVER, monitor.heard)


BURSTS, SPACE_FRAMES = 12, 12_000


def bursts(frames: NDArray[np.float32]) -> list[tuple[int, int]]:
    """Returns the number and the first frame of each burst. Its frequency tells the number."""
    found: list[tuple[int, int]] = []
    loud = np.flatnonzero(np.abs(frames[:, 0]) > 0.05)
    for part in np.split(loud, np.flatnonzero(np.diff(loud) > 2000) + 1):
        if len(part) < 500:
            continue  # silence of the server has left too little of it
        sound = frames[part[0] : part[-1] + 1, 0]
        hz = np.argmax(np.abs(np.fft.rfft(sound, 48_000)))
        number = round((float(hz) - 500) / 250)
        if not found or found[-1][0] != number:
            found.append((number, int(part[0])))
    return found


def test_the_network_speaker_plays_what_the_microphone_hears(
    server: PulseServer, monitor: Monitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.use(monkeypatch)
    server.add_sink("room")  # its monitor is the microphone
    server.control("set-default-sink", "null0")
    server.control("set-default-source", "room.monitor")
    monitor.reset()
    frame = np.arange(SPACE_FRAMES)
    sounds = [
        np.sin(2 * np.pi * (500 + 250 * n) / 48_000 * frame) * (frame < 2400) for n in range(BURSTS)
    ]
    sounds[-1] = np.sin(2 * np.pi * (500 + 250 * (BURSTS - 1)) / 48_000 * frame)  # is surely heard
    with microphone_and_speaker(server) as processes:
        until(lambda: (server.control("list", "short", "source-outputs") or "").count("\n") == 2)
        sound = np.concatenate([*sounds, np.zeros(24_000)]).astype(np.float32)
        vc.play(0.3 * sound, 48_000, driver=DRIVER, device="pulse:room").wait()
        until(lambda: bursts(monitor.heard())[-1:] >= [(BURSTS - 1, 0)])
        processes[0].send_signal(signal.SIGINT)
        said = [process.communicate(timeout=60) for process in processes]
    server.control("set-default-source", "null0.monitor")
    assert [process.returncode for process in processes] == [0, 0]
    assert said[0] == ("", "")
    assert said[1][0].startswith("underruns: ")
    assert said[1][1] == ""
    numbers, at = np.transpose(bursts(monitor.heard()))
    # A busy machine may lose some of the bursts. Silence that a server has inserted makes some of
    # the spaces longer.
    assert len(numbers) > 1
    assert (np.diff(numbers) > 0).all()
    spaces = np.diff(at) / np.diff(numbers)
    assert np.median(spaces) == pytest.approx(SPACE_FRAMES, rel=0.1)


@contextmanager
def microphone_and_speaker(server: PulseServer) -> Iterator[list[subprocess.Popen[str]]]:
    """Runs both processes of the example. At the end, ends those that still run."""
    example = [sys.executable, str(EXAMPLES / "network_audio.py")]
    options: dict[str, Any] = {"env": environment(server), "text": True}
    options |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([*example, "speaker", "0"], **options) as speaker:
        assert speaker.stdout is not None
        port = speaker.stdout.readline().split()[-1]
        with subprocess.Popen([*example, "microphone", "127.0.0.1", port], **options) as microphone:
            try:
                yield [microphone, speaker]
            finally:
                for process in (microphone, speaker):
                    process.kill()
