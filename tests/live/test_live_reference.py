"""The playback reference of a recorder: what was played while each frame was recorded."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import voicecoil as vc
from coded import coded
from rig import Rig
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver
from voicecoil.streams.interpolation import REACH, interpolate

RATE = 48_000


def noise(frames: int, seed: int = 1) -> NDArray[np.float32]:
    """Returns two channels of noise below 6 kHz."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal((frames, 2)), axis=0)
    spectrum[frames // 8 :] = 0.0
    found = np.fft.irfft(spectrum, frames, axis=0)
    return np.asarray(0.2 * found / np.abs(found).max(), np.float32)


def read_all(recorder: vc.Recorder) -> tuple[NDArray[Any], NDArray[Any]]:
    blocks = []
    while (block := recorder.read(timeout=0)).frames:
        blocks.append(block)
    played = [block.reference for block in blocks]
    assert all(one is not None for one in played)
    return np.concatenate([block.data for block in blocks]), np.concatenate(played)


def test_on_one_device_the_reference_is_exactly_what_is_recorded_on_a_cable(rig: Rig) -> None:
    early = rig.play(coded(0, 900, 2), RATE)
    with vc.Recorder(driver=rig.driver, reference=True) as recorder:
        rig.step(7)
        late = rig.play(coded(300, 4000, 1), RATE)
        with vc.OutputStream(
            lambda block: block.output.fill(0.25), driver=rig.driver, channels=[1]
        ):
            rig.step(30)
        with vc.Player(driver=rig.driver) as player:
            player.write(noise(2000))
            rig.step(80)
        recorded, played = read_all(recorder)
    assert np.abs(recorded[40 * 64 :]).max() > 0.1, "the player was heard"
    assert len(recorded) == 117 * 64
    assert np.array_equal(recorded, played)
    early.stop(0)
    late.stop(0)


@pytest.mark.parametrize("samplerate", [16_000, 44_100])
def test_a_recorder_with_another_rate_has_the_same_reference(rig: Rig, samplerate: int) -> None:
    playback = rig.play(noise(9000), RATE)
    with vc.Recorder(driver=rig.driver, reference=True, samplerate=samplerate) as recorder:
        rig.step(160)
        recorded, played = read_all(recorder)
        last = recorder.last(0.05)
    assert np.abs(recorded).max() > 0.05
    assert np.array_equal(recorded, played), "both go through one converter"
    assert last.reference is not None
    assert np.array_equal(last.data, last.reference)
    playback.stop(0)


@pytest.mark.parametrize("rig", ["virtual"], indirect=True)  # it loses frames on request
def test_lost_frames_do_not_shift_the_reference(rig: Rig) -> None:
    playback = rig.play(noise(20_000), RATE)
    with vc.Recorder(driver=rig.driver, reference=True) as recorder:
        rig.step(20)
        rig.device.inject("xrun", 333)
        rig.step(100)
        recorded, played = read_all(recorder)
        assert recorder.lost_frames == 333
    assert np.array_equal(recorded, played)
    playback.stop(0)


def test_a_stream_that_starts_again_after_a_long_pause_is_in_the_reference() -> None:
    """Before the fix, it was missing if it had paused for longer than frames are kept."""
    rig = Rig(frames=1024)
    ends = False

    def play(block: vc.Block) -> None:
        block.output.fill(0.25)
        if ends:
            raise vc.Stop

    with (
        vc.OutputStream(play, driver=rig.driver) as stream,
        vc.Recorder(driver=rig.driver, reference=True, buffer_s=0.2) as recorder,
    ):
        for ends in (False, True):  # noqa: B007
            rig.step(4)
            assert np.array_equal(*read_all(recorder))
        assert stream.wait(10)
        for _ in range(50):  # 4.3 s
            rig.step(4)
            assert np.array_equal(*read_all(recorder))
        ends = False
        stream.start()
        rig.step(6)
        recorded, played = read_all(recorder)
    assert (recorded[-1024:] == 0.25).all()
    assert np.array_equal(recorded, played)


def test_a_reference_has_the_device_s_channels(rig: Rig) -> None:
    playback = rig.play(noise(4000)[:, :1], RATE, channels=[1])
    with vc.Recorder(driver=rig.driver, reference=True, channels=1, dtype="int16") as recorder:
        rig.step(40)
        block = recorder.read(2000, timeout=0)
    assert block.data.shape == (2000, 1)
    assert block.reference is not None
    assert block.reference.shape == (2000, 2)
    assert block.reference.dtype == np.int16
    assert not block.reference[:, 0].any()
    assert block.reference[:, 1].any()
    playback.stop(0)


def test_without_it_a_block_has_no_reference(rig: Rig) -> None:
    with vc.Recorder(driver=rig.driver) as recorder:
        rig.step(20)
        assert recorder.read(timeout=0).reference is None


def test_values_between_frames() -> None:
    frames = 0.5 * np.sin(0.9 * np.arange(2000))[:, None].astype(np.float32)
    positions = 100.0 + np.arange(1500) * 1.0003
    wanted = 0.5 * np.sin(0.9 * positions)[:, None]
    assert np.abs(interpolate(frames, positions, 1.0) - wanted).max() < 2e-3
    whole = np.arange(REACH, 500, dtype=np.float64)
    assert np.allclose(interpolate(frames, whole, 1.0), frames[REACH:500], atol=1e-6)


class Pair:
    """A microphone and an output with two clocks. The output plays a sine by its sample time."""

    def __init__(self, output_hz: float, input_hz: float, jitter_s: float) -> None:
        options: dict[str, Any] = {"clock": "stepped", "frames": 64, "jitter_s": jitter_s}
        self.output = VirtualDevice(
            "Out", input_channels=0, samplerate=output_hz, clock_ppm=80, **options
        )
        self.input = VirtualDevice(
            "In", output_channels=0, samplerate=input_hz, clock_ppm=-60, **options
        )
        self.driver = VirtualDriver([self.output, self.input])
        self.output_hz, self.input_hz = output_hz, input_hz
        self.omega = 2 * np.pi * 1000 / output_hz
        self.stamps: list[tuple[float, float]] = []  # host time, sample time

    def play(self, block: vc.Block) -> None:
        at, ns = block.time.output_frames, block.time.output_ns
        assert at is not None
        assert ns is not None
        block.output[:] = 0.5 * np.sin(self.omega * (at + np.arange(block.frames)))[:, None]
        self.stamps.append((ns - 1e9, at))

    def run(self, seconds: float, recorder: vc.Recorder) -> list[vc.RecordedBlock]:
        """Advances both clocks together, and reads meanwhile. Returns blocks of 480 frames."""
        played = recorded = 0
        blocks = []
        while played < seconds * self.output_hz:
            self.output.step()
            played += 64
            while recorded / self.input_hz < played / self.output_hz:
                self.input.step()
                recorded += 64
            if recorder.buffered_s > 0.1:
                blocks.append(recorder.read(480, timeout=0))
        return blocks

    def errors(self, blocks: list[vc.RecordedBlock]) -> NDArray[np.float64]:
        """Returns for each block by how many frames its reference is too late."""
        host, at = np.array(self.stamps).T
        output = np.polyfit(host, at, 1)
        starts = np.array([block.time.frames for block in blocks]) - blocks[0].time.frames
        begun = np.array([(block.time.host_ns or 0) - 1e9 for block in blocks])
        line = np.polyfit(starts, begun, 1)
        found = []
        for start, block in zip(starts, blocks, strict=True):
            assert block.reference is not None
            phase = self.omega * np.polyval(output, np.polyval(line, start + np.arange(480)))
            waves = np.stack([np.sin(phase), np.cos(phase)], axis=1)
            (a, b), *_ = np.linalg.lstsq(waves, block.reference[:, 0], rcond=None)
            assert np.hypot(a, b) == pytest.approx(0.5, abs=2e-3)
            found.append(np.arctan2(b, a) / self.omega)
        return np.array(found)


@pytest.mark.parametrize(
    ("output_hz", "input_hz", "jitter_s", "most"),
    [(48_000, 48_000, 0.0, 0.05), (44_100, 48_000, 0.0, 0.05), (48_000, 48_000, 50e-6, 1.0)],
)
def test_on_two_devices_the_error_is_a_part_of_a_frame(
    output_hz: float, input_hz: float, jitter_s: float, most: float
) -> None:
    pair = Pair(output_hz, input_hz, jitter_s)
    with (
        vc.OutputStream(pair.play, driver=pair.driver),
        vc.Recorder("In", driver=pair.driver, reference=True) as recorder,
    ):
        blocks = pair.run(1.5, recorder)
    assert len(blocks) > 100
    assert np.abs(pair.errors(blocks[50:])).max() < most
