"""Sounds and recordings that move to a device with another rate keep their own rate.

The device keeps its rate, too. Before the fix, it was set to the rate of the sound, for all
programs; if that was impossible, the sound ended with an error.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

import voicecoil as vc
from losing import came_back, is_on, no_thread_stays, unplug
from rig import until
from voicecoil import _core
from voicecoil.drivers.protocol import Driver
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver
from voicecoil.sounds.mixing import close_outputs

RATE, HERTZ = 48_000, 997.0


@pytest.fixture(autouse=True)
def _no_thread_stays() -> Iterator[None]:
    yield
    close_outputs()
    no_thread_stays()


def devices(second_hz: int) -> tuple[VirtualDevice, VirtualDevice, VirtualDriver]:
    one = VirtualDevice("One", clock="stepped", frames=64)
    two = VirtualDevice("Two", clock="stepped", frames=96, samplerate=second_hz)
    two.capture()
    return one, two, VirtualDriver([one, two])


def tone(frames: Any) -> NDArray[np.float64]:
    """The sample at each frame of the sound, which may be between two frames."""
    return np.asarray(0.5 * np.sin(2 * np.pi * HERTZ / RATE * np.asarray(frames)))


def sound(frames: int) -> NDArray[np.float32]:
    return np.repeat(tone(np.arange(frames))[:, None], 2, axis=1).astype(np.float32)


def moved(one: VirtualDevice, stream: Any) -> None:
    unplug(one)
    came_back(stream)


def level(error: NDArray[Any]) -> float:
    return float(np.abs(error).max())


@pytest.mark.parametrize("second_hz", [44_100, 96_000, 16_000])
@pytest.mark.parametrize("from_file", [False, True])
def test_a_sound_goes_on_at_its_pitch_from_the_next_frame(
    second_hz: int, from_file: bool, tmp_path: Path
) -> None:
    one, two, driver = devices(second_hz)
    frames = 30_000
    path = tmp_path / "tone.wav"
    soundfile.write(path, sound(frames), RATE, subtype="FLOAT")
    source: Any = (path,) if from_file else (sound(frames), RATE)
    playback = vc.play(*source, driver=driver, on_device_lost="default")
    one.step(100)
    mixed = 100 * 64
    assert mixed - 64 <= playback.position <= mixed
    moved(one, playback._output.stream)
    assert (playback.samplerate, playback.device.samplerate) == (RATE, second_hz)
    assert playback.frames == frames
    before = playback.position
    assert before <= mixed
    while not playback.wait(0):
        two.step(10)
        assert before <= playback.position <= frames
        before = playback.position
    assert playback.position == frames
    heard = two.heard()
    assert np.array_equal(heard[:, 0], heard[:, 1])
    # Frame n of the second device is this frame of the sound. The filter rings where the sound
    # begins, because it began in the middle of the tone.
    at = mixed + np.arange(len(heard)) * RATE / second_hz - _core.conversion_frames(RATE, second_hz)
    inside = (at > mixed + 400) & (at < frames - 400)
    assert np.count_nonzero(inside) > 0.4 * second_hz
    assert level(heard[inside, 0] - tone(at[inside])) < 2e-5
    assert not heard[at > frames + 400].any()
    assert driver.devices()[0].samplerate == second_hz, "the device keeps its rate"


def test_seek_loop_pause_and_stop_after_the_move() -> None:
    one, two, driver = devices(44_100)
    playback = vc.play(sound(4_800), RATE, driver=driver, loops=0, on_device_lost="default")
    one.step(10)
    moved(one, playback._output.stream)
    two.step(100)
    passed = 10 * 64 + 100 * 96 * RATE / 44_100
    assert 0 <= passed - playback.position < 500, "counted over all loops, in frames of the sound"
    playback.seek(2_400)
    two.step(100)
    # The fade before the jump takes 10 ms.
    assert abs(playback.position - (2_400 + 100 * 96 * RATE / 44_100 - 0.01 * RATE)) < 500
    playback.pause()
    two.step(20)
    stays = playback.position
    two.step(20)
    assert playback.position == stays
    playback.resume()
    two.step(20)
    assert playback.position > stays
    playback.stop()
    two.step(60)
    assert playback.wait(5)
    assert level(two.heard()[-4:]) < 0.01, "faded out, and all of the fade was heard"


def test_a_sound_that_comes_back_at_its_rate_is_not_converted() -> None:
    one, two, driver = devices(44_100)
    playback = vc.play(sound(20_000), RATE, driver=driver, on_device_lost="default")
    stream = playback._output.stream
    one.step(10)
    moved(one, stream)
    assert stream.latency.conversion_frames == 74
    assert stream.settings["samplerate"].outcome == "converted"
    two.step(10)
    one.replug()
    one.capture()
    unplug(two)
    came_back(stream, 2)
    assert stream.latency.conversion_frames == 0
    assert stream.settings["samplerate"].outcome == "default"
    one.step(400)
    assert playback.wait(5)
    heard = one.heard()
    start = 10 * 64 + 10 * 96 * RATE // 44_100
    assert np.array_equal(heard[: 20_000 - start], sound(20_000)[start:])


def test_another_program_changes_the_rate_under_a_sound(stepped: Any, driver: Driver) -> None:
    """Before the fix, the sound set the rate back, for all programs."""
    playback = vc.play(sound(100_000), RATE, driver=driver, on_device_lost="wait")
    stream = playback._output.stream
    stepped.step(20)
    stepped.inject("rate", 96_000)
    until(lambda: (go_on(stepped), stream.device.samplerate == 96_000)[1])
    is_on(stream)
    before = playback.position
    stepped.step(200)
    assert abs(playback.position - before - 100 * 64) < 500
    assert driver.devices()[0].samplerate == 96_000
    close_outputs()


def go_on(device: Any) -> None:
    with contextlib.suppress(vc.StreamStateError):
        device.step(1)


class Sung:
    """A tone by the host time, which the loopback of a device gives to a recording."""

    def __call__(self, block: vc.Block) -> None:
        ns = (block.time.output_ns or 0) + np.arange(block.frames) * (1e9 / block.samplerate)
        block.output[:] = sung(ns)[:, None]


def sung(ns: Any) -> NDArray[np.float64]:
    return np.asarray(0.5 * np.sin(2e-9 * np.pi * HERTZ * (np.asarray(ns) % 1e9)))


@pytest.mark.parametrize("second_hz", [44_100, 96_000])
@pytest.mark.parametrize("on_loss", ["silence", "cut"])
@pytest.mark.parametrize("rate", [None, 24_000])
def test_a_recording_keeps_its_rate_and_its_time(
    second_hz: int, on_loss: Any, rate: int | None, tmp_path: Path
) -> None:
    one, two, driver = devices(second_hz)
    path = tmp_path / "take.wav"
    waits: dict[str, Any] = {"driver": driver, "latency": "low", "on_device_lost": "wait"}
    with (
        vc.OutputStream(Sung(), device="One", **waits) as first,
        vc.OutputStream(Sung(), device="Two", **waits) as second,
    ):
        take = vc.record(
            path, driver=driver, samplerate=rate, subtype="FLOAT", on_loss=on_loss,
            on_device_lost="default",
        )  # fmt: skip
        one.step(200)
        while two.now_ns() < one.now_ns() + 2_000_000:  # they share one time
            two.step(1)
        moved(one, take._stream)
        two.step(300)
        take.stop()
        first_ns, (loss,) = take.first_frame_ns, take.losses
        first.abort()
        second.abort()
    heard, file_rate = soundfile.read(path)
    assert file_rate == (rate or RATE)
    made = 200 * 64 + 300 * 96 * RATE // second_hz
    silence = take.lost_frames if on_loss == "silence" else 0
    # Blocks keep their length of 64 frames, so the end of the last one is missing.
    assert -2 <= (made - made % 64) * file_rate / RATE - (len(heard) - silence) <= 2
    assert abs(loss.position - 200 * 64 * file_rate / RATE) <= 1
    at = np.arange(len(heard))
    if on_loss == "cut":
        at[loss.position :] += loss.frames
    assert first_ns is not None
    phase = 2e-9 * np.pi * HERTZ * (first_ns + at * (1e9 / file_rate) - 1e9)
    edge = 500
    for part in (
        slice(edge, loss.position - edge),
        slice(loss.position + silence + edge, len(heard) - edge),
    ):
        assert part.stop - part.start > 1_000
        basis = np.stack([np.sin(phase[part]), np.cos(phase[part])], axis=1)
        (a, b), *_ = np.linalg.lstsq(basis, heard[part, 0], rcond=None)
        assert level(heard[part, 0] - basis @ [a, b]) < 1e-3, "the pitch is the same"
        early = np.arctan2(b, a) / (2 * np.pi * HERTZ) * file_rate
        assert abs(early) < 0.8, "each frame is where the time says, rounded to a frame"
    assert driver.devices()[-1].samplerate == second_hz


def test_a_measurement_ends_with_the_loss_of_its_device() -> None:
    """A conversion would change what is measured, and no frame would be at a known place."""
    one, _two, driver = devices(44_100)
    measured = vc.playrec(sound(4_800), RATE, driver=driver, device="One", input_channels=1)
    one.step(10)
    one.inject("rate", 44_100)
    go_on(one)
    with pytest.raises(vc.DeviceLostError):
        measured.wait(10)
    assert measured.valid is False
