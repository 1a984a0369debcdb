"""Frames that a recording loses: their number, their position, and their replacement."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import voicecoil as vc
from coded import coded
from rig import Rig
from voicecoil.errors import FramesLostError
from voicecoil.files import open_source

RATE = 48_000
ROUND_TRIP = 128  # frames; output and input each take one buffer of 64
SONG = 1000  # length in frames of the sound that is repeated


@pytest.fixture
def rig() -> Rig:
    """Makes a rig with a virtual device, because losses can be injected in this device."""
    return Rig()


def on_the_cable(first: int, frames: int) -> NDArray[np.float32]:
    """Returns the input from the device's frame `first` on, for a song that began at frame 0."""
    song = coded(0, SONG, 2)
    sound = np.zeros((frames, 2), np.float32)
    at = np.arange(first, first + frames) - ROUND_TRIP
    sound[at >= 0] = song[at[at >= 0] % SONG]
    return sound


def lose(rig: Rig, frames: int) -> None:
    rig.device.inject("xrun", frames)


def sound_of(result: object) -> NDArray[np.float32]:
    if isinstance(result, str):
        with open_source(result) as source:
            return source.read(10**7)
    assert isinstance(result, np.ndarray)
    return result


@pytest.mark.parametrize("file", [False, True])
def test_lost_frames_become_silence_of_equal_length(rig: Rig, tmp_path: Path, file: bool) -> None:
    take = rig.record(tmp_path / "a.wav" if file else None)
    rig.step(10)
    lose(rig, 1000)
    rig.step(10)
    lose(rig, 7)
    rig.step(3)
    sound = sound_of(take.stop())
    assert take.losses == [
        vc.Loss(640, 1000, "device"),
        vc.Loss(640 + 1000 + 640, 7, "device"),
    ]
    assert len(sound) == take.position == 23 * 64 + 1007
    assert take.lost_frames == 1007


