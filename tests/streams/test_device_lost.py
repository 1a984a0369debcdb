"""Streams whose device is lost wait for the device, or continue on another one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import voicecoil as vc
from coded import assert_coded
from driver_contract import CodedOutput
from losing import came_back, go_by, is_away, is_on, kinds, no_thread_stays, unplug
from rig import until
from voicecoil.drivers.protocol import Driver
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver
from voicecoil.streams import recovery

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
    # The loopback takes 128 frames. Those that were in it when the device was removed are lost.
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
    with pytest.raises(vc.StreamStateError, match="is already running"):
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
    """The stream has no more blocks to play, so it ends. Only the end of its last block is lost."""
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
    stream = vc.OutputStream(
        callback, driver=driver, samplerate=48_000, device_rate="set", on_device_lost="wait"
    )
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
    stepped: Any, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "SOON_S", 1e9)  # on a slow machine, the changes are far apart
    stream = vc.OutputStream(
        CodedOutput(), driver=driver, samplerate=48_000, device_rate="set", on_device_lost="wait"
    )
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


def test_a_device_that_came_back_at_a_rate_that_it_keeps(
    stepped: Any, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed, kept = driver.devices, threading.Event()

    def devices() -> list[vc.Device]:
        """The search for the device finds nothing before another stream has set its rate."""
        searches = threading.current_thread().name == "voicecoil devices, lost"
        return [] if searches and not kept.is_set() else listed()

    stream = vc.OutputStream(
        CodedOutput(),
        driver=driver,
        samplerate=48_000,
        device_rate="set",
        latency="low",
        on_device_lost="wait",
    )
    stream.start()
    stepped.step(2)
    monkeypatch.setattr(driver, "devices", devices)
    unplug(stepped)
    is_away(stream)
    stepped.replug()
    with vc.OutputStream(
        CodedOutput(), driver=driver, samplerate=96_000, device_rate="set"
    ) as other:
        kept.set()
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
    stream = vc.OutputStream(
        callback, driver=driver, samplerate=44_100, device_rate="set", on_device_lost="wait"
    )
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
