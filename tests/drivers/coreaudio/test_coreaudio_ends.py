"""Streams on CoreAudio start and end correctly when a call fails or a device is lost."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable

import numpy as np
import pytest

import voicecoil as vc
from coreaudio import Worlds
from rig import until
from voicecoil.drivers.coreaudio.driver import CoreAudioDriver
from voicecoil.drivers.coreaudio.timeouts import Timeouts
from voicecoil.testing import SimulatedCoreAudio

SHORT = Timeouts(call_s=0.3, start_s=0.3, first_cycle_s=0.5, rate_s=0.5)


class Counter:
    def __init__(self) -> None:
        self.blocks = 0

    def __call__(self, block: vc.Block) -> None:
        self.blocks += 1
        block.output[:] = 0.5


def play_on(world: SimulatedCoreAudio, callback: Callable[[vc.Block], None]) -> vc.OutputStream:
    return vc.OutputStream(callback, driver=world.driver)


def play_until_unplugged(world: SimulatedCoreAudio) -> vc.OutputStream:
    """Returns a stream that has reported that its device was unplugged."""
    stream = play_on(world, Counter())
    stream.start()
    world.advance(0.1)
    world.device("USBDuplex:1").remove()
    world.advance(0.01)
    with pytest.raises(vc.DeviceLostError, match="unplugged"):
        stream.wait(5)
    return stream


# ---- start -------------------------------------------------------------------------------------


@pytest.mark.parametrize("holds_mutex", [0, 1])
def test_a_start_that_hangs_is_given_up_and_undone_when_it_comes_back(
    coreaudio: Worlds, holds_mutex: int
) -> None:
    world = coreaudio(16, switches={"hang_holds_io_mutex": holds_mutex}, timeouts=SHORT)
    counter = Counter()
    stream = vc.OutputStream(counter, driver=world.driver, device="Hung")
    with pytest.raises(
        vc.StreamTimeoutError, match=r"AudioDeviceStart of 'Simulated Hung'"
    ) as hung:
        stream.start()
    assert "neither destroyed nor freed" in hung.value.__notes__[0]
    assert world.driver.kept_ioprocs == 1
    assert world.driver.abandoned_calls == ["AudioDeviceStart of 'Simulated Hung'"]
    assert world.driver.devices(), "a successor thread calls CoreAudio"
    stream.close()
    world.release_hung()
    assert world.driver.settle(10)
    assert world.driver.kept_ioprocs == 0
    world.advance(0.1)
    assert counter.blocks == 0


def test_a_start_that_takes_its_time(coreaudio: Worlds) -> None:
    world = coreaudio(3, switches={"start_block_ns": 6_000_000_000})
    counter = Counter()
    with play_on(world, counter) as stream:
        world.advance(0.1)
        stream.abort()
    assert counter.blocks > 5


def test_callbacks_that_never_come_end_a_start(coreaudio: Worlds) -> None:
    world = coreaudio(
        3, switches={"callbacks_never": 1}, timeouts=SHORT, clock="running", speed=10.0
    )
    stream = play_on(world, Counter())
    with pytest.raises((vc.StreamTimeoutError, vc.DeviceLostError), match="no IO cycle came"):
        stream.start()
    stream.close()
    assert world.driver.kept_ioprocs == 0


def test_callbacks_that_never_come_are_trouble(coreaudio: Worlds) -> None:
    world = coreaudio(3, switches={"callbacks_never": 1})
    stream = play_on(world, Counter())
    stream.start()
    world.advance(4.9)
    assert not stream.wait(0)
    world.advance(0.2)
    with pytest.raises(vc.DeviceLostError, match=r"runs, but no IO cycle came for 5 s"):
        stream.wait(5)
    stream.close()


def test_a_first_callback_that_is_late(coreaudio: Worlds) -> None:
    world = coreaudio(
        3, switches={"first_callback_delay_ns": 2_000_000_000}, clock="running", speed=20.0
    )
    counter = Counter()
    with play_on(world, counter) as stream:
        assert counter.blocks > 0 or stream.active
        stream.abort()
    assert counter.blocks > 0


# ---- stop --------------------------------------------------------------------------------------


@pytest.mark.parametrize("extra_cycles", [1, 2, 7])
@pytest.mark.parametrize("stop_mode", [0, 1])
def test_no_callback_after_a_stop_in_either_manner(
    coreaudio: Worlds, stop_mode: int, extra_cycles: int
) -> None:
    world = coreaudio(3, switches={"stop_mode": stop_mode, "stop_extra_cycles": extra_cycles})
    counter = Counter()
    stream = play_on(world, counter)
    for _ in range(3):
        stream.start()
        world.advance(0.1)
        stream.abort()
        blocks = counter.blocks
        world.advance(0.1)
        assert counter.blocks == blocks
        assert world.driver.kept_ioprocs == 0
    stream.close()


def test_stopping_from_the_callback(coreaudio: Worlds) -> None:
    world = coreaudio(3)

    def callback(block: vc.Block) -> None:
        block.output[:] = 0.5
        stream.stop()

    stream = play_on(world, callback)
    stream.start()
    world.advance(0.2)
    assert stream.wait(5)
    stream.close()
    assert len(world.device("USBDuplex:1").heard()) == 512
    assert world.counter("rt_violations") == 0


def test_a_callback_that_does_not_return(coreaudio: Worlds) -> None:
    world = coreaudio(3, timeouts=SHORT)
    inside, leave = threading.Event(), threading.Event()

    def callback(block: vc.Block) -> None:
        inside.set()
        leave.wait(30)

    stream = play_on(world, callback)
    stream.start()
    stepper = threading.Thread(target=world.advance, args=(0.05,))
    stepper.start()
    assert inside.wait(10)
    connection = stream._connection
    assert connection is not None
    with pytest.raises(vc.StreamTimeoutError, match="the callback on 'Simulated USB Duplex'"):
        connection.halt(0.1)
    leave.set()
    stepper.join(10)
    stream.close()
    assert world.driver.kept_ioprocs == 0


@pytest.mark.parametrize("stop_mode", [0, 1])
def test_starts_and_stops_while_callbacks_want_the_gil(coreaudio: Worlds, stop_mode: int) -> None:
    """The HAL holds its IO mutex during a callback, and takes it in Start, Stop and Destroy."""
    world = coreaudio(3, switches={"stop_mode": stop_mode}, clock="running", speed=20.0)
    over = threading.Event()

    def compute() -> None:
        while not over.is_set():
            sum(range(1000))

    busy = [threading.Thread(target=compute) for _ in range(2)]
    for thread in busy:
        thread.start()
    try:
        for _ in range(5):
            with play_on(world, Counter()), play_on(world, Counter()) as second:
                world.device("USBDuplex:1").notify("nsrt")
                second.abort()
    finally:
        over.set()
        for thread in busy:
            thread.join()
    assert world.counter("deadlocks") == 0
    assert world.counter("stalls") == 0


# ---- events while a stream runs ----------------------------------------------------------------


@pytest.mark.parametrize("order", [0, 1, 2, 3])
@pytest.mark.parametrize("dead_device_error", [0, 1])
@pytest.mark.parametrize("remove_dead_listener", [0, 1])
def test_unplugging_in_every_order_of_notifications(
    coreaudio: Worlds, order: int, dead_device_error: int, remove_dead_listener: int
) -> None:
    switches = {
        "notify_order": order,
        "dead_device_error": dead_device_error,
        "remove_dead_listener": remove_dead_listener,
    }
    world = coreaudio(3, switches=switches)
    stream = play_until_unplugged(world)
    assert stream.wait(5)
    stream.close()


def test_unplugging_before_the_start(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    stream = play_on(world, Counter())
    world.device("USBDuplex:1").remove()
    with pytest.raises((vc.DriverError, vc.DeviceLostError)) as error:
        stream.start()
    assert getattr(error.value, "call", "") in ("AudioDeviceCreateIOProcID", "")
    stream.close()


def test_a_rate_change_under_the_stream(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    stream = play_on(world, Counter())
    stream.start()
    world.advance(0.1)
    world.device("USBDuplex:1").change_rate(96_000)
    world.advance(0.2)
    with pytest.raises(vc.DeviceLostError, match="from 48000 to 96000 Hz"):
        stream.stop()
    stream.close()
    with play_on(world, Counter()) as again:
        assert again.samplerate == 96_000
        again.abort()


def test_streams_that_change_under_the_stream(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    stream = play_on(world, Counter())
    stream.start()
    world.advance(0.1)
    world.device("USBDuplex:1").override("stm#", bytes(4))
    world.device("USBDuplex:1").notify("stm#")
    world.advance(0.05)
    with pytest.raises(vc.DeviceLostError, match="changed its streams under the stream"):
        stream.wait(5)
    stream.close()


def test_a_buffer_change_under_the_stream_goes_on(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    sizes: list[int] = []
    driver, device = world.driver, world.device("USBDuplex:1")
    with vc.OutputStream(lambda block: sizes.append(block.frames), driver=driver) as stream:
        world.advance(0.1)
        driver.call("", lambda: driver.hal.set_u32(device.id, "fsiz", 300), 10.0)
        world.advance(0.1)
        assert not stream.wait(0)
        stream.abort()
    assert {512, 300} <= set(sizes)


@pytest.mark.parametrize("dead_device_error", [0, 1])
@pytest.mark.parametrize("restart_listeners", [0, 1])
def test_every_restart_of_coreaudiod_ends_streams_and_the_next_ones_play(
    coreaudio: Worlds, restart_listeners: int, dead_device_error: int
) -> None:
    switches = {"restart_listeners": restart_listeners, "dead_device_error": dead_device_error}
    world = coreaudio(3, switches=switches)
    for _ in range(3):
        counter = Counter()
        stream = play_on(world, counter)
        stream.start()
        world.advance(0.1)
        before = world.device("USBDuplex:1").id
        world.restart_service()
        world.advance(0.01)
        assert counter.blocks > 0
        with pytest.raises(vc.DeviceLostError, match="coreaudiod"):
            stream.wait(5)
        stream.close()
        assert world.device("USBDuplex:1").id != before
        assert world.driver.kept_ioprocs == 0
    # This works only if the driver has again given notifications a thread of their own.
    play_until_unplugged(world).close()


def test_a_restart_of_coreaudiod_while_nothing_is_open(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    play_on(world, Counter()).close()
    world.restart_service()
    world.advance(0.01)
    with play_on(world, Counter()) as stream:
        world.advance(0.1)
        world.device("USBDuplex:1").remove()
        world.advance(0.01)
        with pytest.raises(vc.DeviceLostError, match="unplugged"):
            stream.wait(5)


@pytest.mark.parametrize("restart_listeners", [0, 1])
def test_a_listener_is_called_for_a_restart_and_for_later_changes(
    coreaudio: Worlds, restart_listeners: int
) -> None:
    world = coreaudio(3, switches={"restart_listeners": restart_listeners})
    told: list[str] = []
    end = world.driver.watch(told.append)
    for n in range(2):
        del told[:]
        world.restart_service()
        world.advance(0.01)
        until(lambda: "restart" in told)
        # The driver registers its listeners again, on another thread.
        until(lambda: world.counter("live_listeners") == 4)
        world.add_device(f"uid=new{n}; out=2")
        world.advance(0.01)
        until(lambda: "devices" in told)
    end()


def test_a_run_loop_that_cannot_be_set_is_set_by_a_later_call(
    coreaudio: Worlds, caplog: pytest.LogCaptureFixture
) -> None:
    world = coreaudio(3)
    refused = int.from_bytes(b"nope", "big")
    world.fail_call("AudioObjectSetPropertyData", refused, times=1)
    assert [device.uid for device in world.driver.devices()] == ["USBDuplex:1"]
    assert "'rnlp' of the system" in caplog.text
    world.fail_call("AudioObjectSetPropertyData", refused, times=1)
    # The driver sets the run loop again before it registers listeners. This set also fails once.
    play_until_unplugged(world).close()


def test_cleaning_up_needs_no_run_loop(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    stream = play_on(world, Counter())
    stream.start()
    world.advance(0.1)
    world.restart_service()
    world.advance(0.1)
    world.fail_call("AudioObjectSetPropertyData", int.from_bytes(b"what", "big"))
    with pytest.raises(vc.DeviceLostError, match="coreaudiod"):
        stream.wait(5)
    stream.close()
    assert world.driver.kept_ioprocs == 0
    assert world.counter("live_listeners") == 0


def test_two_drivers_on_one_coreaudio_hear_and_call_as_one(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    second = CoreAudioDriver([world.path], name="second", own_clock=True, stepped=True)
    threads = [driver.call("", threading.current_thread, 10.0) for driver in (world.driver, second)]
    assert threads[0] is threads[1]
    stream = play_on(world, Counter())
    stream.start()
    other = vc.OutputStream(Counter(), driver=second, samplerate=48_000, device_rate="set")
    with pytest.raises(vc.ArgumentError, match="runs at 48000 Hz"):
        vc.OutputStream(Counter(), driver=second, samplerate=96_000, device_rate="set")
    world.advance(0.1)
    world.device("USBDuplex:1").remove()
    world.advance(0.01)
    with pytest.raises(vc.DeviceLostError, match="unplugged"):
        other.start()  # reads the notifications for both streams
    with pytest.raises(vc.DeviceLostError, match="unplugged"):
        stream.wait(5)  # has also got the notification
    other.close()
    stream.close()


def test_notifications_without_a_change_have_no_effect(coreaudio: Worlds) -> None:
    switches = {"listener_addresses": 2, "notify_burst": 5, "notify_duplicates": 1}
    world = coreaudio(3, switches=switches)
    with play_on(world, Counter()) as stream:
        for what in ("nsrt", "livn", "stm#", "diff", "over"):
            world.device("USBDuplex:1").notify(what)
            world.advance(0.05)
            assert not stream.wait(0)
        stream.abort()


def test_more_notifications_than_the_queue_holds_are_counted_and_looked_into(
    coreaudio: Worlds,
) -> None:
    world = coreaudio(3, switches={"notify_burst": 16})
    device = world.device("USBDuplex:1")
    stream = play_on(world, Counter())
    stream.start()
    for _ in range(200):
        device.notify("livn")
        world.advance(0.002)
    device.change_rate(96_000)  # the queue is full, so it loses the notifications of this change
    world.advance(0.2)
    with pytest.raises(vc.DeviceLostError, match="from 48000 to 96000 Hz"):
        stream.wait(60)
    stream.close()


@pytest.mark.parametrize("listener_thread", [0, 1])
@pytest.mark.parametrize("listener_after_remove", [0, 1])
def test_listeners_are_removed_while_they_are_called(
    coreaudio: Worlds, listener_thread: int, listener_after_remove: int
) -> None:
    switches = {
        "listener_thread": listener_thread,
        "listener_after_remove": listener_after_remove,
    }
    world = coreaudio(3, switches=switches)
    for _ in range(5):
        with play_on(world, Counter()) as stream:
            world.advance(0.02)
            world.device("USBDuplex:1").notify("nsrt")
            stream.abort()
        world.advance(0.01)


# ---- fork --------------------------------------------------------------------------------------


def _in_child(world: SimulatedCoreAudio, stream: vc.OutputStream) -> None:
    failures = 0
    for attempt in (
        world.driver.devices,
        stream.start,
        lambda: vc.devices(world.driver),
        lambda: CoreAudioDriver(world.driver.library.paths),
    ):
        try:
            attempt()
            failures += 1
        except vc.ForkedError:
            pass
    stream.close()
    failures += isinstance(stream._connection.driver_stream.trouble(), vc.ForkedError) is False  # type: ignore[union-attr]
    os._exit(failures)


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_never_calls_coreaudio(coreaudio: Worlds) -> None:
    world = coreaudio(3, switches={"fork_action": 1})
    with play_on(world, Counter()) as stream:
        world.advance(0.05)
        child = multiprocessing.get_context("fork").Process(target=_in_child, args=(world, stream))
        child.start()
        child.join(30)
        assert child.exitcode == 0
        world.advance(0.05)
        stream.abort()
    assert np.all(world.device("USBDuplex:1").heard() == 0.5)
