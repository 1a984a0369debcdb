"""The base class of the streams of all drivers."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

import pytest

from rig import until
from voicecoil.drivers.base import DriverStreamBase
from voicecoil.drivers.protocol import Latency, OpenedFormat

# Name of the function with which `threading` starts a thread of the system.
START = next(
    name for name in ("_start_joinable_thread", "_start_new_thread") if hasattr(threading, name)
)


class InterruptedByHandler(BaseException):
    """Raised by the test's signal handler."""


def raise_now(number: int, frame: Any) -> None:
    raise InterruptedByHandler


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
def test_a_device_is_checked_again_after_an_interrupted_check(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A signal handler raises while the thread of the first check is being started."""
    latency = Latency(samplerate=48_000.0)
    opened = OpenedFormat(48_000.0, 64, 64, lambda _: latency)
    stream = DriverStreamBase("A", opened)
    main, left = threading.main_thread().ident, threading.Event()
    assert main is not None
    start, looks = getattr(threading, START), []

    def start_late(*arguments: Any, **more: Any) -> Any:
        signal.pthread_kill(main, signal.SIGUSR1)
        assert left.wait(20)
        return start(*arguments, **more)

    before = signal.signal(signal.SIGUSR1, raise_now)
    try:
        monkeypatch.setattr(threading, START, start_late)
        with pytest.raises(InterruptedByHandler):
            stream._look_on_a_thread(lambda: looks.append("first"))
    finally:
        monkeypatch.undo()
        left.set()
        signal.signal(signal.SIGUSR1, before)

    def look_again() -> bool:
        stream._look_on_a_thread(lambda: looks.append("second"))
        return "second" in looks

    until(look_again)
    assert "first" not in looks
