"""No background thread waits for the work of another one. If a thread cannot be started, no work is
lost.
"""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import voicecoil as vc
from coreaudio import simulator_path
from rig import until
from voicecoil.drivers.call_thread import CallThread
from voicecoil.drivers.choose import get_driver
from voicecoil.drivers.polling import Watching
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver
from voicecoil.lifetime import exit_and_fork, waking
from voicecoil.streams import recovery
from voicecoil.testing import SimulatedCoreAudio
from voicecoil.testing.simulator_library import ENVIRONMENT

# ---- streams without a reference ----------------------------------------------------------------

ONE = "uid=one; name=One; in=2; out=2; buffer=64"


class Instrument:
    """An object with a stream whose callback is a method of the object."""

    def __init__(self, **wanted: Any) -> None:
        self.called = threading.Event()
        self.stream = vc.OutputStream(self.play, **wanted)
        self.stream.start()
        assert self.called.wait(20)

    def play(self, block: vc.Block) -> None:
        if not self.called.is_set():
            self.called.set()


def assert_collected(instrument: list[Instrument]) -> None:
    """Removes the object from the list `instrument`, which has the only reference, and checks that
    the object is collected.
    """
    connection = instrument[0].stream._connection
    assert connection is not None
    alive = weakref.ref(instrument.pop())
    engine, gone = connection.engine, weakref.ref(connection)
    del connection
    gc.collect()
    until(lambda: gc.collect() >= 0 and alive() is None and gone() is None)
    del engine  # not checked, because a device may keep it for longer


@pytest.mark.parametrize("latency", ["safe", "low"])
@pytest.mark.parametrize("name", ["virtual", "miniaudio:null"])
def test_a_dropped_stream_ends_although_its_driver_lives_on(name: str, latency: str) -> None:
    """A driver that was chosen by name exists until the process ends, and so do its devices."""
    try:
        get_driver(name)
    except vc.VoicecoilError as error:
        pytest.skip(f"no {name}: {error}")
    instrument = [Instrument(driver=name, latency=latency)]
    assert_collected(instrument)


@pytest.mark.parametrize("latency", ["safe", "low"])
def test_a_dropped_stream_on_coreaudio_ends(latency: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT, simulator_path())
    with SimulatedCoreAudio(devices=[ONE], clock="real") as world:
        instrument = [Instrument(driver=world.driver, latency=latency)]
        assert_collected(instrument)


class Heard(Instrument):
    """An object whose method is also told of the end of its stream."""

    def __init__(self, **wanted: Any) -> None:
        super().__init__(on_end=self.ended, **wanted)

    def ended(self, stream: object, error: object) -> None: ...


class Speaker:
    """An object with a player that waits for a mark, which its device never reaches."""

    def __init__(self) -> None:
        driver = VirtualDriver([VirtualDevice("Stepped", clock="stepped")])
        self.player = vc.Player(driver=driver, channels=1, on_mark=self.heard)
        self.player.start()
        self.player.write(np.zeros((4800, 1), np.float32))
        self.player.mark("word")

    def heard(self, mark: vc.Mark) -> None: ...


@pytest.mark.parametrize("latency", ["safe", "low"])
def test_a_dropped_stream_ends_whose_owner_is_told_of_its_end(latency: str) -> None:
    """Before the fix, the watch for the end of the run kept the stream, which played for ever."""
    assert_collected([Heard(driver="virtual", latency=latency)])


def test_a_dropped_player_ends_whose_owner_is_told_of_marks() -> None:
    speaker = [Speaker()]
    alive = weakref.ref(speaker.pop().player)
    until(lambda: gc.collect() >= 0 and alive() is None)


def test_a_dropped_recorder_ends_after_a_task_has_waited_for_its_frames() -> None:
    """The waking thread must not refer to the last wait until there is another one."""
    device = VirtualDevice("Stepped", clock="stepped", frames=64)
    recorder = vc.Recorder(driver=VirtualDriver([device]), channels=1, blocksize=64)
    recorder.start()

    async def take(recorder: vc.Recorder) -> None:
        asyncio.get_running_loop().call_soon(device.step, 8)  # runs once this task waits
        async for block in recorder:
            assert block.frames == 64
            break

    asyncio.run(take(recorder))
    alive = weakref.ref(recorder)
    del recorder
    until(lambda: gc.collect() >= 0 and alive() is None)


def test_a_stream_that_is_dropped_while_it_waits_for_its_device_ends() -> None:
    device = VirtualDevice("Away", clock="free", frames=64)
    driver = VirtualDriver([device])
    instrument = [Instrument(driver=driver, on_device_lost="wait")]
    device.inject("unplug", at_frame=device.frame)
    until(lambda: instrument[0].stream.state == "waiting")
    until(lambda: bool(recovery._recovering))
    assert_collected(instrument)
    until(lambda: not recovery._recovering)


# ---- calls that block ----------------------------------------------------------------------------


@pytest.fixture
def stuck() -> Iterator[threading.Event]:
    """Yields an event. The test's blocking calls wait until it is set."""
    go_on = threading.Event()
    yield go_on
    go_on.set()


def test_streams_are_closed_beside_one_whose_callback_does_not_return(
    stuck: threading.Event,
) -> None:
    exit_and_fork.submit(lambda: stuck.wait(60) and None)
    instrument = [Instrument(driver=VirtualDriver([VirtualDevice("Free", clock="free")]))]
    assert_collected(instrument)
    assert not stuck.is_set()


