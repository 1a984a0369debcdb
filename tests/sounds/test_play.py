"""The output of `play` equals the given sound, frame by frame."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import voicecoil as vc
from coded import assert_coded, coded
from rig import Rig, until
from voicecoil.conversion import as_source, converted, read_all
from voicecoil.files import FileSink
from voicecoil.sounds.mixing import CAPACITY, close_outputs, output_for

RATE = 48_000


def write(path: Path, frames: NDArray[np.float32], samplerate: int = RATE) -> Path:
    with FileSink(path, samplerate, frames.shape[1]) as sink:
        sink.write(frames)
    return path


# ---- samples -----------------------------------------------------------------------------------


@pytest.mark.parametrize("frames", [1, 63, 64, 65, 1000])
def test_an_array_is_heard_frame_by_frame(rig: Rig, frames: int) -> None:
    playback = rig.play(coded(0, frames, 2), RATE)
    assert playback.frames == frames
    rig.play_out(playback)
    assert playback.wait(0)
    assert playback.position == frames
    assert rig.heard.shape == (frames, 2)
    assert_coded(rig.heard)


def test_an_array_may_be_changed_afterwards(rig: Rig) -> None:
    sound = coded(0, 500, 2)
    playback = rig.play(sound, RATE)
    sound[:] = 0
    rig.play_out(playback)
    assert_coded(rig.heard[:500])


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.aiff", "a.caf"])
def test_a_lossless_file_is_heard_frame_by_frame(rig: Rig, tmp_path: Path, name: str) -> None:
    playback = rig.play(write(tmp_path / name, coded(0, 20_000, 2)))
    rig.play_out(playback)
    assert playback.wait(0)
    assert len(rig.heard) == 20_000
    assert_coded(rig.heard)


def test_a_file_at_another_rate_leaves_the_device_at_its_own(rig: Rig, tmp_path: Path) -> None:
    """Before the fix, `play` changed the rate of the device for all programs."""
    path = write(tmp_path / "a.wav", coded(0, 300, 2), 44_100)
    playback = rig.play(path)
    assert playback.samplerate == RATE
    rig.play_out(playback)
    assert np.array_equal(rig.heard, read_all(converted(as_source(path), RATE, 2)))


def test_several_sounds_overlap(rig: Rig) -> None:
    one = rig.play(np.full((256, 2), 0.5, np.float32), RATE)
    rig.step(2)
    two = rig.play(np.full((256, 1), 0.25, np.float32), RATE)
    assert one.device == two.device
    rig.play_out(two)
    levels = rig.heard[:, 0].reshape(-1, 64)
    assert (levels == levels[:, :1]).all()
    assert levels[:, 0].tolist() == [0.5, 0.5, 0.75, 0.75, 0.25, 0.25]


def test_loops_join_without_a_gap(rig: Rig) -> None:
    playback = rig.play(coded(0, 100, 2), RATE, loops=3)
    assert playback.frames == 300
    rig.play_out(playback)
    assert len(rig.heard) == 300
    for first in (0, 100, 200):
        assert_coded(rig.heard[first : first + 100])


def test_files_can_be_looped(rig: Rig, tmp_path: Path) -> None:
    path = write(tmp_path / "a.flac", coded(0, 5_000, 2))
    playback = rig.play(path, loops=3)
    assert playback.frames == 15_000
    rig.play_out(playback)
    assert len(rig.heard) == 15_000
    for first in (0, 5_000, 10_000):
        assert_coded(rig.heard[first : first + 5_000])


@pytest.mark.parametrize("kind", ["array", "file"])
@pytest.mark.parametrize("loops", [3, 300])
def test_a_loop_with_another_rate_has_no_seams_and_no_drift(
    tmp_path: Path, kind: str, loops: int
) -> None:
    rig = Rig(frames=512)
    silence = rig.play(np.zeros((1, 1), np.float32), RATE, loops=0)  # keeps the device at its rate
    array = np.sin(2 * np.pi * np.arange(1001) / 1001)[:, None].repeat(2, 1).astype(np.float32)
    sound: Any = array
    if kind == "file":
        sound = tmp_path / "a.wav"
        with FileSink(sound, 44_100, 2) as sink:
            sink.write(array)
    playback = rig.play(sound, 44_100 if kind == "array" else None, loops=loops)
    expected = read_all(converted(as_source(np.tile(array, (loops, 1)), 44_100), 48_000, 2))
    assert playback.samplerate == RATE
    assert playback.frames == len(expected)
    rig.play_out(playback)
    silence.stop(0)
    assert np.array_equal(rig.heard[: len(expected)], expected)


def test_an_endless_loop_goes_on_until_it_is_stopped(rig: Rig) -> None:
    playback = rig.play(coded(0, 10, 2), RATE, loops=0)
    assert playback.frames is None
    rig.step(100)
    assert playback.playing
    assert not playback.wait(0)
    playback.stop(0)
    rig.play_out(playback)
    assert playback.wait(0)
    assert len(rig.heard) == 6400
    assert_coded(rig.heard[6390:])


def test_gain_is_exact_for_powers_of_two(rig: Rig) -> None:
    rig.play_out(rig.play(coded(0, 200, 2), RATE, gain=-0.25))
    assert_coded(rig.heard * -4)


def test_mono_goes_to_all_channels(rig: Rig) -> None:
    rig.play_out(rig.play(coded(0, 200, 1)[:, 0], RATE))
    assert_coded(rig.heard[:, :1])
    assert_coded(rig.heard[:, 1:] - rig.heard[:, :1] + coded(0, 200, 1))


def test_mapping_names_the_source_of_each_channel(rig: Rig) -> None:
    rig.play_out(rig.play(coded(0, 200, 3), RATE, mapping=[2, None]))
    assert np.array_equal(rig.heard[:, 0], coded(0, 200, 3)[:, 2])
    assert not rig.heard[:, 1].any()


def test_six_channels_are_folded_to_two(rig: Rig, tmp_path: Path) -> None:
    sound = (coded(0, 3000, 6) * 2**-4).astype(np.float32)
    path = write(tmp_path / "six.wav", sound)
    rig.play_out(rig.play(path))
    assert np.array_equal(rig.heard, read_all(converted(as_source(path), RATE, 2)))


@pytest.mark.parametrize(
    "seconds", [0.5, 6.0]
)  # A short sound is converted at once, and a long one while it plays.
def test_another_rate_is_converted(seconds: float) -> None:
    rig = Rig(frames=512)
    silence = rig.play(np.zeros((1, 1), np.float32), RATE, loops=0)  # keeps the device at its rate
    frames = round(44_100 * seconds)
    sound = np.sin(np.arange(frames) * 0.03).astype(np.float32)
    playback = rig.play(sound, 44_100)
    wanted = read_all(converted(as_source(sound, 44_100), RATE, 2))
    sound[:] = 0
    assert playback.samplerate == RATE
    assert playback.frames == len(wanted)
    rig.play_out(playback)
    silence.stop(0)
    assert playback.wait(0)
    assert np.array_equal(rig.heard[: len(wanted)], wanted)


def test_nan_is_silence(rig: Rig) -> None:
    sound = coded(0, 100, 2)
    sound[10] = np.nan, np.inf
    rig.play_out(rig.play(sound, RATE))
    assert not rig.heard[10].any()
    assert_coded(rig.heard[11:], 11)


# ---- stopping ----------------------------------------------------------------------------------


def test_stop_fades_along_a_straight_line(rig: Rig) -> None:
    playback = rig.play(np.ones((10_000, 2), np.float32), RATE)
    rig.step(4)
    playback.stop(fade_s=0.01)
    rig.play_out(playback)
    assert playback.wait(0)
    fade = rig.heard[256:, 0]
    assert (rig.heard[:256] == 1).all()
    assert len(fade) == 480
    np.testing.assert_allclose(fade, 1 - np.arange(480) / 480, atol=1e-6)
    assert playback.position == 256 + 480


def test_stop_without_a_fade_cuts_at_the_block(rig: Rig) -> None:
    playback = rig.play(coded(0, 10_000, 2), RATE)
    rig.step(3)
    playback.stop(0)
    rig.play_out(playback)
    assert len(rig.heard) == 192
    assert_coded(rig.heard)
    assert playback.position == 192


def test_a_second_stop_shortens_the_fade(rig: Rig) -> None:
    playback = rig.play(np.ones((100_000, 1), np.float32), RATE)
    rig.step(1)
    playback.stop(fade_s=1)
    rig.step(1)
    playback.stop(fade_s=0)
    rig.play_out(playback)
    playback.stop()  # a third call has no effect
    assert playback.wait(0)
    assert len(rig.heard) == 128


def test_stopping_a_file_lets_go_of_it(rig: Rig, tmp_path: Path) -> None:
    playback = rig.play(write(tmp_path / "a.wav", coded(0, 400_000, 1)))
    rig.step(1)
    playback.stop(0)
    rig.play_out(playback)
    assert playback.wait(5)
    assert not playback._reader._thread.is_alive()  # type: ignore[union-attr]


# ---- position ----------------------------------------------------------------------------------


def test_position_counts_the_frames_that_were_heard() -> None:
    rig = Rig(latency_frames=(0, 37))
    playback = rig.play(coded(0, 1000, 2), RATE)
    latency = 64 + 37
    stream = playback._output.stream
    rig.step(1)
    first_ns = stream.now_ns()
    positions = []
    for _ in range(16 + 2):
        rig.step(1)
        frame = 64 + round((stream.now_ns() - first_ns) * RATE / 1e9)
        positions.append((playback.position, min(1000, max(0, frame - latency))))
    assert [position for position, _ in positions] == [wanted for _, wanted in positions]
    assert playback.position == 1000
    assert playback.position_s == 1000 / RATE


def test_wait_gives_up_in_time(rig: Rig) -> None:
    playback = rig.play(coded(0, 100, 2), RATE)
    assert not playback.wait(0)
    assert not playback.wait(0.01)
    rig.play_out(playback)
    assert playback.wait()
    assert playback.wait()
    assert "done" in repr(playback)


def test_levels_are_of_all_that_plays(rig: Rig) -> None:
    one = rig.play(np.full((64, 2), 0.5, np.float32), RATE)
    two = rig.play(np.full((64, 2), (0.25, -0.5), np.float32), RATE)
    rig.step(1)
    assert one.levels() == [vc.Level(0.75, 0.75), vc.Level(0.0, 0.0)]
    rig.step(1)
    left, right = two.levels()
    assert left == right == vc.Level(0.0, 0.0)
    assert left.peak_db == left.rms_db == -np.inf


# ---- the device --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["array", "file"])
def test_a_lost_device_ends_a_sound(rig: Rig, tmp_path: Path, kind: str) -> None:
    sound = coded(0, 50_000, 2)
    given: Any = sound if kind == "array" else write(tmp_path / "a.wav", sound)
    playback = rig.play(given, RATE if kind == "array" else None)
    rig.step(2)
    rig.device.inject("unplug")
    rig.step(1)
    until(lambda: not playback.playing)  # the audio system reports the loss on another thread
    with pytest.raises(vc.DeviceLostError, match="'Rig' was unplugged"):
        playback.wait(5)
    playback.stop()  # stopping a sound that has ended is no error
    with pytest.raises(vc.DeviceNotFoundError):
        rig.play(sound, RATE)
    rig.device.replug()
    again = rig.play(sound[:100], RATE)
    rig.play_out(again)
    assert again.wait(0)


def test_an_output_that_is_closed_under_a_sound(rig: Rig) -> None:
    playback = rig.play(coded(0, 10_000, 2), RATE)
    rig.step(2)
    close_outputs()
    assert not playback.playing
    with pytest.raises(vc.StreamStateError, match="closed before the sound ended"):
        playback.wait(5)


def test_the_device_is_given_back_when_all_is_quiet(rig: Rig) -> None:
    playback = rig.play(coded(0, 100, 2), RATE)
    stream = playback._output.stream
    rig.play_out(playback)
    until(lambda: playback._output._quiet_since is not None)
    rig.step(200)  # longer than an unused output stays open
    until(lambda: stream.state == "closed")
    assert playback.wait(0)
    assert playback.position == 100
    again = rig.play(coded(0, 100, 2), RATE)
    assert again._output.stream is not stream
    rig.play_out(again)


def test_a_held_output_does_not_close(rig: Rig) -> None:
    device = rig.driver.devices()[0]
    output = output_for(rig.driver, device, 2, None)
    rig.step(500)  # far longer than an unused output stays open
    assert output._look(), "a held output stays open without a sound"
    assert output_for(rig.driver, device, 2, None) is output
    output.let_go()
    output.let_go()
    until(lambda: output._quiet_since is not None)
    assert output.stream.active
    rig.step(200)
    until(lambda: output.stream.state == "closed")


def test_the_first_sound_starts_the_device(rig: Rig) -> None:
    """A device that was started first played silence until the file had been read: in 5 of 60 runs
    on a busy machine, one to three cycles of it.
    """
    device = rig.driver.devices()[0]
    output = output_for(rig.driver, device, 2, None, at_once=False)
    assert (output.stream.state, output.usable) == ("idle", True)
    playback = rig.play(coded(0, 100, 2), RATE)
    assert playback._output is output
    assert output.stream.state == "running"
    output.let_go()
    rig.play_out(playback)
    unused = output_for(rig.driver, device, 1, None, name="unused", at_once=False)
    unused.let_go()
    until(lambda: unused.stream.state == "closed")
    assert not unused.usable


def test_a_sound_is_read_while_its_device_is_started(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sound was silent from the frame on that would have been read during the start."""
    starts, reads_on = threading.Event(), threading.Event()

    class Source:
        samplerate, channels, frames, given = RATE, 2, 3 * 4096, 0

        def read(self, frames: int) -> NDArray[np.float32]:
            if self.given == 0:
                assert starts.wait(20)
            else:
                reads_on.set()
            block = coded(self.given, min(4096, self.frames - self.given), 2)
            self.given += len(block)
            return block

        def seek(self, frame: int) -> None:
            """Does nothing, because the sound is read once."""

        def close(self) -> None:
            """Does nothing."""

    start = vc.OutputStream.start

    def slow(stream: vc.OutputStream) -> None:
        starts.set()
        assert reads_on.wait(20)
        start(stream)

    monkeypatch.setattr(vc.OutputStream, "start", slow)
    playback = rig.play(Source())
    rig.play_out(playback)
    assert len(rig.heard) == Source.frames
    assert_coded(rig.heard)


