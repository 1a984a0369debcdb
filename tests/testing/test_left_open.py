"""What a program leaves open at the end of a simulation does not disturb the next simulation."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import voicecoil as vc
from coded import assert_coded, coded
from coreaudio import simulator_path
from voicecoil import hal
from voicecoil.lifetime import exit_and_fork
from voicecoil.testing import SimulatedCoreAudio

DEVICE = "uid=u; in=2; out=2; rates=48000"


def make() -> SimulatedCoreAudio:
    return SimulatedCoreAudio(simulator_path(), devices=[DEVICE])


def started(stream: Any, world: SimulatedCoreAudio) -> Any:
    stream.start()
    world.advance(0.1)
    return stream


def silent(_block: vc.Block) -> None:
    """Plays silence."""


LEFT: dict[str, Callable[[SimulatedCoreAudio], Any]] = {
    "safe stream": lambda w: started(vc.OutputStream(silent, driver=w.driver), w),
    "low stream": lambda w: started(vc.OutputStream(silent, driver=w.driver, latency="low"), w),
    "duplex stream": lambda w: started(vc.Stream(silent, driver=w.driver, latency="low"), w),
    "idle stream": lambda w: vc.OutputStream(silent, driver=w.driver),
    "recorder": lambda w: started(vc.Recorder(driver=w.driver), w),
    "recording": lambda w: vc.record(driver=w.driver),
    "player": lambda w: started(vc.Player(driver=w.driver), w),
    "mixer": lambda w: started(vc.Mixer(driver=w.driver), w),
    "sound": lambda w: vc.play(np.ones((96_000, 2), np.float32), 48_000, driver=w.driver),
    "watch": lambda w: hal.watch(hal.connect(w.driver).device("u"), "nsrt").__enter__(),
}


@pytest.mark.parametrize("what", LEFT)
def test_what_is_collected_in_the_next_simulation_does_not_disturb_it(what: str) -> None:
    world = make()
    left = LEFT[what](world)
    cycle: list[Any] = [left]
    cycle.append(cycle)  # only the collector frees it, as it frees the traceback of a failed test
    world.close()
    with make() as second:
        playback = vc.play(coded(0, 4800, 2), 48_000, driver=second.driver)
        second.advance(0.05)
        del left, cycle
        gc.collect()
        exit_and_fork.wait_for_tasks(20)
        second.advance(0.2)
        assert playback.wait(0)
        assert_coded(second.device("u").heard())
        assert second.report() == ""


def test_a_stream_that_is_left_open_is_closed_and_counts_as_a_leak() -> None:
    with pytest.raises(AssertionError, match="was not left clean"), make() as world:
        stream = started(vc.OutputStream(silent, driver=world.driver), world)
    assert stream.state == "closed"
    stream.close()


def test_the_error_of_a_test_is_raised_although_a_stream_is_left_open() -> None:
    with pytest.raises(ZeroDivisionError) as caught, make() as world:
        stream = started(vc.OutputStream(silent, driver=world.driver), world)
        raise ZeroDivisionError
    assert any("seed 0" in note for note in caught.value.__notes__)
    assert stream.state == "closed"


def test_the_driver_of_a_closed_simulation_does_not_call_the_next_one() -> None:
    """A stream that waits for a lost device would otherwise open that device there."""
    world = make()
    waiting = started(vc.OutputStream(silent, driver=world.driver, on_device_lost="wait"), world)
    system = hal.connect(world.driver)
    driver, request = world.driver, vc.devices(driver=world.driver)[0]
    world.close()
    with make() as second:
        for call in (
            driver.devices,
            lambda: vc.OutputStream(silent, driver=driver, device=request),
            lambda: system.device("u"),
            lambda: driver.watch(print),
        ):
            with pytest.raises(vc.DriverError, match="was closed; make another"):
                call()
        assert waiting.state == "closed"
        assert second.counter("live_listeners") == 0
        assert second.report() == ""


def test_the_end_of_a_session_waits_for_the_call_that_is_under_way() -> None:
    with make() as world:
        call_thread = world.driver._session.thread
        begun, go_on = threading.Event(), threading.Event()

        def work() -> None:
            begun.set()
            go_on.wait(20)

        caller = threading.Thread(target=lambda: call_thread.call("test", work, 20.0))
        caller.start()
        assert begun.wait(20)
        assert not call_thread.settle(0)
        go_on.set()
        assert call_thread.settle(20)
        caller.join()
