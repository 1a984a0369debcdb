"""Streams that continue on the default device when their own device is lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import voicecoil as vc
from coded import assert_coded, coded
from driver_contract import CodedOutput
from losing import came_back, is_away, is_on, kinds, no_thread_stays, two_devices, unplug
from rig import until
from voicecoil.drivers.protocol import DriverStream, OpenRequest
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver


@pytest.fixture(autouse=True)
def _no_thread_stays() -> Iterator[None]:
    yield
    no_thread_stays()


def test_the_stream_goes_on_with_the_default_device() -> None:
    one, two, driver = two_devices(latency_frames=(0, 100))
    callback = CodedOutput()
    with vc.OutputStream(callback, driver=driver, on_device_lost="default") as stream:
        one.step(5)
        unplug(one)
        came_back(stream)
        assert stream.device.name == "Two"
        assert stream.latency.frames == 64 + 100
        assert stream.state == "running"
        two.step(5)
        # The stream stays on the second device, also when the first one is back.
        one.replug()
        two.step(5)
        assert stream.device.name == "Two"
        stream.abort()
        events = stream.events()
    assert kinds(events) == ["lost", "back", "xrun"]
    assert (events[1].detail, events[2].value) == ("Two", 100)
    assert_coded(one.heard())
    assert_coded(two.heard(), len(one.heard()))
    assert callback.position == 15 * 64


def test_a_device_that_becomes_the_default_changes_nothing() -> None:
    one, two, driver = two_devices()
    with vc.OutputStream(CodedOutput(), driver=driver, on_device_lost="default") as stream:
        one.step(2)
        driver.set_default(two)
        one.step(2)
        assert stream.device.name == "One"
        unplug(one)
        came_back(stream)
        assert stream.device.name == "Two"
        stream.abort()


def test_no_default_is_waited_for() -> None:
    one, two, driver = two_devices()
    driver.virtual_devices.remove(two)
    callback = CodedOutput()
    with vc.OutputStream(callback, driver=driver, on_device_lost="default") as stream:
        one.step(2)
        unplug(one)
        is_away(stream)
        driver.virtual_devices.append(two)
        is_on(stream)
        two.step(2)
        stream.abort()
    assert callback.blocks == 4


def test_blocks_stay_as_long_as_they_were() -> None:
    one, two, driver = two_devices(frames=100)
    callback = CodedOutput()
    with vc.OutputStream(callback, driver=driver, on_device_lost="default") as stream:
        one.step(5)
        unplug(one)
        came_back(stream)
        assert stream.blocksize == 64
        two.step(16)
        stream.abort()
    assert set(callback.sizes) == {64}
    assert_coded(two.heard(), 5 * 64)


@pytest.mark.parametrize("zero_copy", [False, True])
@pytest.mark.parametrize("layout", ["interleaved", "planar", "split"])
def test_fewer_channels(layout: Any, zero_copy: bool) -> None:
    one, two, driver = two_devices(input_channels=1, output_channels=1, layout=layout)
    inputs: list[Any] = []
    position = 0

    def callback(block: vc.Block) -> None:
        nonlocal position
        assert (block.input.shape, block.output.shape) == ((64, 2), (64, 2))
        inputs.append(block.input.copy())
        block.output[:] = coded(position, *block.output.shape)
        position += 64

    with vc.Stream(
        callback, driver=driver, on_device_lost="default", zero_copy=zero_copy
    ) as stream:
        one.step(4)
        unplug(one)
        came_back(stream)
        assert stream.channels == (2, 2)
        two.step(6)
        stream.abort()
    wanted = coded(0, 640, 2)
    assert np.array_equal(one.heard(), wanted[:256])
    assert np.array_equal(two.heard(), wanted[256:, :1])
    heard = np.concatenate(inputs)
    # the loopback takes 128 frames
    assert np.array_equal(heard[256 + 128 :, 0], wanted[256:512, 0])
    assert not heard[256:, 1].any()


def test_channels_that_no_longer_exist_become_the_first_ones() -> None:
    one, two, driver = two_devices()
    one.output_channels = 8
    two.output_channels = 3
    one.capture()
    two.capture()
    with vc.OutputStream(
        CodedOutput(), driver=driver, channels=[6, 3], on_device_lost="default"
    ) as stream:
        one.step(1)
        unplug(one)
        came_back(stream)
        two.step(1)
        stream.abort()
    assert np.array_equal(one.heard()[:, [6, 3]], coded(0, 64, 2))
    assert np.array_equal(two.heard()[:, :2], coded(64, 64, 2))
    assert not two.heard()[:, 2].any()


def test_the_default_device_is_set_to_the_streams_rate() -> None:
    one, _two, driver = two_devices(samplerate=96_000)
    with vc.OutputStream(
        CodedOutput(),
        driver=driver,
        samplerate=48_000,
        device_rate="set",
        on_device_lost="default",
    ) as stream:
        one.step(1)
        unplug(one)
        came_back(stream)
        assert stream.samplerate == 48_000
        assert driver.devices()[0].samplerate == 48_000
        stream.abort()


def test_a_default_device_at_another_rate_ends_the_stream() -> None:
    one, _two, driver = two_devices()
    other = vc.OutputStream(
        CodedOutput(), driver=driver, device="Two", samplerate=96_000, device_rate="set"
    )
    stream = vc.OutputStream(
        CodedOutput(),
        driver=driver,
        samplerate=48_000,
        device_rate="set",
        on_device_lost="default",
    )
    stream.start()
    one.step(1)
    unplug(one)
    with pytest.raises(vc.DeviceLostError, match="'Two', which runs at 96000 Hz for another"):
        stream.wait(10)
    stream.close()
    other.close()


class Hanging(VirtualDriver):
    """A driver whose device "One" can be opened again only when the test allows it."""

    def __init__(self, devices: list[VirtualDevice]) -> None:
        super().__init__(devices)
        self.hangs = False
        self.hung = 0
        self.go_on = threading.Event()

    def open_stream(self, request: OpenRequest) -> DriverStream:
        if self.hangs and request.device.name == "One":
            self.hung += 1
            assert self.go_on.wait(60)
        return super().open_stream(request)


def test_an_opening_that_hangs_holds_up_no_other_stream() -> None:
    one, two, _ = two_devices()
    driver = Hanging([one, two])
    wishes: dict[str, Any] = {"driver": driver, "on_device_lost": "wait"}
    with (
        vc.OutputStream(CodedOutput(), device="One", **wishes) as first,
        vc.OutputStream(CodedOutput(), device="Two", **wishes) as second,
    ):
        driver.hangs = True
        unplug(one)
        is_away(first)
        one.replug()
        until(lambda: driver.hung == 1)
        for _ in range(3):
            unplug(two)
            is_away(second)
            two.replug()
            is_on(second)
        assert first.state == "waiting"
        driver.go_on.set()
        is_on(first)
        first.abort()
        second.abort()
    assert driver.hung == 1


def test_a_stream_is_closed_while_its_opening_hangs() -> None:
    one, two, _ = two_devices()
    driver = Hanging([one, two])
    stream = vc.OutputStream(CodedOutput(), device="One", driver=driver, on_device_lost="wait")
    stream.start()
    driver.hangs = True
    unplug(one)
    is_away(stream)
    one.replug()
    until(lambda: driver.hung == 1)
    stream.close()
    driver.go_on.set()
    no_thread_stays()
    with vc.OutputStream(CodedOutput(), device="Two", driver=driver) as other:
        two.step(2)
        other.abort()
