"""Streams whose device is lost: they wait for it, or continue on another one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import voicecoil as vc
from coded import assert_coded, coded
from driver_contract import CodedOutput
from losing import came_back, go_by, is_away, is_on, kinds, no_thread_stays, two_devices, unplug
from rig import until
from voicecoil.drivers.protocol import Driver, DriverStream, OpenRequest
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver

VIRTUAL = pytest.mark.parametrize("stepped", ["virtual"], indirect=True)


@pytest.fixture(autouse=True)
def _no_thread_stays() -> Iterator[None]:
    yield
    no_thread_stays()


# ---- on_device_lost="wait" -----------------------------------------------------------------------


@pytest.mark.usefixtures("home")
def test_the_stream_goes_on_where_it_was(stepped: Any, driver: Driver) -> None:
    callback = CodedOutput()
    with vc.OutputStream(callback, driver=driver, on_device_lost="wait") as stream:
        for _ in range(3):
            stepped.step(5)
            unplug(stepped)
            is_away(stream)
            assert not stream.wait(0)
            stepped.replug()
            is_on(stream)
        stepped.step(5)
        stream.abort()
        told = [kind for kind in kinds(stream.events()) if kind != "xrun"]
        assert told == ["lost", "back"] * 3
    assert callback.position == 20 * 64
    steps = np.diff(callback.output_frames)
    assert (steps[np.arange(19) % 5 != 4] == 64).all()
    assert (steps >= 64).all()


@VIRTUAL
@pytest.mark.parametrize("blocksize", [None, 16, 100, 257])
def test_lost_frames_are_reported_exactly(
    stepped: VirtualDevice, driver: VirtualDriver, blocksize: int | None
) -> None:
    stepped.capture()
    callback = CodedOutput()
    stream = vc.OutputStream(callback, driver=driver, blocksize=blocksize, on_device_lost="wait")
    stream.start()
    stepped.step(5)
    unplug(stepped)
    is_away(stream)
    stepped.replug(away_s=0.01)
    is_on(stream)
    stepped.step(5)
    stream.abort()
    events = stream.events()
    stream.close()
    assert kinds(events) == ["lost", "back", "xrun"]
    lost, back, xrun = events[:3]
    assert "'Stepped' was unplugged" in lost.detail
    assert back.detail == "Stepped"
    assert xrun.value == 480  # 10 ms
    assert stream.statistics().lost_frames == 480
    assert sum(callback.xruns) == 480
    # Each frame that the callback made was played once.
    assert len(stepped.heard()) == 2 * 5 * 64
    assert_coded(stepped.heard())
    assert (np.diff(callback.output_ns) >= 0).all()
    steps = np.diff(callback.output_frames) - callback.sizes[:-1]
    assert steps.sum() == 480
    assert (steps >= 0).all()


@VIRTUAL
def test_an_input_stream_continues(stepped: VirtualDevice, driver: VirtualDriver) -> None:
    player = CodedOutput()
    heard: list[Any] = []
    lost: list[int] = []

    def listen(block: vc.Block) -> None:
        heard.append(block.input.copy())
        lost.append(block.xrun)

    options: Any = {"driver": driver, "on_device_lost": "wait"}
    with vc.OutputStream(player, **options) as output, vc.InputStream(listen, **options) as stream:
        stepped.step(10)
        unplug(stepped)
        is_away(output)
        is_away(stream)
        stepped.replug(away_s=1.0)
        is_on(output)
        is_on(stream)
        stepped.step(10)
        stream.abort()
        output.abort()
    assert lost == [0] * 10 + [48_000] + [0] * 9
    # A round trip takes 128 frames. The frames on their way when the device was removed are lost.
    assert_coded(np.concatenate(heard[2:10]))
    assert not np.concatenate(heard[10:12]).any()
    assert_coded(np.concatenate(heard[12:]), 640)


def test_duplex_goes_on(stepped: Any, driver: Driver) -> None:
    blocks = 0

    def callback(block: vc.Block) -> None:
        nonlocal blocks
        blocks += 1
        block.output[:] = block.input

    with vc.Stream(callback, driver=driver, on_device_lost="wait", blocksize=32) as stream:
        stepped.step(2)
        unplug(stepped)
        is_away(stream)
        stepped.replug()
        is_on(stream)
        stepped.step(2)
        stream.abort()
    assert blocks == 8


@pytest.mark.parametrize("end", ["stop", "abort", "close", "exit", "drop", "other thread"])
def test_every_end_while_it_waits(stepped: Any, driver: Driver, end: str) -> None:
    stream = vc.OutputStream(CodedOutput(), driver=driver, on_device_lost="wait")
    stream.start()
    stepped.step(2)
    unplug(stepped)
    is_away(stream)
    waited: list[bool] = []
    waiter = threading.Thread(target=lambda: waited.append(stream.wait(30)))
    if end == "other thread":
        waiter.start()
        stream.stop()
        waiter.join(10)
        assert waited == [True]
        assert stream.state == "idle"
    elif end == "exit":
        stream.stop()
        with pytest.raises(RuntimeError, match="meant"), stream:
            assert stream.state == "waiting"
            raise RuntimeError("meant")
    elif end == "drop":
        connection = stream._connection
        del stream
        until(lambda: connection is not None and connection.closed)
        return
    else:
        getattr(stream, end)()
    if end in ("stop", "abort"):
        assert stream.wait(0)
        stepped.replug()
        stream.start()
        is_on(stream)
        stepped.step(1)
        stream.abort()
    stream.close()
    assert stream.state == "closed"


def test_starting_a_waiting_stream_is_an_error(stepped: Any, driver: Driver) -> None:
    stream = vc.OutputStream(CodedOutput(), driver=driver, on_device_lost="wait")
    stream.start()
    stepped.step(2)
    unplug(stepped)
    is_away(stream)
    with pytest.raises(vc.StreamStateError, match="runs already"):
        stream.start()
    stream.close()


def test_a_device_that_goes_before_the_start(stepped: Any, driver: Driver) -> None:
    other = vc.OutputStream(CodedOutput(), driver=driver)
    callback = CodedOutput()
    stream = vc.OutputStream(callback, driver=driver, on_device_lost="wait")
    other.start()
    stepped.step(1)
    unplug(stepped)
    stream.start()
    assert stream.state == "waiting"
    stepped.replug()
    is_on(stream)
    stepped.step(3)
    stream.close()
    assert callback.blocks == 3
    other.close()


def test_an_exception_after_a_loss_is_raised(stepped: Any, driver: Driver) -> None:
    fail = False

    def callback(block: vc.Block) -> None:
        if fail:
            raise RuntimeError("meant")

    stream = vc.OutputStream(callback, driver=driver, on_device_lost="wait")
    stream.start()
    stepped.step(1)
    unplug(stepped)
    is_away(stream)
    fail = True
    stepped.replug()
    is_on(stream)
    stepped.step(1)
    with pytest.raises(RuntimeError, match="meant"):
        stream.wait(5)
    stream.close()


def test_stop_in_the_last_block_before_the_loss_ends_the_stream(
    stepped: Any, driver: Driver
) -> None:
    """The stream has nothing more to play, so it ends. Only the end of a sound was lost."""
    callback = CodedOutput(stop_after_blocks=2)
    stream = vc.OutputStream(callback, driver=driver, on_device_lost="wait")
    stream.start()
    stepped.step(2)
    assert stream.state == "draining"
    unplug(stepped)
    assert stream.wait(10)
    assert stream.state in ("idle", "finished")
    stream.close()


def test_a_rate_changed_by_another_program_is_set_back(stepped: Any, driver: Driver) -> None:
    callback = CodedOutput()
    stream = vc.OutputStream(callback, driver=driver, on_device_lost="wait")
    stream.start()
    stepped.step(2)
    stepped.inject("rate", 44_100)
    go_by(stepped)
    came_back(stream)
    blocks = callback.blocks
    stepped.step(2)
    assert callback.blocks == blocks + 2
    assert stream.samplerate == 48_000
    assert kinds(stream.events())[:2] == ["lost", "back"]
    stream.close()


def test_a_rate_that_another_program_insists_on_ends_the_stream(
    stepped: Any, driver: Driver
) -> None:
    stream = vc.OutputStream(CodedOutput(), driver=driver, on_device_lost="wait")
    stream.start()
    for times in range(1, 4):
        stepped.step(2)
        stepped.inject("rate", 44_100)
        go_by(stepped)
        came_back(stream, times)
    stepped.step(2)
    stepped.inject("rate", 44_100)
    until(lambda: (go_by(stepped), stream.state == "finished")[1])
    with pytest.raises(vc.DeviceLostError, match="set back to 48000 Hz 3 times"):
        stream.wait(10)
    assert stream.wait(10)
    stream.close()


def test_a_device_that_came_back_at_a_rate_that_it_keeps(stepped: Any, driver: Driver) -> None:
    stream = vc.OutputStream(CodedOutput(), driver=driver, on_device_lost="wait")
    stream.start()
    stepped.step(2)
    unplug(stepped)
    is_away(stream)
    stream._connection._recovery._next_look = float("inf")  # type: ignore[union-attr]
    stepped.replug()
    with vc.OutputStream(CodedOutput(), driver=driver, samplerate=96_000) as other:
        stream._connection._recovery._next_look = 0.0  # type: ignore[union-attr]
        with pytest.raises(vc.DeviceLostError, match=r"48000 Hz and cannot go on .* 96000 Hz"):
            stream.wait(10)
        other.abort()
    stream.close()


# ---- devices that do not exist yet ---------------------------------------------------------------


def test_a_stream_that_waits_for_its_first_device() -> None:
    driver = VirtualDriver([])
    callback = CodedOutput()
    with pytest.raises(vc.DeviceNotFoundError):
        vc.OutputStream(callback, driver=driver)
    with pytest.raises(vc.DeviceNotFoundError):
        vc.OutputStream(callback, driver=driver, device="headphones", on_device_lost="wait")
    stream = vc.OutputStream(callback, driver=driver, samplerate=44_100, on_device_lost="wait")
    assert stream.device.name == "no device yet"
    assert stream.state == "idle"
    with stream:
        assert stream.state == "waiting"
        assert (stream.samplerate, stream.channels) == (44_100, 2)
        device = VirtualDevice("Late", clock="stepped", frames=64)
        device.capture()
        driver.virtual_devices.append(device)
        is_on(stream)
        assert stream.device.name == "Late"
        device.step(3)
        stream.abort()
        assert kinds(stream.events()) == ["back"]
    assert stream.statistics().lost_frames == 0
    assert callback.position == 3 * 64
    assert_coded(device.heard())


def test_a_stream_that_waits_for_a_device_that_it_knows() -> None:
    device = VirtualDevice("Known", clock="stepped", frames=64, input_channels=0)
    driver = VirtualDriver([device])
    known = driver.devices()[0]
    driver.virtual_devices[:] = [VirtualDevice("Other", clock="stepped")]
    callback = CodedOutput()
    with vc.OutputStream(callback, driver=driver, device=known, on_device_lost="wait") as stream:
        assert stream.state == "waiting"
        driver.virtual_devices.append(device)
        is_on(stream)
        assert stream.device.uid == known.uid
        device.step(2)
        stream.abort()
    assert callback.blocks == 2


def test_an_unknown_policy() -> None:
    with pytest.raises(vc.ArgumentError, match=r'"wait".*"default"'):
        vc.OutputStream(CodedOutput(), driver=VirtualDriver(), on_device_lost="ignore")  # type: ignore[arg-type]


# ---- on_device_lost="default" --------------------------------------------------------------------


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
    # a round trip takes 128 frames
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
    with vc.OutputStream(CodedOutput(), driver=driver, on_device_lost="default") as stream:
        one.step(1)
        unplug(one)
        came_back(stream)
        assert stream.samplerate == 48_000
        assert driver.devices()[0].samplerate == 48_000
        stream.abort()


def test_a_default_device_at_another_rate_ends_the_stream() -> None:
    one, _two, driver = two_devices()
    other = vc.OutputStream(CodedOutput(), driver=driver, device="Two", samplerate=96_000)
    stream = vc.OutputStream(CodedOutput(), driver=driver, on_device_lost="default")
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
