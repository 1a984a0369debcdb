"""Work that the call thread gets without a lock of Python: numbers, and short calls."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import signal
import sysconfig
import threading
import time
import weakref
from types import SimpleNamespace

import pytest

from callers import LONG_S
from coreaudio import Worlds
from rig import until
from voicecoil import hal
from voicecoil.drivers.call_job import NotAsked, check_wanted, running
from voicecoil.drivers.coreaudio import _hal
from voicecoil.drivers.coreaudio.timeouts import Timeouts
from voicecoil.errors import StreamTimeoutError
from voicecoil.testing import VirtualDevice


class SignalAndNoTime(int):
    """A signal that is raised when `call_s` is read, which is 0.

    `raise` is a C function, so that Python handles the signal only when the client has waited.
    """

    call_s = property(ctypes.CDLL(None)["raise"])


def test_an_answer_that_comes_at_the_deadline_is_returned(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    device = world.device("USBDuplex:1")
    row = hal.connect(world.driver).device("USBDuplex:1")._row("fsiz")
    quick = _hal.Quick()
    given_up: list[object] = []
    driver = SimpleNamespace(
        timeouts=SimpleNamespace(call_s=LONG_S), gave_up=lambda *args: given_up.append(args)
    )
    shortcut = _hal.Shortcut(world.driver.library, SimpleNamespace(idle=quick), driver)
    thing = SimpleNamespace(
        _id=device.id, _checked=time.monotonic(), _scope=None, _element=None, _shortcut=shortcut
    )
    number = _hal.Number(row, None, 10 * LONG_S)
    answered: list[bool] = []

    def let_it_answer(*_: object) -> None:
        answered.append(quick.answered)
        until(lambda: world.release_hung() or quick.answered)

    serving = threading.Thread(target=quick.serve, args=(quick.pokes, 10 * LONG_S))
    serving.start()
    before = signal.signal(signal.SIGUSR1, let_it_answer)
    try:
        until(lambda: number.of(thing) is not None)
        expected = number.of(thing)
        device.hang(what="fsiz")
        driver.timeouts = SignalAndNoTime(signal.SIGUSR1)
        assert number.of(thing) == expected > 0
        assert (answered, given_up, quick.abandoned) == ([False], [], False)
        driver.timeouts = SimpleNamespace(call_s=LONG_S)
        assert number.of(thing) == expected, "the thread serves on"
    finally:
        signal.signal(signal.SIGUSR1, before)
        world.release_hung()
        quick.poke()
        serving.join(LONG_S)


def test_a_signal_handler_that_uses_coreaudio_does_not_wait_for_the_get_that_it_interrupts(
    coreaudio: Worlds,
) -> None:
    """The call thread waited for the client to take its answer, and the client for the thread."""
    world = coreaudio(3, timeouts=Timeouts(call_s=LONG_S))
    device = hal.connect(world.driver).device("USBDuplex:1")
    names: list[str] = []

    def use_coreaudio(*_: object) -> None:
        world.device("USBDuplex:1").hang(0, what=what)
        idle = world.driver._call_thread.idle
        until(lambda: world.release_hung() or idle.answered)
        names.append(device.get("lnam"))

    def interrupt() -> None:
        world.library.sim_wait_blocked(1, 20_000)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, use_coreaudio)
    try:
        for what, get in (
            ("fsiz", lambda: device.buffer_frame_size),  # a number
            ("lmak", lambda: device.manufacturer),  # a call
        ):
            expected = get()
            world.device("USBDuplex:1").hang(what=what)
            interrupting = threading.Thread(target=interrupt)
            interrupting.start()
            assert get() == expected
            interrupting.join(LONG_S)
        assert names == [device.get("lnam")] * 2
    finally:
        signal.signal(signal.SIGUSR1, before)
        world.release_hung()


def test_a_signal_handler_does_not_wait_longer_than_the_deadline_of_what_it_interrupts(
    coreaudio: Worlds,
) -> None:
    world = coreaudio(3, timeouts=Timeouts(call_s=LONG_S))
    driver, device = world.driver, hal.connect(world.driver).device("USBDuplex:1")
    names: list[str] = []

    def interrupt() -> None:
        world.library.sim_wait_blocked(1, 20_000)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, lambda *_: names.append(device.get("lnam")))
    try:
        name = device.get("lnam")
        world.device("USBDuplex:1").hang(what="lmak")
        interrupting = threading.Thread(target=interrupt)
        interrupting.start()
        with pytest.raises(StreamTimeoutError, match=r"asking did not return within 0.5 s"):
            driver.ask("asking", lambda: driver.hal.string(device._id, "lmak"), 0.5)
        interrupting.join(LONG_S)
        until(lambda: bool(names))
        assert (names, driver.abandoned_calls) == ([name], ["asking"])
    finally:
        signal.signal(signal.SIGUSR1, before)
        world.device("USBDuplex:1").hang(0, what="lmak")
        until(lambda: world.release_hung() or driver.settle(0.0))
    assert device.get("lnam") == name


class SignalError(Exception):
    """Raised by a signal handler, like KeyboardInterrupt."""


def test_an_interruption_does_not_move_the_deadline(coreaudio: Worlds) -> None:
    """The next call waits for the hanging one until this deadline."""
    world = coreaudio(3, timeouts=Timeouts(call_s=LONG_S))
    driver, device = world.driver, hal.connect(world.driver).device("USBDuplex:1")
    interrupted_at: list[float] = []

    def handler(*_: object) -> None:
        interrupted_at.append(time.monotonic())
        raise SignalError

    def interrupt() -> None:
        world.library.sim_wait_blocked(1, 20_000)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        for what, get in (
            ("fsiz", lambda: device.buffer_frame_size),  # a number
            ("lmak", lambda: device.manufacturer),  # a call
        ):
            get()
            world.device("USBDuplex:1").hang(what=what)
            interrupting = threading.Thread(target=interrupt)
            interrupting.start()
            with pytest.raises(SignalError):
                get()
            interrupting.join(LONG_S)
            given_up = driver._call_thread._current
            assert given_up.deadline < interrupted_at.pop() + LONG_S
            world.device("USBDuplex:1").hang(0, what=what)
            until(lambda: world.release_hung() or driver.settle(0.0))
    finally:
        signal.signal(signal.SIGUSR1, before)
        world.release_hung()


def test_a_call_that_another_thread_took_over_is_a_timeout(coreaudio: Worlds) -> None:
    thread = coreaudio(3).driver._call_thread
    thread.call("the first call", lambda: None, LONG_S)  # starts the thread

    def late() -> None:
        running.job.mark[0] = 1
        check_wanted()

    with pytest.raises(StreamTimeoutError, match="asking did not return within"):
        until(lambda: thread.ask("asking", late, LONG_S) is not NotAsked.BUSY)


@pytest.mark.parametrize("way", ["ask", "call"])
def test_an_error_of_a_call_keeps_nothing_of_its_caller_alive(coreaudio: Worlds, way: str) -> None:
    thread = coreaudio(3).driver._call_thread
    thread.call("the first call", lambda: None, LONG_S)  # starts the thread

    def fail() -> None:
        raise ValueError("no such thing")

    def use() -> weakref.ref[object]:
        thing = VirtualDevice()
        with contextlib.suppress(ValueError):
            if way == "call":
                thread.call("failing", fail, LONG_S)
            else:
                until(lambda: thread.ask("failing", fail, LONG_S) is not NotAsked.BUSY)
        return weakref.ref(thing)

    gc.collect()
    gc.disable()
    try:
        kept = use()
        if sysconfig.get_config_var("Py_GIL_DISABLED"):
            # Without a GIL, Python frees an object that a thread has made only when that thread
            # runs Python code again. The call thread does so after its idle time.
            until(lambda: kept() is None)
        assert kept() is None
    finally:
        gc.enable()


def test_a_get_of_a_text_starts_no_thread(
    coreaudio: Worlds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the main thread, a call through Python's locks starts two threads."""
    device = hal.connect(coreaudio(3).driver).device("USBDuplex:1")
    started: list[object] = []
    start = threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", lambda one: (started.append(one), start(one)))
    counts = []
    for _ in range(50):
        before = len(started)
        assert device.get("uid ") == "USBDuplex:1"
        counts.append(len(started) - before)
    assert min(counts) == 0, "no call was handed over to the thread while it was idle"


