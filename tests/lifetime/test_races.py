"""Calls that overlap, because threads or signal handlers make them, or that Ctrl-C interrupts.

``VOICECOIL_RACES_S`` is the duration of each race, s (1; tools/test.py --long: 60).
``VOICECOIL_EVERY_LINE`` is the share of the lines at which each call is interrupted (1, as with
--long: all of them; default: every ninth line, and fewer lines of the calls that have the most;
tools/test.py uses 41 for each Python but the oldest, and each has other lines).
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable

import pytest

import voicecoil as vc
from coreaudio import Worlds, simulator_path
from programs import HUNG, Ended, check, run_fresh
from rig import until
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver
from voicecoil.testing.simulator_library import ENVIRONMENT

RACES_S = float(os.environ.get("VOICECOIL_RACES_S", "1"))
EVERY = os.environ.get("VOICECOIL_EVERY_LINE")
LINES_S = 3600.0 / int(EVERY or 9)  # an interrupt at each of 245 lines takes up to some seconds
LONG_S = 30.0
posix = pytest.mark.skipif(sys.platform == "win32", reason="sends signals to itself")


@pytest.fixture(params=["virtual", "coreaudio", "miniaudio"])
def _driver(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "coreaudio":
        monkeypatch.setenv(ENVIRONMENT, str(simulator_path()))
    if request.param == "miniaudio":
        pytest.importorskip("_miniaudio", reason="NOT TESTED: miniaudio is not installed")
    monkeypatch.setenv("LIFE_DRIVER", request.param)


def once(life: str, *arguments: str) -> Ended:
    return run_fresh(life, *arguments, deadline_s=RACES_S + LINES_S)


@posix
@pytest.mark.timeout(RACES_S + LINES_S + 20)
@pytest.mark.usefixtures("_driver")
@pytest.mark.parametrize("latency", ["safe", "low"])
def test_threads_and_a_signal_handler_call_any_method(
    latency: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIFE_LATENCY", latency)
    check([once("races", "1")])


@pytest.mark.timeout(LINES_S + 20)
@pytest.mark.usefixtures("_driver")
@pytest.mark.parametrize("call", ["open", "start", "stop", "abort", "close", "play", "record"])
def test_ctrl_c_at_every_line(call: str) -> None:
    ended = once("interrupted", call, EVERY or "9")
    assert ended.code != HUNG, ended.stderr
    check([ended])


@pytest.mark.timeout(LINES_S + 20)
@pytest.mark.parametrize("driver", ["virtual", "coreaudio"])
@pytest.mark.parametrize("call", ["playrec", "player", "mixer", "recorder"])
def test_ctrl_c_at_every_line_of_a_measurement_or_live_sound(
    call: str, driver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIFE_DRIVER", driver)
    if driver == "coreaudio":
        monkeypatch.setenv(ENVIRONMENT, str(simulator_path()))
    ended = once("interrupted", call, EVERY or "41")
    assert ended.code != HUNG, ended.stderr
    check([ended])


def blocked_stream(
    driver: VirtualDriver, latency: object
) -> tuple[vc.OutputStream, threading.Event, threading.Event]:
    """Returns a started stream and two events. The callback sets the first event, and returns when
    the test sets the second one.
    """
    inside, free = threading.Event(), threading.Event()

    def callback(block: vc.Block) -> None:
        inside.set()
        free.wait(LONG_S)

    stream = vc.OutputStream(callback, driver=driver, latency=latency)  # type: ignore[arg-type]
    stream.start()
    assert inside.wait(LONG_S)
    return stream, inside, free


def pressed(call: Callable[[], object]) -> float:
    """Sends Ctrl-C while the main thread waits in `call`. Returns the time until `call`
    raised, s.
    """
    main = threading.get_ident()

    def press() -> None:
        until(lambda: any(t.name in WAITS for t in threading.enumerate()))
        signal.pthread_kill(main, signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    presser = threading.Thread(target=press)
    presser.start()
    began = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            call()
        return time.monotonic() - began
    finally:
        presser.join()
        signal.signal(signal.SIGINT, before)


WAITS = ("voicecoil stop", "voicecoil close")


@posix
@pytest.mark.parametrize("latency", ["safe", "low"])
@pytest.mark.parametrize("call", ["stop", "abort", "close"])
def test_ctrl_c_is_heard_while_a_callback_is_stuck(call: str, latency: str) -> None:
    """Before the fix, only the deadline of 5 s ended the wait. This test allows half of that."""
    stream, _, free = blocked_stream(VirtualDriver([VirtualDevice("Stuck")]), latency)
    assert pressed(getattr(stream, call)) < 2.5
    free.set()
    stream.close()


def test_a_stuck_callback_delays_no_other_stream_of_its_device() -> None:
    """Before the fix, the others waited until the stop of the first stream had timed out."""
    driver = VirtualDriver([VirtualDevice("Stuck")])
    others = [vc.OutputStream(lambda block: None, driver=driver, latency="low") for _ in range(3)]
    others[0].start()
    stream, _, free = blocked_stream(driver, "low")
    stopper = threading.Thread(target=stream.close)
    stopper.start()
    until(lambda: stream._connection.is_busy)
    others[0].close()  # waits for a quarter of a second, like the first stream
    others[1].start()
    others[1].close()
    assert stopper.is_alive()
    free.set()
    stopper.join(LONG_S)
    for other in others:
        other.close()


@posix
@pytest.mark.parametrize("call", ["start", "stop", "abort", "close"])
def test_a_signal_handler_calls_the_method_that_the_main_thread_is_in(call: str) -> None:
    """The main thread is in stop() and waits for the callback. The handler lets the callback return
    and calls a method of the stream.
    """
    stream, _, free = blocked_stream(VirtualDriver([VirtualDevice("Handled")]), "low")
    answers: list[str] = []

    def handle(signum: int, frame: object) -> None:
        free.set()
        try:
            getattr(stream, call)()
            answers.append(stream.state)
        except vc.StreamStateError:
            answers.append("runs")

    before = signal.signal(signal.SIGUSR1, handle)
    main = threading.get_ident()

    def send() -> None:
        until(lambda: any(t.name in WAITS for t in threading.enumerate()))
        signal.pthread_kill(main, signal.SIGUSR1)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        stream.stop()
    finally:
        sender.join()
        signal.signal(signal.SIGUSR1, before)
    # A start is refused if the run has not ended yet, and succeeds otherwise.
    expected = {"start": {"runs", "running"}, "close": {"closed"}}.get(call, {"finished", "idle"})
    assert len(answers) == 1
    assert answers[0] in expected
    stream.close()


def test_a_request_to_end_an_earlier_run_does_not_end_a_later_one(home: str) -> None:
    device = VirtualDevice("Runs", clock="stepped", frames=64)

    def once_only(block: vc.Block) -> None:
        if connection.run == 1:
            raise vc.Stop

    stream = vc.OutputStream(once_only, driver=VirtualDriver([device]))
    connection = stream._connection
    assert connection is not None
    stream.start()
    for _ in range(200):  # the device plays the lead before the stream ends
        if stream.state != "finished":
            device.step(1)
    assert stream.state == "finished"
    stream.start()
    # These are the calls of a `wait` and a `stop` that have seen the end of the first run, and
    # continue only now.
    connection.halt(LONG_S, 1)
    connection.ask_to_end(False, 1)
    connection.ask_to_end(True, 1)
    assert connection.is_over(1)
    device.step(6)
    assert stream.state == "running"
    stream.abort()
    assert connection.is_over(2)
    stream.close()


def test_states_can_be_read_while_the_hal_hangs(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    device = world.device("USBDuplex:1")
    stream = vc.OutputStream(lambda block: None, driver=world.driver, device="USBDuplex:1")
    stream.start()
    world.advance(0.1)
    device.hang(what="livn")
    device.notify("nsrt")
    world.advance(0.01)
    told = (stream.state, stream.active, [event.kind for event in stream.events()])
    assert "running" in repr(stream)
    assert told == ("running", True, [])
    assert world.driver.abandoned_calls == []  # the reads have not waited for a call
    world.release_hung()
    until(lambda: not stream._connection.driver_stream._looking.locked())  # type: ignore[union-attr]
    stream.stop()
    stream.close()
