"""Streams that continue on a device with another rate convert, and keep their own rate."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

import voicecoil as vc
from coded import coded
from losing import came_back, unplug
from rig import until
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver

pytestmark = pytest.mark.usefixtures("on_a_worker")


def devices(first_hz: int, second_hz: int) -> tuple[VirtualDevice, VirtualDevice, VirtualDriver]:
    one = VirtualDevice("One", clock="stepped", frames=64, samplerate=first_hz)
    two = VirtualDevice("Two", clock="stepped", frames=96, samplerate=second_hz)
    return one, two, VirtualDriver([one, two])


class Times:
    """A callback that plays a sine and keeps the times and sizes of its blocks."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.seen: list[tuple[int, int | None, int | None, int]] = []

    def __call__(self, block: vc.Block) -> None:
        frames = block.time.input_frames, block.time.output_frames
        self.seen.append((block.frames, *frames, block.xrun))
        assert block.samplerate == self.rate
        if block.output is not None:
            ns = block.time.output_ns or 0
            turns = (ns * 1e-6 + np.arange(block.frames) * (1000 / self.rate)) % 1.0
            block.output[:] = (0.5 * np.sin(2 * np.pi * turns))[:, None]


@pytest.mark.parametrize("kind", [vc.OutputStream, vc.InputStream, vc.Stream])
@pytest.mark.parametrize(
    ("rate", "first_hz", "second_hz"),
    [(None, 48_000, 44_100), (16_000, 48_000, 96_000), (44_100, 48_000, 44_100)],
)
def test_a_stream_continues_at_its_rate_on_a_device_with_another_rate(
    kind: Any, rate: int | None, first_hz: int, second_hz: int
) -> None:
    one, two, driver = devices(first_hz, second_hz)
    times = Times(rate or first_hz)
    with kind(
        times, driver=driver, samplerate=rate, channels=2, on_device_lost="default"
    ) as stream:
        size = stream.blocksize
        one.step(200)
        before = len(times.seen)
        unplug(one)
        came_back(stream)
        two.step(200)
        after = len(times.seen)
        counted = stream.statistics()
        assert counted.blocks == after
        assert counted.frames == after * size
        assert stream.device.name == "Two"
        assert (stream.samplerate, stream.device.samplerate) == (rate or first_hz, second_hz)
        assert stream.settings["samplerate"].actual == times.rate
        two.step(100)
        one.replug()
        unplug(two)
        came_back(stream, 2)
        one.step(200)
        assert len(times.seen) > after
        assert stream.device.samplerate == first_hz
        stream.abort()
    assert driver.devices()[0].samplerate == first_hz, "the device has kept its rate"
    assert before > 10
    assert after > before + 10
    assert {frames for frames, *_ in times.seen} == {size}
    column = 1 if kind is vc.InputStream else 2
    starts = [seen[column] for seen in times.seen]
    # Sample times go on in frames of the stream's rate. Output that was ready is dropped, so the
    # times of the output may go back by the lead and the delay of the converter.
    steps = np.diff([start or 0 for start in starts])
    assert steps.min() > (-size if column == 1 else -0.15 * times.rate)
    assert np.count_nonzero(steps != size) <= 8


def test_the_pitch_is_right_on_the_new_device() -> None:
    one, two, driver = devices(48_000, 44_100)
    two.capture()
    with vc.OutputStream(
        Times(48_000), driver=driver, channels=2, on_device_lost="default"
    ) as stream:
        one.step(100)
        unplug(one)
        came_back(stream)
        two.step(400)
        stream.abort()
    heard = two.heard()[-22_050:, 0]
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard))))
    assert abs(np.argmax(spectrum) * 44_100 / len(heard) - 1000) < 3
    assert np.abs(heard).max() < 0.51


def test_another_program_changes_the_rate_and_the_stream_converts() -> None:
    one = VirtualDevice("One", clock="stepped", frames=64)
    driver = VirtualDriver([one])
    with vc.InputStream(Times(48_000), driver=driver, on_device_lost="wait") as stream:
        one.step(50)
        one.inject("rate", 96_000)
        one.step(1)
        came_back(stream)
        one.step(200)
        assert (stream.samplerate, stream.device.samplerate) == (48_000, 96_000)
        assert driver.devices()[0].samplerate == 96_000, "the rate is not set back"
        assert stream.latency.conversion_frames > 0
        stream.abort()


def test_a_stream_that_waits_for_its_first_device_converts() -> None:
    driver = VirtualDriver([])
    times = Times(16_000)
    with vc.OutputStream(times, driver=driver, samplerate=16_000, on_device_lost="wait") as stream:
        device = VirtualDevice("Late", clock="stepped", frames=64)
        driver.virtual_devices.append(device)
        came_back(stream)
        device.step(200)
        assert (stream.samplerate, stream.device.samplerate) == (16_000, 48_000)
        stream.abort()
    assert len(times.seen) > 5


def moved(first: VirtualDevice, stream: Any, times: int) -> None:
    """Takes the device away, and waits until the stream is on the other one."""
    unplug(first)
    came_back(stream, times)