def test_work_that_is_handed_over_is_given_up_at_its_deadline(coreaudio: Worlds) -> None:
    world = coreaudio(3, timeouts=Timeouts(call_s=LONG_S))
    driver, device = world.driver, hal.connect(world.driver).device("USBDuplex:1")
    name = device.get("lnam")
    world.device("USBDuplex:1").hang(what="lmak")
    with pytest.raises(StreamTimeoutError, match=r"asking did not return within 0.2 s; the call"):
        driver.ask("asking", lambda: driver.hal.string(device._id, "lmak"), 0.2)
    assert device.get("lnam") == name, "another thread makes the calls"
    assert driver.abandoned_calls == ["asking"]
    assert not driver.settle(0.0)
    world.device("USBDuplex:1").hang(0, what="lmak")
    until(lambda: world.release_hung() or driver.settle(0.0))
    assert device.get("lnam") == name


def test_errors_and_nested_calls_of_work_that_is_handed_over(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    driver = world.driver
    driver.ask("waking the thread", lambda: None, LONG_S)

    def nested() -> int:
        return driver.call("a call in a call", lambda: driver.ask("and one more", int, LONG_S), 1.0)

    assert driver.ask("calling", nested, LONG_S) == 0
    with pytest.raises(ZeroDivisionError):
        driver.ask("dividing", lambda: 1 // 0, LONG_S)
    results = [driver.ask("counting", lambda i=i: i, LONG_S) for i in range(200)]
    assert results == list(range(200))
