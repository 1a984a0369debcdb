"""Streams whose rate differs from the device's: conversion, exact times, losses and ends."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import soxr
from numpy.typing import NDArray

import voicecoil as vc
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver

pytestmark = pytest.mark.usefixtures("on_a_worker")

Signal = NDArray[np.float32]
HOURS = float(os.environ.get("VOICECOIL_HOURS", "0.01"))  # of virtual time, for the drift
HERTZ = 1000.0
# The conversion of a part differs from that of the whole signal by soxr's rounding only.
SAME = 2e-6


def sine(ns: float, frames: int, rate: float) -> Signal:
    """Returns a sine whose phase is that of the host time, from `ns` on."""
    turns = (ns * 1e-9 * HERTZ + np.arange(frames) * (HERTZ / rate)) % 1.0
    return (0.5 * np.sin(2 * np.pi * turns)).astype(np.float32)


class Keeper:
    """A callback that keeps its input and the times of all blocks, and plays what `make` makes."""

    def __init__(self, make: Callable[[vc.Block, int], Any] | None = None) -> None:
        self.make = make
        self.input: list[Signal] = []
        self.made: list[Signal] = []
        self.times: list[dict[str, int]] = []
        self.lost: list[int] = []
        self.frames = 0

    def __call__(self, block: vc.Block) -> None:
        names = ("input_ns", "output_ns", "input_frames", "output_frames", "now_frames", "now_ns")
        self.times.append({name: getattr(block.time, name) for name in names})
        self.lost.append(block.xrun)
        if block.input is not None:
            self.input.append(np.array(block.input))
        if block.output is not None and self.make is not None:
            block.output[:] = self.make(block, self.frames)
            self.made.append(np.array(block.output))
        self.frames += block.frames


def device(**options: Any) -> tuple[VirtualDevice, VirtualDriver]:
    options = {"clock": "stepped", "frames": 512, **options}
    virtual = VirtualDevice("Rates", **options)
    virtual.capture()
    return virtual, VirtualDriver([virtual])


def noise(frames: int, channels: int = 2) -> Signal:
    random = np.random.default_rng(3)
    return random.uniform(-0.5, 0.5, (frames, channels)).astype(np.float32)


class Source:
    """Plays a signal that is a function of the block. The device hears it itself."""

    def __init__(self, signal: Callable[[vc.Block], Signal]) -> None:
        self.signal = signal
        self.first: int | None = None  # sample time of the first frame

    def __call__(self, block: vc.Block) -> None:
        self.first = block.time.output_frames if self.first is None else self.first
        block.output[:] = self.signal(block)


def from_array(wave: Signal) -> Source:
    """Returns a source that plays frame n of the array at the sample time n."""

    def part(block: vc.Block) -> Signal:
        first = block.time.output_frames
        assert first is not None
        return wave[first : first + block.frames]

    return Source(part)


def playing(driver: VirtualDriver, source: Source) -> vc.OutputStream:
    return vc.OutputStream(source, driver=driver, channels=2, latency="low")


@pytest.mark.parametrize(
    ("rate", "hz", "quality", "blocksize", "frames"),
    [
        (16_000, 48_000, "HQ", None, 512),
        (16_000, 44_100, "HQ", 160, 480),
        (48_000, 44_100, "VHQ", None, 64),
        (8_000, 96_000, "LQ", 333, 1000),
        (44_100, 48_000, "QQ", None, 512),
        (24_000, 48_000, "MQ", 1, 512),
    ],
)
def test_input_equals_the_conversion_of_the_whole_signal(
    rate: int, hz: int, quality: str, blocksize: int | None, frames: int
) -> None:
    virtual, driver = device(samplerate=hz, frames=frames)
    wave = noise(hz // 2)
    keeper, played = Keeper(), from_array(wave)
    with (
        playing(driver, played) as source,
        vc.InputStream(
            keeper,
            driver=driver,
            samplerate=rate,
            blocksize=blocksize,
            conversion_quality=quality,
        ) as stream,
    ):
        assert (stream.samplerate, stream.device.samplerate) == (rate, hz)
        assert virtual.describe(False, False).samplerate == hz
        virtual.step(hz // 4 // frames)
        stream.abort()
        source.abort()
    heard = np.concatenate(keeper.input)
    assert played.first is not None
    wave[: played.first] = 0.0
    # The first frame of the stream has the sample time -frames of the device.
    whole = np.concatenate([np.zeros((frames, 2), np.float32), wave])
    expected = soxr.resample(whole, hz, rate, quality)[: len(heard)]
    assert len(heard) > rate // 8
    assert np.abs(heard - expected).max() < SAME
    assert keeper.lost == [0] * len(keeper.lost)
    sizes = {len(part) for part in keeper.input}
    assert sizes == {blocksize or stream.blocksize}


@pytest.mark.parametrize(("rate", "hz"), [(24_000, 48_000), (48_000, 44_100), (16_000, 96_000)])
def test_output_equals_the_conversion_of_the_whole_signal_with_its_last_frame(
    rate: int, hz: int
) -> None:
    virtual, driver = device(samplerate=hz)
    wave = noise(rate // 4)
    keeper = Keeper()

    def make(block: vc.Block, frame: int) -> Signal:
        rest = wave[frame : frame + block.frames]
        if len(rest) < block.frames:
            block.output[: len(rest)] = rest
            raise vc.Stop
        return rest

    keeper.make = make
    with vc.OutputStream(keeper, driver=driver, samplerate=rate) as stream:
        while stream.state == "running":
            virtual.step()
        while stream.state != "finished":
            virtual.step()
        blocks = stream.statistics().blocks
        assert stream.statistics().frames == blocks * stream.blocksize
    heard = virtual.heard()
    full = np.concatenate([wave, np.zeros((blocks * stream.blocksize - len(wave), 2), np.float32)])
    expected = soxr.resample(full, rate, hz, "HQ")
    count = min(len(heard), len(expected))
    assert count >= len(expected) - 1
    assert np.abs(heard[:count] - expected[:count]).max() < SAME
    assert np.abs(heard[count:]).max(initial=0.0) == 0.0


@pytest.mark.parametrize("latency", ["safe", 0.1])
@pytest.mark.parametrize(("rate", "hz", "frames"), [(16_000, 48_000, 512), (48_000, 44_100, 128)])
def test_a_sine_keeps_its_phase_by_the_times_of_the_blocks_also_after_losses(
    rate: int, hz: int, frames: int, latency: Any
) -> None:
    virtual, driver = device(samplerate=hz, frames=frames)
    keeper = Keeper(lambda block, _: sine(block.time.output_ns or 0, block.frames, rate)[:, None])
    source = Source(
        lambda block: sine(block.time.output_ns or 0, block.frames, hz)[:, None].repeat(2, 1)
    )
    virtual.inject("xrun", 12_345, hz // 4)
    virtual.inject("xrun", 7, hz // 2)
    with (
        playing(driver, source) as other,
        vc.InputStream(
            keeper, driver=driver, samplerate=rate, channels=1, blocksize=100, latency=latency
        ) as stream,
    ):
        virtual.step(int(0.75 * hz) // frames)
        assert stream.statistics().lost_frames == 12_352
        stream.abort()
        other.abort()
    heard = np.concatenate(keeper.input)[:, 0]
    wanted = np.concatenate([sine(time["input_ns"], 100, rate) for time in keeper.times])
    wrong = np.abs(heard - wanted) > 1e-4
    # Around each loss, the filter mixes the sound before it with the sound after it.
    assert np.count_nonzero(wrong[rate // 20 :]) < 4 * 400
    assert not wrong[-rate // 10 :].any()
    # The sample times and the lost frames agree exactly, and the sum is that of the device.
    starts = [time["input_frames"] for time in keeper.times]
    steps = np.diff(starts) - 100
    assert list(steps) == keeper.lost[1:]
    total = sum(keeper.lost)
    assert abs(total - 12_352 * rate / hz) <= 0.5
    ns = np.diff([time["input_ns"] for time in keeper.times])
    assert np.abs(ns - (steps + 100) * 1e9 / rate).max() < 1e9 / rate


def test_the_output_is_heard_at_the_times_of_its_blocks() -> None:
    virtual, driver = device(samplerate=44_100, frames=256)
    keeper = Keeper(lambda block, _: sine(block.time.output_ns or 0, block.frames, 16_000)[:, None])
    listener = Keeper()
    with (
        vc.OutputStream(keeper, driver=driver, samplerate=16_000, channels=2) as stream,
        vc.InputStream(listener, driver=driver, channels=2, latency="low") as ear,
    ):
        latency = stream.latency
        virtual.step(100)
        stream.abort()
        ear.abort()
    quiet = 30
    for time, heard in zip(listener.times[quiet:], listener.input[quiet:], strict=True):
        wanted = sine(time["input_ns"], len(heard), 44_100)
        assert np.abs(heard[:, 0] - wanted).max() < 2e-4
    assert latency.samplerate == 16_000
    assert latency.conversion_frames > 0
    ahead = [time["output_frames"] - time["now_frames"] for time in keeper.times[quiet:]]
    assert max(ahead) <= latency.frames + 1


@pytest.mark.parametrize(("rate", "hz"), [(16_000, 48_000), (48_000, 44_100)])
def test_the_delay_of_a_duplex_stream_is_constant_and_is_its_latency(rate: int, hz: int) -> None:
    virtual, driver = device(samplerate=hz, frames=128, loopback=False)
    keeper = Keeper(lambda block, _: block.input)
    virtual.inject("xrun", 5000, hz // 4)
    with vc.Stream(keeper, driver=driver, samplerate=rate, channels=2) as stream:
        sum_frames = sum(way.frames for way in stream.latency)
        virtual.step(hz // 2 // 128)
        assert stream.statistics().lost_frames == 5000
        assert stream.statistics().xruns == 1
        stream.abort()
    delays = [time["output_ns"] - time["input_ns"] for time in keeper.times]
    settled = [delays[0]] * len(delays)
    late = [i for i, (a, b) in enumerate(zip(delays, settled, strict=True)) if abs(a - b) > 3]
    assert len(late) * stream.blocksize / rate < 0.1, "only the blocks in flight at the loss"
    assert abs(delays[-1] * 1e-9 * rate - sum_frames) <= 3


def test_all_features_of_a_block_work_at_the_programs_rate() -> None:
    virtual, driver = device()
    kinds = []

    def callback(block: vc.Block) -> None:
        kinds.append((type(block.input), block.input.format, block.samplerate, block.frames))
        block.results.peak = block.parameters.gain * 2
        for frame in range(block.frames):
            block.output[frame, 0] = 16_384

    with vc.Stream(
        callback,
        driver=driver,
        samplerate=16_000,
        blocksize=160,
        dtype="int16",
        arrays="memoryview",
        input_channels=1,
        output_channels=1,
        meter=True,
        parameters={"gain": 1.5},
        results={"peak": 0.0},
        conversion_quality="vhq",
    ) as stream:
        virtual.step(60)
        stream.parameters.gain = 4.0
        virtual.step(20)
        assert stream.results.peak == 8.0
        assert max(level.peak for level in stream.levels()[1]) > 0.45
        setting = stream.settings["samplerate"]
        assert (setting.actual, setting.outcome) == (16_000, "converted")
        assert "48000 Hz" in setting.reason
        stream.abort()
    assert set(kinds) == {(memoryview, "h", 16_000.0, 160)}
    heard = virtual.heard()
    assert np.abs(heard[-1000:] - 0.5).max() < 1e-3
    assert np.array_equal(heard[:, 0], heard[:, 1])


def test_a_stop_plays_everything_and_a_new_start_begins_anew() -> None:
    virtual, driver = device()
    keeper = Keeper(lambda block, _: np.full((block.frames, 2), 0.25, np.float32))
    stream = vc.OutputStream(keeper, driver=driver, samplerate=16_000)
    heard = 0
    for _ in range(2):
        stream.start()
        virtual.step(20)
        stream._connection.ask_to_end(drain=True)  # type: ignore[union-attr]
        while stream.state != "finished":
            virtual.step()
        made = keeper.frames
        stream.stop()
        assert keeper.frames == made
        sound = virtual.heard()[heard:]
        heard += len(sound)
        loud = np.count_nonzero(np.abs(sound[:, 0] - 0.25) < 0.02)
        assert abs(loud - 3 * made) < 50, "the last frames were not played"
        keeper.frames = 0
    stream.close()


def test_input_that_had_arrived_at_a_stop_is_delivered() -> None:
    virtual, driver = device()
    keeper = Keeper()
    stream = vc.InputStream(keeper, driver=driver, samplerate=16_000, blocksize=16)
    stream.start()
    virtual.step(20)
    assert keeper.frames < 20 * 512 // 3 - 80
    stream._connection.ask_to_end(drain=True)  # type: ignore[union-attr]
    virtual.step(1)
    assert 21 * 512 // 3 - 16 <= keeper.frames <= 21 * 512 // 3 + 1
    stream.close()


def test_an_exception_of_the_callback_is_raised_and_named(recwarn: Any) -> None:
    virtual, driver = device()

    def callback(block: vc.Block) -> None:
        raise LookupError("none")

    stream = vc.Stream(callback, driver=driver, samplerate=16_000)
    stream.start()
    virtual.step(40)
    assert isinstance(stream.exception, LookupError)
    with pytest.raises(LookupError):
        stream.stop()
    assert stream._code.callable is callback  # type: ignore[attr-defined]
    stream.close()


def test_samples_that_are_not_finite_are_silenced_before_the_conversion() -> None:
    virtual, driver = device()

    def callback(block: vc.Block) -> None:
        block.output[:] = 0.5
        block.output[3] = np.nan

    with vc.OutputStream(callback, driver=driver, samplerate=16_000, channels=2) as stream:
        virtual.step(60)
        counted = stream.statistics()
        stream.abort()
    assert counted.nonfinite_samples == 2 * counted.blocks
    assert np.isfinite(virtual.heard()).all()


@pytest.mark.timeout(120 + 120 * HOURS)
def test_no_frame_drifts() -> None:
    """VOICECOIL_HOURS=10 for ten hours of virtual time.

    A tone of 2 Hz is played to the stream and by the stream. A drift of one frame changes the tone
    at the times of the blocks by up to 1.3e-4. Its period is longer than what the converter may
    hold, so no drift looks like none.
    """
    slow = 2.0 / HERTZ  # `sine` with this times the time is the tone
    virtual = VirtualDevice("Rates", clock="stepped", frames=8192, samplerate=44_100)
    driver = VirtualDriver([virtual])
    first: list[int] = []
    last: list[int] = []
    made = 0

    def tone(ns: int | None, frames: int, rate: float) -> Signal:
        return sine((ns or 0) * slow, frames, rate / slow)

    def callback(block: vc.Block) -> None:
        nonlocal made
        delay = (block.time.output_ns or 0) - (block.time.input_ns or 0)
        (first if len(first) < 1 else last[:0]).append(delay)
        last[:] = [delay, block.time.input_frames or 0]
        made += block.frames
        block.output[:, 0] = tone(block.time.output_ns, block.frames, 48_000)
        wanted = tone(block.time.input_ns, block.frames, 48_000)
        wrong["in"].append(float(np.abs(block.input[:, 0] - wanted).max()))

    def play(block: vc.Block) -> None:
        block.output[:, 0] = tone(block.time.output_ns, block.frames, 44_100)

    def listen(block: vc.Block) -> None:
        wanted = tone(block.time.input_ns, block.frames, 44_100)
        wrong["out"].append(float(np.abs(block.input[:, 0] - wanted).max()))

    wrong: dict[str, deque[float]] = {"in": deque(maxlen=20), "out": deque(maxlen=20)}
    with (
        vc.OutputStream(play, driver=driver, channels=[0], latency="low"),
        vc.InputStream(listen, driver=driver, channels=[1], latency="low"),
        vc.Stream(
            callback,
            driver=driver,
            samplerate=48_000,
            conversion_quality="HQ",
            input_channels=[0],
            output_channels=[1],
        ) as stream,
    ):
        cycles = int(HOURS * 3600 * 44_100 / 8192)
        for _ in range(cycles // 100):
            virtual.step(100)
        stream.abort()
        assert stream.statistics().lost_frames == 0
    frames = cycles // 100 * 100 * 8192
    held = frames * 48_000 / 44_100 - made
    assert 0 <= held < 48_000 * 0.4, "frames were lost or made"
    assert abs(last[0] - first[0]) <= 3
    assert max(wrong["in"]) < 1e-5
    assert max(wrong["out"]) < 1e-5


# ---- what does not convert -----------------------------------------------------------------------


@pytest.mark.parametrize("hz", [44_100.0, 48_000.0])
def test_a_callback_on_the_io_thread_is_told_the_rates_and_the_home_that_converts(
    hz: float,
) -> None:
    _, driver = device(samplerate=hz, rates=(44_100, 48_000))
    with pytest.raises(vc.ArgumentError) as raised:
        vc.InputStream(lambda block: None, driver=driver, samplerate=16_000, latency="low")
    for text in (f"{hz:g} Hz", "44100, 48000", 'device_rate="set"', 'latency="safe"'):
        assert text in str(raised.value)


def test_wrong_values_are_refused() -> None:
    _, driver = device()
    for wishes, words in (
        ({"device_rate": "change"}, '"keep"'),
        ({"conversion_quality": "best"}, "VHQ"),
        ({"conversion_quality": 3}, "VHQ"),
    ):
        with pytest.raises(vc.ArgumentError, match=words):
            vc.OutputStream(lambda block: None, driver=driver, **wishes)  # type: ignore[arg-type]