def test_frames_around_a_loss_keep_their_time(rig: Rig) -> None:
    take = rig.record()
    playback = rig.play(coded(0, SONG, 2), RATE, loops=0)
    rig.step(10)
    lose(rig, 1000)
    rig.step(20)
    sound = sound_of(take.stop())
    playback.stop(0)
    (loss,) = take.losses
    before, after = sound[: loss.position], sound[loss.position + loss.frames :]
    assert np.array_equal(before, on_the_cable(0, loss.position))
    assert not sound[loss.position : loss.position + loss.frames].any()
    # The sound does not advance during the loss, so its frames after the loss are consecutive.
    heard = after[after.any(axis=1)]
    assert len(heard) > 500
    assert (np.diff(heard[:, 0] * 2**20 // 8) % SONG == 1).all()


def test_lost_frames_can_be_cut_out(rig: Rig) -> None:
    take = rig.record(on_loss="cut")
    rig.step(10)
    lose(rig, 1000)
    rig.step(10)
    sound = sound_of(take.stop())
    assert take.losses == [vc.Loss(640, 1000, "device")]
    assert len(sound) == take.position == 1280
    assert take.lost_frames == 1000


@pytest.mark.parametrize("file", [False, True])
def test_the_first_loss_can_end_a_recording(rig: Rig, tmp_path: Path, file: bool) -> None:
    take = rig.record(tmp_path / "a.wav" if file else None, on_loss="stop")
    rig.step(10)
    lose(rig, 1000)
    rig.step(10)
    with pytest.raises(FramesLostError, match="1000 frames were lost at frame 640"):
        take.wait(10)
    assert not take.recording
    sound = sound_of(take.wait(10))
    assert len(sound) == take.position == 640
    assert take.losses == [vc.Loss(640, 1000, "device")]


def test_lost_frames_count_for_the_length(rig: Rig) -> None:
    take = rig.record(frames=2000)
    rig.step(10)
    lose(rig, 1000)
    rig.step(10)
    assert sound_of(take.wait(10)).shape == (2000, 2)
    take = rig.record(frames=2000)
    rig.step(10)
    lose(rig, 5000)
    rig.step(1)
    assert sound_of(take.wait(10)).shape == (2000, 2)
    assert take.losses == [vc.Loss(640, 1360, "device")]


def test_losses_are_counted_at_the_recordings_rate(rig: Rig) -> None:
    playback = rig.play(coded(0, SONG, 2), RATE)  # from here on the device runs at this rate
    take = rig.record(samplerate=24_000)
    rig.step(10)
    lose(rig, 1000)
    rig.step(10)
    sound = sound_of(take.stop())
    playback.stop(0)
    assert take.losses == [vc.Loss(320, 500, "device")]
    assert len(sound) == take.position == (1280 + 1000) // 2


@pytest.mark.parametrize("on_loss", ["silence", "cut"])
def test_losses_of_a_small_buffer_are_counted_exactly(rig: Rig, on_loss: str) -> None:
    take = rig.record(buffer_s=0.1, on_loss=on_loss)
    playback = rig.play(coded(0, SONG, 2), RATE, loops=0)
    cycles = 0
    # Each step of 2000 cycles has more frames than the buffer holds.
    while not take.losses and cycles < 10**6:
        rig.step(2000)
        cycles += 2000
    rig.step(10)
    cycles += 10
    sound = sound_of(take.stop())
    playback.stop(0)
    assert {loss.cause for loss in take.losses} == {"buffer"}
    lost = sum(loss.frames for loss in take.losses)
    assert take.lost_frames == lost
    kept = on_the_cable(0, cycles * 64)
    edges, silences = [], 0
    for loss in take.losses:
        first = loss.position if on_loss == "silence" else loss.position + silences
        kept[first : first + loss.frames] = 0
        edges.append(slice(first, first + loss.frames))
        silences += loss.frames
    if on_loss == "cut":
        kept = np.delete(kept, np.r_[tuple(edges)], axis=0)
    assert len(sound) == take.position == len(kept)
    assert np.array_equal(sound, kept)


def test_the_buffer_holds_half_a_minute(rig: Rig) -> None:
    take = rig.record()
    assert take._ring.capacity >= 30 * RATE
    playback = rig.play(coded(0, SONG, 2), RATE, loops=0)
    rig.step(14 * RATE // 64)  # runs faster than the frames can be written
    sound = sound_of(take.stop())
    playback.stop(0)
    assert (take.lost_frames, take.losses) == (0, [])
    assert np.array_equal(sound, on_the_cable(0, 14 * RATE))


@pytest.mark.parametrize("file", [False, True])
def test_the_time_without_a_device_is_silence(tmp_path: Path, file: bool) -> None:
    rig = Rig()
    take = rig.record(tmp_path / "a.wav" if file else None, on_device_lost="wait")
    rig.step(4)
    rig.device.inject("unplug")
    rig.step(1)
    from losing import is_away, is_on

    is_away(take._stream)
    rig.device.replug(away_s=0.5)
    is_on(take._stream)
    rig.step(4)
    sound = sound_of(take.stop())
    (loss,) = take.losses
    assert (loss.position, loss.cause) == (256, "device")
    assert loss.frames >= RATE // 2
    assert len(sound) == take.position == 512 + loss.frames


@pytest.mark.parametrize("buffer_s", [0, 0.01, 4000, float("nan"), "1"])
def test_an_impossible_buffer_s(rig: Rig, buffer_s: float) -> None:
    with pytest.raises((vc.ArgumentError, vc.ArgumentTypeError), match="buffer_s"):
        rig.record(buffer_s=buffer_s)


def test_an_impossible_on_device_lost(rig: Rig) -> None:
    with pytest.raises(vc.ArgumentError, match='"silence", "cut" and "stop"'):
        rig.record(on_loss="skip")


def test_a_capture_keeps_any_length_of_silence() -> None:
    rig = Rig(frames=512)
    first, second = coded(0, 100, 2), coded(100, 100, 2)
    rig.play(first, RATE)
    rig.step(1)
    rig.step(12 * RATE // 512)
    rig.play(second, RATE)
    rig.step(2)
    heard = rig.heard
    at = np.flatnonzero(heard.any(axis=1))
    assert np.array_equal(heard[at], np.concatenate([first, second]))
    assert at[100] - at[99] > 11 * RATE
    assert len(heard) == at[-1] + 1
