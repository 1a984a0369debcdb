"""Sounds and recordings whose device is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import voicecoil as vc
from coded import assert_coded, coded
from driver_contract import CodedOutput
from losing import came_back, is_away, is_on, no_thread_stays, two_devices, unplug
from rig import until
from voicecoil.drivers.protocol import Driver
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver
from voicecoil.sounds.mixing import close_outputs, output_for
from voicecoil.streams.recovery import find_or_await


@pytest.fixture(autouse=True)
def _no_thread_stays() -> Iterator[None]:
    yield
    no_thread_stays()


def test_a_sound_continues_when_its_device_is_back(stepped: Any, driver: Driver) -> None:
    """The mixer is C code on the IO thread. It continues without Python code."""
    sound = coded(0, 64 * 8, 2)
    playback = vc.play(sound, 48_000, driver=driver, on_device_lost="wait")
    stream = playback._output.stream
    stepped.step(4)
    unplug(stepped)
    is_away(stream)
    assert playback.playing
    assert 0 < playback.position <= 4 * 64
    assert not playback.wait(0)
    stepped.replug()
    is_on(stream)
    stepped.step(8)
    assert playback.wait(5)
    assert playback.position == len(sound)
    close_outputs()


def test_a_sound_that_waits_for_its_first_device() -> None:
    driver = VirtualDriver([])
    sound = coded(0, 640, 2)
    playback = vc.play(sound, 48_000, driver=driver, on_device_lost="wait")
    assert playback.playing
    assert playback.position == 0
    device = VirtualDevice("Late", clock="stepped", frames=64)
    device.capture()
    driver.virtual_devices.append(device)
    is_on(playback._output.stream)
    device.step(13)
    assert playback.wait(5)
    assert np.array_equal(device.heard()[:640], sound)
    close_outputs()


def test_an_output_is_kept_for_its_first_sound() -> None:
    """An output that waits for a device stays open until `let_go`. If it has no sound then, it is
    closed at once.
    """
    driver = VirtualDriver([])
    absent, _ = find_or_await(None, ("output",), driver, "wait")
    output = output_for(driver, absent, 2, None, "wait")
    assert output._look()
    output.let_go()
    assert not output._look()
    until(lambda: output.stream.state == "closed")  # another thread closes it


def test_a_sound_goes_on_with_the_default_device() -> None:
    """The same mixer also plays the next sound on this device."""
    one, two, driver = two_devices()
    sound = coded(0, 64 * 10, 2)
    playback = vc.play(sound, 48_000, driver=driver, on_device_lost="default")
    one.step(4)
    unplug(one)
    until(lambda: playback.device.name == "Two" and playback.playing)
    is_on(playback._output.stream)
    two.step(2)
    next_one = vc.play(sound, 48_000, driver=driver, on_device_lost="default")
    assert next_one._output is playback._output
    one.replug()
    elsewhere = vc.play(sound, 48_000, device="One", driver=driver, on_device_lost="default")
    assert elsewhere._output is not playback._output
    elsewhere.stop()
    two.step(20)
    assert playback.wait(5)
    assert next_one.wait(5)
    assert_coded(one.heard()[: 4 * 64])
    assert_coded(two.heard()[: 2 * 64], 4 * 64)
    close_outputs()


def test_a_sound_that_is_stopped_while_there_is_no_device(stepped: Any, driver: Driver) -> None:
    playback = vc.play(coded(0, 64_000, 2), 48_000, driver=driver, on_device_lost="wait")
    stream = playback._output.stream
    stepped.step(4)
    unplug(stepped)
    is_away(stream)
    playback.stop()
    assert not playback.playing
    assert playback.wait(5)
    playback.stop()
    until(lambda: stream.state == "closed")  # because nothing is left to play


def test_a_sound_goes_on_with_a_device_that_another_stream_has_set_to_its_rate() -> None:
    """Before the fix, the sound ended with an error, because it could not set the rate."""
    one, two, driver = two_devices()
    other = vc.OutputStream(
        CodedOutput(), driver=driver, device="Two", samplerate=96_000, device_rate="set"
    )
    playback = vc.play(coded(0, 6400, 2), 48_000, driver=driver, on_device_lost="default")
    one.step(4)
    unplug(one)
    came_back(playback._output.stream)
    two.step(220)
    assert playback.wait(10)
    assert playback.position == 6400
    assert playback.device.samplerate == 96_000
    other.close()
    close_outputs()


def test_a_recording_goes_on(stepped: Any, driver: Driver) -> None:
    take = vc.record(driver=driver, frames=64 * 6, on_device_lost="wait")
    stepped.step(4)
    unplug(stepped)
    is_away(take._stream)
    assert take.recording
    assert take.wait(0) is None
    stepped.replug()
    is_on(take._stream)
    stepped.step(4)
    sound = take.wait(10)
    assert isinstance(sound, np.ndarray)
    assert sound.shape == (64 * 6, 2)


@pytest.mark.parametrize("file", [False, True])
def test_a_recording_that_is_stopped_while_there_is_no_device(
    stepped: Any, driver: Driver, tmp_path: Path, file: bool
) -> None:
    path = tmp_path / "a.wav" if file else None
    take = vc.record(path, driver=driver, on_device_lost="wait")
    stepped.step(4)
    unplug(stepped)
    is_away(take._stream)
    sound = take.stop()
    if isinstance(sound, np.ndarray):
        assert sound.shape == (256, 2)
    else:
        assert soundfile.info(sound).frames == 256


def test_a_recording_goes_on_with_a_device_that_another_stream_has_set_to_its_rate() -> None:
    """Before the fix, the recording ended with an error, because it could not set the rate."""
    one, two, driver = two_devices()
    other = vc.OutputStream(
        CodedOutput(), driver=driver, device="Two", samplerate=96_000, device_rate="set"
    )
    take = vc.record(driver=driver, on_device_lost="default")
    one.step(4)
    unplug(one)
    came_back(take._stream)
    two.step(8)  # 512 frames at twice the rate
    sound = take.stop()
    assert isinstance(sound, np.ndarray)
    assert sound.shape == (256 + take.lost_frames + 256, 2)
    other.close()
