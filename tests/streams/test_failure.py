"""Exceptions of callbacks: which call raises them, and when."""

from __future__ import annotations

import sys
import threading

import pytest

import voicecoil as vc
from programs import check, run_fresh
from rig import Rig, until
from voicecoil.callbacks.native import ctypes_type
from voicecoil.errors import NativeCallbackError
from voicecoil.lifetime import exit_and_fork


@pytest.mark.parametrize("home", ["safe", "low"])
@pytest.mark.parametrize("asks", ["nothing", "exception"])
def test_an_exception_is_reported_while_the_program_runs(
    home: str, asks: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIFE_LATENCY", home)
    check([run_fresh("error_reported", asks)])


def test_the_event_and_the_stream_carry_the_exception(rig: Rig, home: str) -> None:
    def fail(block: vc.Block) -> None:
        raise ZeroDivisionError("meant")

    stream = vc.OutputStream(fail, driver=rig.driver)
    assert stream.exception is None
    stream.start()
    while stream.state != "finished":
        rig.step(1)
    (event,) = [event for event in stream.events() if event.kind == "finished"]
    assert (event.detail, event.exception) == ("ZeroDivisionError: meant", stream.exception)
    assert stream.state == "finished"
    with pytest.raises(ZeroDivisionError) as raised:
        stream.wait(10)
    assert raised.value is stream.exception
    stream.close()
    assert stream.exception is raised.value


def test_an_ordinary_end_has_no_exception(rig: Rig) -> None:
    def end(block: vc.Block) -> None:
        raise vc.Stop

    stream = vc.OutputStream(end, driver=rig.driver)
    stream.start()
    while stream.state != "finished":
        rig.step(1)
    (event,) = [event for event in stream.events() if event.kind == "finished"]
    assert (event.detail, event.exception, stream.exception) == ("", None, None)
    stream.close()


def test_a_new_start_forgets_the_exception(rig: Rig) -> None:
    fails = True

    def callback(block: vc.Block) -> None:
        if fails:
            raise ZeroDivisionError

    stream = vc.OutputStream(callback, driver=rig.driver)
    stream.start()
    rig.step(3)
    with pytest.raises(ZeroDivisionError):
        stream.wait(10)
    fails = False
    stream.start()
    assert stream.exception is None
    rig.step(3)
    stream.close()
    assert stream.exception is None


def test_a_native_callback_has_an_exception(rig: Rig) -> None:
    fail = ctypes_type()(lambda *arguments: -7)
    stream = vc.OutputStream(fail, driver=rig.driver)
    stream.start()
    rig.step(3)
    until(lambda: stream.state == "finished")
    assert isinstance(stream.exception, NativeCallbackError)
    with pytest.raises(NativeCallbackError) as raised:
        stream.wait(10)
    assert raised.value is stream.exception
    stream.close()


@pytest.mark.parametrize("told", ["nothing", "exception", "event", "on_end"])
def test_a_new_run_does_not_raise_the_exception_of_the_earlier_run(
    rig: Rig, home: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported: list[BaseException | None] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda it: reported.append(it.exc_value))
    fails = True
    ended: list[BaseException | None] = []

    def callback(block: vc.Block) -> None:
        if fails:
            raise ZeroDivisionError("earlier run")

    def on_end(stream: object, error: BaseException | None) -> None:
        ended.append(error)

    listener = on_end if told == "on_end" else None
    stream = vc.OutputStream(callback, driver=rig.driver, on_end=listener)
    stream.start()
    while stream.state != "finished":
        rig.step(1)
    if told == "exception":
        assert isinstance(stream.exception, ZeroDivisionError)
    elif told == "event":
        assert any(isinstance(event.exception, ZeroDivisionError) for event in stream.events())
    fails = False
    stream.start()
    rig.step(3)
    assert (stream.state, stream.exception, stream.wait(0)) == ("running", None, False)
    stream.stop()
    stream.close()
    passed = threading.Event()
    exit_and_fork.tell(passed.set)  # runs after the report
    assert passed.wait(20)
    assert [type(error) for error in reported] == [ZeroDivisionError] * (told == "nothing")
    assert [type(error) for error in ended] == [ZeroDivisionError, type(None)] * (told == "on_end")