def test_ticks_come_while_a_stream_is_being_closed(stuck: threading.Event) -> None:
    exit_and_fork.submit(lambda: stuck.wait(60) and None)
    ticks: list[int] = []
    exit_and_fork.tick(lambda: len(ticks) < 3 and not ticks.append(1))
    until(lambda: len(ticks) == 3)


def test_what_a_task_was_last_to_use_is_freed() -> None:
    """In a free-threaded Python, the thread that has made an object must run again to free it. The
    idle control thread did not, so that a dropped stream was sometimes kept until the next task.
    """

    class Thing:
        def use(self) -> None:
            until(lambda: bool(exit_and_fork._background._begun))
            used.set()

    used, freed = threading.Event(), threading.Event()

    def make() -> bool:
        thing = Thing()
        weakref.finalize(thing, freed.set)
        exit_and_fork.submit(thing.use)
        return False

    exit_and_fork.tick(make)
    assert used.wait(20)
    until(lambda: exit_and_fork._background._begun == [])
    assert freed.wait(20)


def test_streams_are_closed_while_a_listener_does_not_return(stuck: threading.Event) -> None:
    inside = threading.Event()

    def listener() -> None:
        inside.set()
        stuck.wait(60)

    exit_and_fork.tell(listener)
    assert inside.wait(20)
    instrument = [Instrument(driver=VirtualDriver([VirtualDevice("Free", clock="free")]))]
    assert_collected(instrument)


def test_listeners_are_called_one_after_the_other() -> None:
    told: list[int] = []
    for number in range(100):
        exit_and_fork.tell(lambda number=number: told.append(number))
    until(lambda: len(told) == 100)
    assert told == list(range(100))


# ---- systems without threads ---------------------------------------------------------------------


@pytest.fixture
def no_thread(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Makes each start of a Python thread fail until the test calls `undo`."""

    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    return monkeypatch


def test_calls_of_an_audio_system_go_on(no_thread: pytest.MonkeyPatch) -> None:
    thread = CallThread("calls", "the tests' audio")
    with pytest.raises(vc.DriverError, match="gives no thread"):
        thread.call("one", lambda: 1, 20.0)
    with pytest.raises(vc.DriverError):
        thread.call("later", lambda: 2, 20.0, later=True)
    no_thread.undo()
    assert thread.call("three", lambda: 3, 20.0) == 3
    assert thread.abandoned == []


def test_devices_are_watched(no_thread: pytest.MonkeyPatch) -> None:
    uids = ["one"]
    told: list[str] = []
    watching = Watching(lambda: ([], (uids[0], None)), "the tests' watching")
    with pytest.raises(vc.DriverError, match="gives no thread"):
        watching.add(told.append)
    no_thread.undo()
    end = watching.add(told.append)
    uids[0] = "two"
    until(lambda: told == ["default input"])
    end()


class Lost:
    """A connection whose device is lost until the test recovers the connection."""

    def __init__(self) -> None:
        self.watched = True
        self.recovered = threading.Event()

    def is_well(self) -> bool:
        return self.recovered.is_set()

    def recover(self) -> None:
        self.watched = False
        self.recovered.set()

    def fail(self, error: Exception) -> None:
        raise error


def test_lost_streams_recover_once_threads_can_start(no_thread: pytest.MonkeyPatch) -> None:
    until(lambda: recovery._thread is None)
    lost = Lost()
    with pytest.raises(vc.DriverError, match="gives no thread"):
        recovery.watch(lost)
    no_thread.undo()
    recovery.watch(lost)
    assert lost.recovered.wait(20)


def test_a_stream_that_cannot_be_watched_does_not_run(no_thread: pytest.MonkeyPatch) -> None:
    until(lambda: recovery._thread is None)
    device = VirtualDevice("Stepped", clock="stepped", frames=64)
    stream = vc.OutputStream(
        lambda block: None, driver=VirtualDriver([device]), on_device_lost="wait", latency="low"
    )
    with pytest.raises(vc.DriverError, match="gives no thread"):
        stream.start()
    assert stream.state in ("idle", "finished")
    with pytest.raises(vc.StreamStateError, match="no stream"):
        device.step(1)
    no_thread.undo()
    stream.start()
    device.step(1)
    assert stream.state == "running"
    stream.close()


def test_marks_are_reported_once_threads_can_start(monkeypatch: pytest.MonkeyPatch) -> None:
    device = VirtualDevice("Stepped", clock="stepped", frames=64)
    heard: list[vc.Mark] = []
    with vc.Player(driver=VirtualDriver([device]), channels=1, on_mark=heard.append) as player:
        player.write(np.zeros((480, 1), np.float32))

        def start(thread: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        with monkeypatch.context() as without:
            without.setattr(waking, "_waker", None)
            without.setattr(threading.Thread, "start", start)
            with pytest.raises(vc.DriverError, match="gives no thread"):
                player.mark("one")
            assert waking._waker is not None
            assert not waking._waker._watches
        player.mark("two")
        device.step(64)
        until(lambda: [mark.name for mark in heard] == ["one", "two"])
        player.close()


def test_dropped_streams_are_closed(no_thread: pytest.MonkeyPatch) -> None:
    """Streams may be dropped while no thread can be started. They are closed with the next task
    that starts the thread.
    """
    done: list[str] = []
    lane = exit_and_fork._Lane("the tests' lane")
    lane.put(lambda: done.append("first"))
    no_thread.undo()
    lane.put(lambda: done.append("second"))
    until(lambda: done == ["first", "second"])
    lane.end(0.0)