def test_after_two_moves_the_reports_agree_with_each_other_and_count_on() -> None:
    """Before the fix, the settings said that no rate was converted, and counts began at 0."""
    one, two, driver = devices(48_000, 44_100)

    def callback(block: vc.Block) -> None:
        block.output[:] = 0.0
        block.output[0] = np.nan

    with vc.OutputStream(
        callback, driver=driver, channels=2, on_device_lost="default", latency=0.02
    ) as stream:
        assert stream.settings["samplerate"].outcome == "default"
        assert stream.latency.conversion_frames == 0
        one.step(100)
        on_one = stream.statistics()
        moved(one, stream, 1)
        two.step(100)
        on_two = stream.statistics()
        assert on_two.margin.count >= on_one.margin.count + 100
        one.replug()
        moved(two, stream, 2)
        one.step(100)
        back = stream.statistics()
        assert back.margin.count >= on_two.margin.count + 100
        made = back.blocks - on_two.blocks
        assert made > 0
        assert back.nonfinite_samples - on_two.nonfinite_samples == 2 * made
        assert (stream.samplerate, stream.device.samplerate) == (48_000, 48_000)
        # Nothing is converted any more. All reports say so.
        setting = stream.settings["samplerate"]
        assert (setting.actual, setting.outcome) == (48_000, "default")
        assert stream.settings["conversion_quality"].outcome == "default"
        assert stream.latency.conversion_frames == 0
        stream.abort()
    assert stream.statistics().nonfinite_samples >= back.nonfinite_samples


@pytest.mark.parametrize("kind", [vc.OutputStream, vc.InputStream, vc.Stream])
@pytest.mark.parametrize("rate", [None, 16_000])
def test_back_at_its_own_rate_a_stream_stops_converting(kind: Any, rate: int | None) -> None:
    """Before the fix, it went on converting: with a delay, and not the same samples."""
    first_hz, second_hz = (48_000, 44_100) if rate is None else (48_000, 16_000)
    one, two, driver = devices(first_hz, second_hz)
    back, times = (one, 2) if rate is None else (two, 1)
    back.capture()
    made: list[Any] = []
    heard: list[Any] = []

    def callback(block: vc.Block) -> None:
        if block.input is not None:
            heard.append(block.input.copy())
        if block.output is not None:
            block.output[:] = coded(sum(map(len, made)), block.frames, block.output.shape[1])
            made.append(block.output.copy())

    def sing(block: vc.Block) -> None:
        block.output[:] = coded(sum(map(len, made)), block.frames, 2)
        made.append(block.output.copy())

    with kind(
        callback, driver=driver, samplerate=rate, channels=2, on_device_lost="default"
    ) as stream:
        one.step(100)
        moved(one, stream, 1)
        two.step(100)
        if times == 2:
            one.replug()
            moved(two, stream, 2)
        made.clear()
        heard.clear()
        ear: Any = vc.OutputStream if kind is vc.InputStream else None
        if ear is not None:
            with ear(sing, driver=driver, device=back.name, latency="low"):
                back.step(200)
        else:
            back.step(200)
        counted = stream.statistics()
        assert counted.frames == counted.blocks * stream.blocksize
        latencies = stream.latency if isinstance(stream.latency, tuple) else (stream.latency,)
        assert [part.conversion_frames for part in latencies] == [0] * len(latencies)
        stream.abort()
    found = np.concatenate(heard if kind is vc.InputStream else [back.heard()])
    wanted = np.concatenate(made)
    # The same samples, to the last bit: a run of 2,000 frames of the sound, somewhere in the other.
    start = int(np.flatnonzero(found[:, 0] == wanted[3_000, 0])[-1])
    assert np.array_equal(found[start : start + 2_000], wanted[3_000:5_000])


def test_gil_waits_and_run_times_count_on_after_a_move() -> None:
    """Before the fix, they stood still, because those of the old code were read."""
    one = VirtualDevice("One", frames=64)
    two = VirtualDevice("Two", frames=64, samplerate=44_100)
    with vc.OutputStream(
        lambda block: None, driver=VirtualDriver([one, two]), on_device_lost="default"
    ) as stream:
        until(lambda: stream.statistics().run_time.count > 10)
        one.inject("unplug")
        came_back(stream)
        before = stream.statistics()
        assert before.run_time.count > 10
        until(lambda: stream.statistics().run_time.count > before.run_time.count + 5)
        until(lambda: stream.statistics().gil_wait.count > before.gil_wait.count + 5)
        stream.abort()
    assert stream.statistics().run_time.count > before.run_time.count + 5


def test_a_growth_of_the_lead_is_reported_also_after_a_move() -> None:
    """Before the fix, the growths that nobody had taken were lost with the worker."""
    one = VirtualDevice("One", frames=64)
    two = VirtualDevice("Two", frames=64, samplerate=44_100)
    grown = threading.Event()

    def callback(block: vc.Block) -> None:
        if not grown.is_set():
            grown.wait(0.2)  # longer than the lead of 60 ms

    with vc.OutputStream(
        callback, driver=VirtualDriver([one, two]), on_device_lost="default"
    ) as stream:
        frames = stream._connection.worker.first_lead_frames  # type: ignore[union-attr]
        until(lambda: stream._connection.worker.lead_frames > frames)  # type: ignore[union-attr]
        grown.set()
        one.inject("unplug")
        came_back(stream)
        assert "lead" in [event.kind for event in stream.events()]
        stream.abort()
