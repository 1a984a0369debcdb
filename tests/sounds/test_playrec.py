"""`playrec` plays a sound and records its response on one time line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

import voicecoil as vc
from coded import assert_coded, coded
from coreaudio import simulator_path
from paths import ROOT
from rig import Rig, until
from voicecoil.conversion import as_source
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver
from voicecoil.testing.simulator_library import ENVIRONMENT

RATE = 48_000
ROUND_TRIP = 128  # frames; output and input each take one buffer of 64


def measure(rig: Rig, sound: Any, samplerate: float | None = RATE, **options: Any) -> Any:
    options = {"input_channels": 2, **options}
    return vc.playrec(sound, samplerate, driver=rig.driver, **options)


def finish(rig: Rig, measurement: vc.Measurement, cycles: int = 2000) -> NDArray[Any]:
    while measurement.recording and cycles > 0:
        rig.step(1)
        cycles -= 1
    result = measurement.wait(10)
    assert result is not None
    return result


@pytest.mark.parametrize("frames", [1, 64, 1000])
def test_the_response_of_a_cable_is_the_sound(rig: Rig, frames: int) -> None:
    sound = coded(0, frames, 2)
    measurement = measure(rig, sound)
    sound[:] = 0  # the program may change its array
    assert not measurement.valid, "before the end"
    result = finish(rig, measurement)
    assert result.shape == (frames, 2)
    assert_coded(result)
    assert measurement.valid
    assert measurement.losses == []
    assert measurement.lost_frames == (0, 0)
    assert measurement.position == measurement.frames == frames
    assert measurement.round_trip_frames == ROUND_TRIP
    assert measurement.alignment_error_frames == 0
    assert measurement.wait() is measurement.stop() is result


def test_without_alignment_the_response_is_later_by_the_round_trip(rig: Rig) -> None:
    measurement = measure(rig, coded(0, 500, 2), align=False)
    result = finish(rig, measurement)
    assert len(result) == 500
    assert not result[:ROUND_TRIP].any()
    assert_coded(result[ROUND_TRIP:])
    assert measurement.valid


def test_latencies_and_varying_cycles_do_not_matter() -> None:
    device = VirtualDevice(
        "A", clock="free", frames=100, pattern=(100, 37, 64), latency_frames=(13, 211)
    )
    for options in ({}, {"blocksize": 48}):
        measurement = vc.playrec(
            coded(0, 3000, 2), RATE, input_channels=2, driver=VirtualDriver([device]), **options
        )
        result = measurement.wait(20)
        assert result is not None
        assert_coded(result)
        assert measurement.valid


def test_channels_are_those_of_streams() -> None:
    device = VirtualDevice("A", clock="free", input_channels=4, output_channels=4)
    driver = VirtualDriver([device])
    mono = coded(0, 200, 1)

    def result_of(sound: Any, **options: Any) -> NDArray[Any]:
        result = vc.playrec(sound, RATE, driver=driver, **options).wait(20)
        assert result is not None
        return result

    every = result_of(mono, input_channels=None)
    assert np.array_equal(every, np.hstack([mono, mono, 0 * mono, 0 * mono]))
    third = result_of(mono[:, 0], input_channels=[2], output_channels=[2, 3])
    assert np.array_equal(third, mono)
    crossed = result_of(coded(0, 200, 2), input_channels=[3, 1], output_channels=[1, 3])
    assert np.array_equal(crossed, coded(0, 200, 2)[:, ::-1])
    with pytest.raises(vc.ArgumentError, match="output_channels has 3 channels, and the sound has"):
        result_of(coded(0, 200, 2), input_channels=1, output_channels=3)
    with pytest.raises(vc.ArgumentError, match=r"input_channels=\[4\] has channel 4"):
        result_of(mono, input_channels=[4])


@pytest.mark.parametrize("align", [True, False])
def test_losses_are_listed_and_shift_nothing(align: bool) -> None:
    rig = Rig()
    measurement = measure(rig, coded(0, 3000, 2), align=align)
    rig.step(10)
    rig.device.inject("xrun", 200)
    rig.step(20)
    rig.device.inject("xrun", 5000)
    result = finish(rig, measurement)
    shift = ROUND_TRIP if align else 0
    second = 640 + 200 + 20 * 64
    assert measurement.losses == [
        vc.Loss(640 - shift, 200, "device", "input"),
        vc.Loss(640, 200, "device", "output"),
        vc.Loss(second - shift, 3000 - second + shift, "device", "input"),
        vc.Loss(second, 3000 - second, "device", "output"),
    ]
    assert measurement.lost_frames == (
        200 + 3000 - second + shift,
        200 + 3000 - second,
    )
    assert not measurement.valid
    assert "not valid" in repr(measurement)
    wanted = np.zeros((3000, 2), np.float32)
    wanted[ROUND_TRIP - shift :] = coded(0, 3000 - ROUND_TRIP + shift, 2)
    for loss in measurement.losses:
        first = loss.position + (0 if loss.direction == "input" else ROUND_TRIP - shift)
        wanted[first : first + loss.frames] = 0
    assert np.array_equal(result, wanted)


def test_a_loss_without_effect_on_the_result_is_not_listed() -> None:
    rig = Rig()
    measurement = measure(rig, coded(0, 3000, 2))
    rig.step(47)  # all of the sound, and all of the input except its last 120 frames
    rig.device.inject("xrun", 10)
    result = finish(rig, measurement)
    assert measurement.losses == [vc.Loss(47 * 64 - ROUND_TRIP, 10, "device", "input")]
    assert measurement.lost_frames == (10, 0)
    assert_coded(result[: 47 * 64 - ROUND_TRIP])


@pytest.mark.parametrize("lost_cycles", [2, 0])
def test_an_overload_is_reported(coreaudio: Any, lost_cycles: int) -> None:
    world = coreaudio(8)
    sound = np.zeros(48_000, np.float32)
    measurement = vc.playrec(sound, RATE, input_channels=1, driver=world.driver)
    world.advance(0.2)
    world.device(measurement.device.uid).overload(cycles=lost_cycles)
    world.advance(0.2)
    until(lambda: measurement.overloads == 1)  # CoreAudio reports it on another thread
    world.advance(2.0)
    assert measurement.wait(10) is not None
    assert not measurement.valid
    assert bool(measurement.losses) == bool(lost_cycles)


def test_stop_returns_the_part_that_was_recorded(rig: Rig) -> None:
    with measure(rig, coded(0, 3000, 2)) as measurement:
        assert measurement.wait(0) is None
        rig.step(10)
        assert measurement.recording
        assert measurement.position == 640 - ROUND_TRIP
        assert measurement.position_s == (640 - ROUND_TRIP) / RATE
        assert "recording" in repr(measurement)
    result = measurement.stop()
    assert_coded(result)
    assert len(result) == 640 - ROUND_TRIP
    assert not measurement.recording
    assert not measurement.valid
    for samplerate in (RATE, 16_000):
        early = measure(rig, coded(0, 3000, 2), samplerate)
        assert early.stop().shape == (0, 2)


def test_the_frames_before_the_loss_of_the_device_are_kept(rig: Rig) -> None:
    measurement = measure(rig, coded(0, 3000, 2))
    rig.step(10)
    rig.device.inject("unplug")
    rig.step(1)
    with pytest.raises(vc.DeviceLostError):
        measurement.wait(10)
    assert not measurement.valid
    result = measurement.wait(10)
    assert result is not None
    assert_coded(result)
    assert len(result) == 640 - ROUND_TRIP


@pytest.mark.parametrize("samplerate", [16_000, 44_100, 96_000])
def test_a_sound_of_another_rate_keeps_its_time(rig: Rig, samplerate: int) -> None:
    time_s = np.arange(samplerate // 10) / samplerate
    sound = np.sin(2 * np.pi * 1000 * time_s) * np.hanning(len(time_s))
    measurement = measure(rig, sound, samplerate, input_channels=1)
    result = finish(rig, measurement)
    assert measurement.samplerate == samplerate
    assert measurement.valid
    assert len(result) == len(sound) == measurement.position
    assert np.abs(result[:, 0] - sound).max() < 1e-4
    assert measurement.device.samplerate == RATE


def test_losses_have_the_rate_of_the_sound() -> None:
    rig = Rig()
    sound = np.zeros(24_000)
    measurement = measure(rig, sound, 24_000, input_channels=1)
    rig.step(100)
    rig.device.inject("xrun", 200)
    rig.step(1)
    first = 6400 // 2 - 2048
    assert measurement.losses == [
        vc.Loss(first - ROUND_TRIP // 2, 100, "device", "input"),
        vc.Loss(first, 100, "device", "output"),
    ]
    measurement.stop()


@pytest.mark.parametrize("dtype", ["int16", np.int32, "uint8"])
def test_the_result_can_have_integers(rig: Rig, dtype: Any) -> None:
    sound = np.array([0.25, -0.5, 1.5, -1.0], np.float32)
    measurement = measure(rig, sound, dtype=dtype, input_channels=1)
    result = finish(rig, measurement)
    assert result.dtype == np.dtype(dtype)
    full, offset = {"int16": (2**15, 0), "int32": (2**31, 0), "uint8": (2**7, 128)}[
        str(result.dtype)
    ]
    assert list(result[:, 0]) == [
        full // 4 + offset,
        -full // 2 + offset,
        full - 1 + offset,
        offset - full,
    ]
    assert measurement.clipped_samples == 1


def test_the_sound_may_be_a_file(rig: Rig, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", coded(0, 300, 2), RATE, subtype="FLOAT")
    measurement = measure(rig, tmp_path / "a.wav", None)
    assert_coded(finish(rig, measurement))
    assert measurement.valid
    source = as_source(np.zeros(9), RATE)
    source.seek(9)
    with pytest.raises(vc.ArgumentError, match="the sound is empty"):
        measure(rig, source, None)


def test_the_first_frame_has_its_host_time(rig: Rig) -> None:
    """A recording and a measurement can be aligned by the host times of their first frames."""
    take = rig.record()
    rig.step(5)
    measurement = measure(rig, coded(0, 500, 2))
    assert measurement.first_frame_ns is None
    result = finish(rig, measurement)
    recorded = take.stop()
    assert take.first_frame_ns is not None
    assert measurement.first_frame_ns is not None
    later_s = (measurement.first_frame_ns - take.first_frame_ns) / 1e9
    later = round(later_s * RATE)
    assert later_s * RATE == pytest.approx(later, abs=0.01)
    assert later == 5 * 64 + ROUND_TRIP
    assert np.array_equal(recorded[later : later + 500], result[: len(recorded) - later])


def test_two_recordings_are_aligned_by_their_host_times(rig: Rig) -> None:
    takes = [rig.record(), None]
    playback = rig.play(coded(0, 2000, 2), RATE)
    rig.step(7)
    takes[1] = rig.record()
    rig.step(40)
    playback.stop(0)
    first, second = (take.stop() for take in takes if take is not None)
    later_s = (takes[1].first_frame_ns - takes[0].first_frame_ns) / 1e9  # type: ignore[union-attr, operator]
    later = round(later_s * RATE)
    assert later == 7 * 64
    assert len(first) - later == len(second)
    assert np.array_equal(first[later:], second)


def test_a_pair_of_devices_may_be_one_device_twice() -> None:
    driver = VirtualDriver([VirtualDevice("Both", clock="free")])
    sound = coded(0, 300, 2)
    measurement = vc.playrec(sound, RATE, input_channels=2, device=("Both", None), driver=driver)
    result = measurement.wait(9)
    assert result is not None
    assert_coded(result)
    assert measurement.alignment_error_frames == 0


class TwoDevices:
    """A microphone that hears impulses at known host times, and loudspeakers with another clock."""

    def __init__(self, mic_ppm: float, out_ppm: float, rate: float = RATE) -> None:
        clock: dict[str, Any] = {"clock": "stepped"}
        self.mic = VirtualDevice("mic", frames=512, clock_ppm=mic_ppm, **clock)
        self.speakers = VirtualDevice(
            "speakers", input_channels=0, frames=480, samplerate=rate, clock_ppm=out_ppm, **clock
        )
        self.driver = VirtualDriver([self.mic, self.speakers])
        self.impulses_ns: list[int] = []
        self._blocks = 0

    def tap(self, block: vc.Block) -> None:
        self._blocks += 1
        if self._blocks % 50 == 0:
            block.output[0] = 1.0
            assert block.time.output_ns is not None
            self.impulses_ns.append(block.time.output_ns)

    def step(self, seconds: float) -> None:
        devices = (self.mic, self.speakers)
        until_ns = self.mic.now_ns() + round(seconds * 1e9)
        while (first := min(devices, key=VirtualDevice.now_ns)).now_ns() < until_ns:
            first.step()


@pytest.mark.parametrize("ppm", [(0, 0), (200, -200)])
def test_two_devices_are_aligned_after_their_clocks_are_known(ppm: tuple[int, int]) -> None:
    desk = TwoDevices(*ppm)
    both: dict[str, Any] = {"device": ("mic", "speakers"), "driver": desk.driver}
    with vc.OutputStream(desk.tap, driver=desk.driver, device="mic"):
        desk.step(0.1)
        measurement = vc.playrec(np.zeros(2 * RATE), RATE, input_channels=1, **both)
        desk.step(6.5)
        result = measurement.wait(10)
    assert result is not None
    assert measurement.valid
    assert measurement.alignment_error_frames == 1
    assert measurement.first_frame_ns is not None
    rate = RATE * (1 + ppm[1] * 1e-6)
    found = 0
    for impulse_ns in desk.impulses_ns:
        at = (impulse_ns - measurement.first_frame_ns) / 1e9 * rate
        if 50 < at < 2 * RATE - 50:
            around = result[round(at) - 40 : round(at) + 40, 0].astype(float) ** 2
            centre = (around * np.arange(-40, 40)).sum() / around.sum()
            assert round(at) + centre == pytest.approx(at, abs=0.1)
            found += 1
    assert found >= 3


def test_a_loss_of_the_input_device_is_listed() -> None:
    desk = TwoDevices(0, 0)
    both: dict[str, Any] = {"device": ("mic", "speakers"), "driver": desk.driver}
    measurement = vc.playrec(np.zeros(RATE), RATE, input_channels=1, **both)
    desk.step(4.5)
    desk.mic.inject("xrun", 3000)
    desk.step(1.5)
    assert measurement.wait(10) is not None
    assert not measurement.valid
    assert {loss.direction for loss in measurement.losses} == {"input"}
    assert 2900 < measurement.lost_frames[0] < 3100
    first = measurement.losses[0].position
    assert first == pytest.approx(RATE // 2, abs=2000)


@pytest.mark.parametrize("device", ["mic", "speakers"])
@pytest.mark.parametrize(("after_s", "counts"), [(1.0, False), (3.5, True)])
def test_a_loss_while_two_devices_settle(device: str, after_s: float, counts: bool) -> None:
    """Before the fix, it made the measurement invalid, and `losses` was empty."""
    desk = TwoDevices(0, 0)
    both: dict[str, Any] = {"device": ("mic", "speakers"), "driver": desk.driver}
    measurement = vc.playrec(np.zeros(RATE), RATE, input_channels=1, **both)
    desk.step(after_s)
    (desk.mic if device == "mic" else desk.speakers).inject("xrun", 300)
    desk.step(6.5 - after_s)
    assert measurement.wait(10) is not None
    assert measurement.valid is (not counts)
    assert bool(measurement.losses) is counts
    assert all((loss.position, loss.frames) == (0, 1) for loss in measurement.losses)


def test_a_loss_beside_a_converted_sound_is_listed_as_its_nearest_frame(rig: Rig) -> None:
    measurement = measure(rig, np.zeros(24_000), 24_000, input_channels=1)
    rig.step(10)  # in the padding of 2,048 frames at 24 kHz
    rig.device.inject("xrun", 200)
    finish(rig, measurement)
    assert not measurement.valid
    assert measurement.losses == [
        vc.Loss(0, 1, "device", "input"),
        vc.Loss(0, 1, "device", "output"),
    ]


@pytest.mark.parametrize(
    ("sound", "options", "error", "said"),
    [
        (np.zeros(0), {}, vc.ArgumentError, "0 frames"),
        (np.array([0.0, np.nan, np.inf]), {}, vc.ArgumentError, "2 samples that are NaN"),
        (np.zeros(9), {"samplerate": None}, vc.ArgumentError, "samplerate is missing"),
        (np.zeros(9), {"dtype": "float64"}, vc.ArgumentError, "float64"),
        (np.zeros(9), {"device": ("a", "b", "c")}, vc.ArgumentError, "the pair"),
        (np.zeros(9), {"device": 7}, vc.ArgumentTypeError, "device=7"),
        (48_000, {"samplerate": np.zeros(9)}, vc.ArgumentTypeError, "sound first"),
        ("missing.wav", {"samplerate": None}, vc.FileMissingError, "missing.wav"),
    ],
)
def test_impossible_arguments(sound: Any, options: Any, error: Any, said: str) -> None:
    options = {"samplerate": RATE, "input_channels": 1, **options}
    samplerate = options.pop("samplerate")
    with pytest.raises(error, match=said):
        vc.playrec(sound, samplerate, driver=VirtualDriver([VirtualDevice("A")]), **options)


def test_a_sound_beyond_the_memory_is_a_typed_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*args: Any, **options: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(np, "empty", exhausted)
    driver = VirtualDriver([VirtualDevice("A")])
    with pytest.raises(vc.VoicecoilError, match=r"cannot .*not enough memory"):
        vc.playrec(np.zeros(9), RATE, input_channels=1, driver=driver)


def impulse_response() -> str:
    """The example of the guide."""
    page = (ROOT / "docs" / "measuring.md").read_text()
    return page.split("```python\n")[1].split("```")[0]


@pytest.mark.parametrize("driver", ["virtual", "coreaudio-simulated"])
def test_the_impulse_response_of_the_guide(driver: str) -> None:
    """The example has at most six lines and gives the impulse at frame 0."""
    example = impulse_response()
    assert len([line for line in example.splitlines() if line]) <= 6
    environment = {**os.environ, "VOICECOIL_DRIVER": driver}
    if driver != "virtual":
        environment[ENVIRONMENT] = simulator_path()
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            example + "print(*np.flatnonzero(response), *response[0], measurement.valid)",
        ],
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["0", "0.5", "True"]