def test_the_end_of_an_old_output_leaves_the_new_one(rig: Rig) -> None:
    first = rig.play(coded(0, 10_000, 2), RATE)
    first._output.stream.close()
    second = rig.play(coded(0, 100, 2), RATE)
    assert second._output is not first._output
    first._output.close()
    third = rig.play(coded(0, 100, 2), RATE)
    assert third._output is second._output
    rig.play_out(third)


def test_sounds_added_by_many_threads_are_all_heard(rig: Rig) -> None:
    keep = rig.play(np.zeros((1, 2), np.float32), RATE, loops=0)
    errors: list[BaseException] = []
    playbacks: list[vc.Playback] = []
    # One cycle for each sound: a simulated device captures at most 8 Mi frames, and without a GIL
    # the clock can run that far before all sounds are added.
    added = threading.Semaphore(0)

    def add() -> None:
        try:
            for _ in range(20):
                playbacks.append(rig.play(np.full((70, 2), 2.0**-8, np.float32), RATE))
                added.release()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=add) for _ in range(6)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        if added.acquire(timeout=0.1):
            rig.step(1)
    rig.step(4)
    keep.stop(0)
    assert not errors
    assert all(playback.wait(0) for playback in playbacks)
    assert rig.heard.sum() == 6 * 20 * 70 * 2 * 2.0**-8


def test_more_sounds_than_a_device_takes(rig: Rig) -> None:
    for _ in range(CAPACITY):
        rig.play(np.zeros((1000, 1), np.float32), RATE)
    with pytest.raises(
        vc.StreamStateError, match=f"{CAPACITY} sounds are already playing on 'Rig'"
    ):
        rig.play(np.zeros((1000, 1), np.float32), RATE)


def test_several_threads_open_one_output(rig: Rig) -> None:
    outputs = set()
    gate = threading.Barrier(6)

    def play() -> None:
        gate.wait(10)
        outputs.add(rig.play(np.zeros((10, 1), np.float32), RATE)._output)

    threads = [threading.Thread(target=play) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(outputs) == 1
