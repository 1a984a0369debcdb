"""Callbacks on the device's thread that move to a device with another rate."""

from __future__ import annotations

import contextlib
import ctypes
import sys
from typing import Any

import numpy as np
import pytest

import voicecoil as vc
from losing import came_back, kinds, unplug
from natives import Gain, function
from rig import until
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver

RATE, HERTZ = 48_000, 997.0


def devices(second_hz: int, **second: Any) -> tuple[VirtualDevice, VirtualDevice, VirtualDriver]:
    one = VirtualDevice("One", clock="stepped", frames=64)
    two = VirtualDevice(
        "Two", clock="stepped", frames=96, samplerate=second_hz, latency_frames=(7, 5), **second
    )
    two.capture()
    return one, two, VirtualDriver([one, two])


def tone(ns: Any) -> Any:
    return 0.5 * np.sin(2e-9 * np.pi * HERTZ * (np.asarray(ns) % 1e9))


class Voice:
    """Plays a tone by the host time of its blocks, and compares the input with that time."""

    rate = RATE

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.worst = 0.0
        self.compares = False
        self.frames: list[tuple[int | None, int | None, int]] = []

    def __call__(self, block: vc.Block) -> None:
        assert self.rate in (0, block.samplerate)
        apart = np.arange(block.frames) * (1e9 / block.samplerate)
        self.sizes.append(block.frames)
        self.frames.append((block.time.input_frames, block.time.output_frames, block.xrun))
        if block.output is not None:
            block.output[:] = tone((block.time.output_ns or 0) + apart)[:, None]
        if block.input is not None and self.compares:
            error = block.input[:, 0] - tone((block.time.input_ns or 0) + apart)
            self.worst = max(self.worst, float(np.abs(error).max()))


class Ear(Voice):
    """The same at the rate of the device, at the other end of its loopback."""

    rate = 0


@pytest.mark.parametrize("kind", [vc.OutputStream, vc.InputStream, vc.Stream])
@pytest.mark.parametrize("second_hz", [44_100, 96_000])
@pytest.mark.parametrize("blocksize", [None, 40])
def test_a_stream_keeps_its_rate_its_times_and_its_pitch(
    kind: Any, second_hz: int, blocksize: int | None
) -> None:
    one, two, driver = devices(second_hz)
    voice, other = Voice(), Ear()
    source: Any = vc.OutputStream if kind is vc.InputStream else vc.InputStream
    with (
        source(other, driver=driver, device="Two", latency="low") as partner,
        kind(
            voice, driver=driver, latency="low", blocksize=blocksize, on_device_lost="default"
        ) as stream,
    ):
        one.step(20)
        unplug(one)
        came_back(stream)
        moved_at = len(voice.sizes)
        two.step(100)
        voice.compares = other.compares = True
        two.step(200)
        assert (stream.samplerate, stream.device.samplerate) == (RATE, second_hz)
        latency = stream.latency
        parts = latency if isinstance(latency, tuple) else (latency,)
        assert all(60 < part.conversion_frames < 80 for part in parts)
        assert all(part.samplerate == RATE for part in parts)
        assert stream.settings["samplerate"].outcome == "converted"
        assert stream.settings["conversion_quality"].outcome == "default"
        assert sum(xrun for *_, xrun in voice.frames[moved_at + 3 :]) == 0
        partner.abort()
        stream.abort()
    assert set(voice.sizes) == {blocksize or 64}
    made = sum(voice.sizes[moved_at:])
    assert abs(made - 300 * 96 * RATE / second_hz) < 2 * (blocksize or 64)
    column = 0 if kind is vc.InputStream else 1
    starts = [seen[column] for seen in voice.frames[moved_at + 3 :]]
    assert set(np.diff(starts)) == {blocksize or 64}
    assert max(voice.worst, other.worst) < 1e-4
    assert driver.devices()[0].samplerate == second_hz, "the device keeps its rate"


def test_back_at_its_own_rate_nothing_is_converted() -> None:
    one, two, driver = devices(44_100)
    voice = Voice()
    with vc.OutputStream(voice, driver=driver, latency="low", on_device_lost="default") as stream:
        one.step(20)
        unplug(one)
        came_back(stream)
        two.step(20)
        one.replug()
        unplug(two)
        came_back(stream, 2)
        blocks = len(voice.sizes)
        one.step(20)
        assert len(voice.sizes) == blocks + 20
        assert stream.latency.conversion_frames == 0
        assert stream.settings["samplerate"].outcome == "default"
        assert kinds(stream.events())[:2] == ["lost", "back"]
        stream.abort()


def test_a_native_callback_goes_on(library: ctypes.CDLL) -> None:
    one, two, driver = devices(44_100)
    gain = Gain(0.5, -1, 0)
    callback = vc.NativeCallback(function(library), gain)
    with vc.Stream(callback, driver=driver, on_device_lost="default") as stream:
        one.step(10)
        unplug(one)
        came_back(stream)
        before = gain.frames
        two.step(100)
        assert abs(gain.frames - before - 100 * 96 * RATE / 44_100) <= 128
        assert (stream.samplerate, stream.device.samplerate) == (RATE, 44_100)
        stream.abort()


@pytest.mark.skipif(sys.version_info < (3, 12), reason="isolated=True needs Python 3.12")
def test_an_isolated_callback_goes_on() -> None:
    one, two, driver = devices(44_100)
    with vc.OutputStream(
        "isolated_callables:count",
        isolated=True,
        driver=driver,
        on_device_lost="default",
        results={"blocks": 0},
    ) as stream:
        one.step(10)
        unplug(one)
        came_back(stream)
        before = stream.results.blocks
        two.step(100)
        assert abs(stream.results.blocks - before - 100 * 96 * RATE / 44_100 / 64) <= 2
        stream.abort()


def test_a_pair_of_devices_whose_output_has_another_rate() -> None:
    """The input is resampled to the clock of the output, and both to the rate of the stream."""

    def pair(name: str, rate: int) -> tuple[VirtualDevice, VirtualDevice]:
        shape: dict[str, Any] = {"clock": "stepped", "frames": 96, "samplerate": rate}
        return (
            VirtualDevice(f"{name} in", output_channels=0, **shape),
            VirtualDevice(f"{name} out", input_channels=0, **shape),
        )

    mic, speakers = pair("A", 48_000)
    driver = VirtualDriver([mic, speakers])
    voice = Voice()
    with vc.Stream(
        voice, driver=driver, device=("A in", "A out"), latency="low", on_device_lost="wait"
    ) as stream:
        for _ in range(10):
            mic.step(1)
            speakers.step(1)
        speakers.inject("rate", 44_100)
        until(lambda: (step(speakers), stream.device.output.samplerate == 44_100)[1])
        came_back(stream)
        before = len(voice.sizes)
        for _ in range(200):
            mic.step(1)
            speakers.step(1)
        made = sum(voice.sizes[before:])
        assert abs(made - 200 * 96 * RATE / 44_100) <= 2 * 96
        assert stream.samplerate == RATE
        stream.abort()


def step(device: VirtualDevice) -> None:
    with contextlib.suppress(vc.StreamStateError):
        device.step(1)


def test_a_rate_that_is_too_different_ends_the_stream_with_its_reason() -> None:
    one, _two, driver = devices(384_001)
    with vc.InputStream(
        lambda block: None, driver=driver, latency="low", on_device_lost="default"
    ) as stream:
        one.step(5)
        unplug(one)
        with pytest.raises(vc.DeviceLostError, match=r"48000 Hz and cannot go on with 'Two'"):
            stream.wait(10)
