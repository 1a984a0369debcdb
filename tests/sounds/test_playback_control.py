"""`Playback.gain`, `pause`, `resume` and `seek`, and `stop_all`, frame by frame."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import voicecoil as vc
from coded import coded
from rig import Rig, until
from voicecoil.conversion import as_source, converted, read_all
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver
from voicecoil.files import FileSink
from voicecoil.sounds.mixing import CAPACITY, close_outputs

RATE = 48_000
RAMP = 480  # frames of the fades of a seek, and of a change of the gain

FALL = (1 - np.arange(RAMP) / RAMP)[:, None]
RISE = (np.arange(RAMP) / RAMP)[:, None]


def close(heard: NDArray[np.float32], expected: NDArray[Any]) -> None:
    assert heard.shape == expected.shape
    np.testing.assert_allclose(heard, expected, atol=2e-7)


def sound_of(kind: str, frames: int, folder: Path) -> tuple[Any, float | None]:
    if kind == "array":
        return coded(0, frames, 2), RATE
    with FileSink(folder / "a.wav", RATE, 2) as sink:
        sink.write(coded(0, frames, 2))
    return folder / "a.wav", None


def step_until_it_jumps(rig: Rig, playback: vc.Playback) -> None:
    """Advances the clock when the reader has the frames from the destination of a jump on."""
    if (reader := playback._reader) is not None:
        until(lambda: not reader._seeks)
    before = playback._clip.heard(0)[0]
    while playback._clip.heard(0)[0] == before:
        rig.step()
    if reader is not None:
        until(lambda: reader.ring.readable >= reader.prefill_frames or reader.at_end)


def test_a_gain_moves_along_a_straight_line(rig: Rig) -> None:
    playback = rig.play(np.ones((10_000, 2), np.float32), RATE, gain=0.5)
    assert playback.gain == 0.5
    rig.step(2)
    playback.gain = 0.25
    rig.step(2)
    playback.gain = 1  # a new line begins where the first one is
    rig.step(10)
    heard = rig.heard[:, 0]
    assert (heard[:128] == 0.5).all()
    np.testing.assert_allclose(heard[128:256], 0.5 - 0.25 * np.arange(128) / RAMP, atol=1e-6)
    reached = 0.5 - 0.25 * 128 / RAMP
    line = reached + (1 - reached) * np.arange(RAMP) / RAMP
    np.testing.assert_allclose(heard[256 : 256 + RAMP], line, atol=1e-6)
    assert (heard[256 + RAMP :] == 1).all()
    with pytest.raises(vc.ArgumentError, match="gain"):
        playback.gain = float("nan")
    assert playback.gain == 1
    playback.stop(0)


@pytest.mark.parametrize("kind", ["array", "file"])
def test_a_pause_loses_and_repeats_no_frame(rig: Rig, tmp_path: Path, kind: str) -> None:
    playback = rig.play(*sound_of(kind, 10_000, tmp_path))
    rig.step(3)
    playback.pause()
    assert playback.paused
    rig.step(12)  # 480 frames of the fade, then silence from inside a block on
    assert playback.playing
    assert not playback.wait(0)
    assert "paused" in repr(playback)
    assert playback.position == 192 + RAMP
    playback.resume(0)
    assert not playback.paused
    rig.step(2)
    playback.pause(0)
    rig.step(3)
    playback.resume(RAMP / RATE)
    rig.play_out(playback)
    assert playback.wait(5)
    assert playback.position == 10_000
    assert playback.starved_frames == 0
    code, heard = coded(0, 10_000, 2), rig.heard
    close(heard[:192], code[:192])
    close(heard[192:672], code[192:672] * FALL)
    assert not heard[672:960].any()
    close(heard[960:1088], code[672:800])
    assert not heard[1088:1280].any()
    close(heard[1280:1760], code[800:1280] * RISE)
    close(heard[1760:], code[1280:])


def test_pauses_that_follow_each_other_at_once(rig: Rig) -> None:
    playback = rig.play(coded(0, 1_000, 2), RATE)
    rig.step(1)
    playback.pause(0)
    playback.resume(0)  # the IO thread never saw the pause
    rig.step(1)
    playback.pause()
    rig.step(1)
    playback.stop()  # a stop ends a sound that is being paused
    rig.play_out(playback)
    assert playback.wait(0)
    code = coded(0, 1_000, 2)
    close(rig.heard[:128], code[:128])
    close(rig.heard[128:192], code[128:192] * FALL[:64])
    close(rig.heard[192:672], code[192:672] * FALL[64] * FALL)
    assert len(rig.heard) == 672

    paused = rig.play(coded(0, 1_000, 2), RATE)
    rig.step(1)
    paused.pause(0)
    rig.step(1)
    paused.stop(fade_s=1)  # it is silent, so there is nothing to fade
    rig.step(1)
    assert paused.wait(0)


@pytest.mark.parametrize("kind", ["array", "file"])
@pytest.mark.parametrize("to", [5_000, 100, 0])
def test_a_seek_lands_on_the_exact_frame(rig: Rig, tmp_path: Path, kind: str, to: int) -> None:
    playback = rig.play(*sound_of(kind, 20_000, tmp_path))
    rig.step(10)
    playback.seek(float(to))  # such as 2 * playback.samplerate
    step_until_it_jumps(rig, playback)
    assert playback.position == to
    rig.play_out(playback)
    assert playback.wait(5)
    assert playback.starved_frames == 0
    assert playback.position == 20_000
    code = coded(0, 20_000, 2)
    heard = rig.heard
    close(heard[:640], code[:640])
    close(heard[640:1120], code[640:1120] * FALL)
    left = 20_000 - to
    landed = len(heard) - left
    if kind == "array":  # a file is silent until its reader has read the first frames
        assert landed - 1120 <= 64, "it may be silent until the end of the block"
    assert not heard[1120:landed].any()
    close(heard[landed : landed + RAMP], code[to : to + RAMP] * RISE)
    close(heard[landed + RAMP :], code[to + RAMP :])


def test_a_seek_of_a_converted_file_counts_frames_of_the_device(rig: Rig, tmp_path: Path) -> None:
    wave = np.sin(np.arange(30_000) * 0.02).astype(np.float32)[:, None].repeat(2, 1)
    with FileSink(tmp_path / "a.wav", 44_100, 2) as sink:
        sink.write(wave)
    expected = read_all(converted(as_source(tmp_path / "a.wav"), RATE, 2))
    playback = rig.play(tmp_path / "a.wav")
    rig.step(10)
    playback.seek(20_001)
    step_until_it_jumps(rig, playback)
    rig.play_out(playback)
    left = len(expected) - 20_001
    np.testing.assert_allclose(rig.heard[-left + RAMP :], expected[20_001 + RAMP :], atol=1e-5)


@pytest.mark.parametrize("kind", ["array", "file"])
def test_a_seek_in_a_loop_counts_all_passes(rig: Rig, tmp_path: Path, kind: str) -> None:
    sound, rate = sound_of(kind, 1_000, tmp_path)
    playback = rig.play(sound, rate, loops=5)
    assert playback.frames == 5_000
    playback.pause(0)
    playback.seek(3_900)  # a paused sound stays paused
    step_until_it_jumps(rig, playback)
    rig.step(5)
    assert playback.position == 3_900
    until(lambda: playback._reader is None or playback._reader.ring.readable >= 1_100)
    playback.resume(0)
    rig.play_out(playback)
    assert playback.wait(5)
    code = coded(0, 1_000, 2)
    close(rig.heard[-1_100:], np.concatenate([code[900:], code]))
    assert not rig.heard[:-1_100].any()


def test_a_file_that_was_read_to_its_end_can_go_back(rig: Rig, tmp_path: Path) -> None:
    playback = rig.play(*sound_of("file", 2_000, tmp_path))
    reader = playback._reader
    assert reader is not None
    until(lambda: reader.at_end)
    rig.step(31)  # 16 frames are left
    playback.seek(1_500)
    step_until_it_jumps(rig, playback)
    rig.play_out(playback)
    assert playback.wait(5)
    assert not reader._thread.is_alive()
    close(rig.heard[-20:], coded(1_980, 20, 2))
    with pytest.raises(vc.StreamStateError, match="ended"):
        playback.seek(0)


class Source:
    """A source of 20,000 frames that encode their numbers."""

    samplerate, channels, frames = RATE, 2, 20_000

    def __init__(self) -> None:
        self.position = 0
        self.threads: set[int] = set()

    def read(self, max_frames: int) -> NDArray[np.float32]:
        self.threads.add(threading.get_ident())
        block = coded(self.position, min(max_frames, self.frames - self.position), 2)
        self.position += len(block)
        return block

    def seek(self, frame: int) -> None:
        self.threads.add(threading.get_ident())
        raise OSError("the tape is worn out")

    def close(self) -> None:
        self.threads.add(threading.get_ident())


def test_a_source_that_cannot_seek_is_named_at_once(rig: Rig) -> None:
    class Pipe(Source):
        def seekable(self) -> bool:
            return False

    source = Pipe()
    playback = rig.play(source)
    with pytest.raises(vc.SeekError, match="cannot go to another frame"):
        playback.seek(10)
    for frame in (-1, 20_001, 1.5, None):
        with pytest.raises((vc.ArgumentError, vc.ArgumentTypeError), match="frame"):
            playback.seek(frame)  # type: ignore[arg-type]
    rig.play_out(playback)
    assert playback.wait(5)
    assert threading.get_ident() not in source.threads
    assert len(source.threads) == 1, "only the reader's thread uses a source"


@pytest.mark.parametrize("frame", [2**53, 2**64 - 1, 2**64])
def test_a_seek_beyond_what_is_counted_is_refused_and_the_sound_continues(
    rig: Rig, frame: int
) -> None:
    playback = rig.play(coded(0, 100, 2), 48_000, loops=0)
    rig.step(1)
    with pytest.raises(vc.ArgumentError, match=rf"frame is {frame}; use 0 to the end"):
        playback.seek(frame)
    before = playback.position
    rig.step(1)
    assert playback.position > before
    playback.stop(fade_s=0)


def test_a_seek_that_fails_is_raised_by_wait_and_the_sound_continues(rig: Rig) -> None:
    playback = rig.play(Source())
    rig.step(2)
    playback.seek(10)
    reader = playback._reader
    assert reader is not None
    until(lambda: not reader._seeks and bool(reader.error._errors))
    rig.play_out(playback)
    with pytest.raises(OSError, match="worn out"):
        playback.wait(5)
    code = coded(0, 20_000, 2)
    close(rig.heard[:128], code[:128])
    close(rig.heard[128:608], code[128:608] * FALL)
    silent = len(rig.heard) - 20_000
    assert 0 <= silent <= 64
    close(rig.heard[608 + silent :][RAMP:], code[608 + RAMP :])


def test_stop_all_ends_every_sound_also_those_that_were_dropped(rig: Rig) -> None:
    other = Rig()
    held = rig.play(np.ones((100_000, 1), np.float32), RATE, gain=0.25)
    rig.play(np.ones((100_000, 1), np.float32), RATE, gain=0.5)
    elsewhere = other.play(np.ones((100_000, 1), np.float32), RATE, loops=0)
    rig.step(2)
    other.step(1)
    vc.stop_all(fade_s=0.01)
    for one in (rig, other):
        one.step(10)
    assert held.wait(0)
    assert elsewhere.wait(0)
    assert not held.playing
    np.testing.assert_allclose(rig.heard[128:608], 0.75 * FALL.repeat(2, 1), atol=1e-6)
    assert not rig.heard[608:].any()
    vc.stop_all()  # nothing plays
    with pytest.raises(vc.ArgumentError, match="fade_s"):
        vc.stop_all(-1)


def test_an_output_that_takes_no_more_commands_does_not_keep_the_others_sounding(rig: Rig) -> None:
    """Before the fix, its error ended `stop_all`, and a dropped sound of another output went on."""
    other = Rig()
    full = rig.play(np.ones((100_000, 1), np.float32), RATE)
    other.play(np.ones((100_000, 1), np.float32), RATE)
    rig.step(2)
    other.step(2)
    with pytest.raises(vc.StreamStateError, match="commands already wait"):
        for _ in range(2 * CAPACITY + 1):
            full.stop(0.1)
    with pytest.raises(vc.StreamStateError, match="'Rig'"):
        vc.stop_all(fade_s=0.01)
    other.step(10)
    assert other.heard[128:600].any()
    assert not other.heard[608:].any()
    rig.step(100)
    other.close()


def test_a_source_that_is_fed_by_the_same_event_loop_does_not_block_it() -> None:
    """Before the fix, `play` read the first frames in the caller's thread, and the loop hung."""

    class Fed(Source):
        """Asks the event loop for each block, and waits for it."""

        def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
            super().__init__()
            self.loop = loop

        def read(self, max_frames: int) -> NDArray[np.float32]:
            async def make() -> NDArray[np.float32]:
                await asyncio.sleep(0)
                return Source.read(self, max_frames)

            return asyncio.run_coroutine_threadsafe(make(), self.loop).result(20)

    device = VirtualDevice("Free", clock="free")
    device.capture()

    async def main() -> None:
        source = Fed(asyncio.get_running_loop())
        playback = vc.play(source, driver=VirtualDriver([device]))
        while playback.playing:
            await asyncio.sleep(0.01)
        assert playback.wait(0)
        assert playback.position == 20_000

    asyncio.run(asyncio.wait_for(main(), 60))
    close_outputs()
    heard = device.heard()
    first = int(np.flatnonzero(heard[:, 0])[0])
    close(heard[first : first + 20_000], coded(0, 20_000, 2))
