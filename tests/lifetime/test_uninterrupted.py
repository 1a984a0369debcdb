"""Work that must not be interrupted. If the wait for its result is interrupted, it is undone."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

import voicecoil
from rig import until
from voicecoil.drivers.polling import Watching
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver
from voicecoil.lifetime import exit_and_fork
from voicecoil.lifetime.uninterrupted import _Work, uninterrupted

LONG_S = 60.0


@pytest.mark.skipif(sys.platform == "win32", reason="sends signals to itself")
def test_undoing_may_call_uninterrupted_work() -> None:
    """A thread that undoes its work no longer counts as doing the work, and may begin new work."""
    inside, interrupted, undone = threading.Event(), threading.Event(), threading.Event()
    main = threading.get_ident()

    def call() -> str:
        inside.set()
        assert interrupted.wait(LONG_S)
        return "opened"

    def undo(result: str) -> None:
        assert result == "opened"
        uninterrupted("test, inner", undone.set, hurry=lambda: None)

    def press() -> None:
        assert inside.wait(LONG_S)
        signal.pthread_kill(main, signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    presser = threading.Thread(target=press)
    presser.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            uninterrupted("test", call, hurry=interrupted.set, undo=undo)
    finally:
        presser.join()
        signal.signal(signal.SIGINT, before)
    assert undone.wait(LONG_S)


def test_undoing_waits_for_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """The work has returned, the wait is interrupted, and the system cannot start a thread. The
    work is undone when a thread can be started again.
    """
    undone: list[int] = []
    work = _Work(lambda: 1, undone.append)
    assert work.begin("test")
    work.wait()

    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    work.leave()
    monkeypatch.undo()
    exit_and_fork.submit(lambda: None)  # starts the thread for submitted tasks
    until(lambda: undone == [1])


# ---- locks ---------------------------------------------------------------------------------------

WATCHING = Watching(lambda: ([], (None, None)), "voicecoil test")
OURS = os.path.dirname(voicecoil.__file__) + os.sep


class AtEveryLine:
    """Makes a call on another thread at each line of the library that this thread runs.

    If this thread holds a lock at such a line, the call waits for the lock. A signal handler that
    made the same call at this line would wait for ever.
    """

    def __init__(self, call: Callable[[], object]) -> None:
        self.lines = 0
        self.waited: list[str] = []
        self._call = call

    def __call__(self, frame: FrameType, event: str, argument: Any) -> Any:
        if not frame.f_code.co_filename.startswith(OURS):
            return None
        if event == "line":
            self.lines += 1
            thread = threading.Thread(target=self._call)
            thread.start()
            thread.join(2.0)
            if thread.is_alive():
                self.waited.append(f"{frame.f_code.co_qualname}:{frame.f_lineno}")
        return self


def device_and_driver() -> tuple[VirtualDevice, VirtualDriver]:
    device = VirtualDevice("A", clock="stepped")
    device.capture()
    return device, VirtualDriver([device])


@pytest.mark.parametrize(
    "call",
    [
        lambda device, driver: device.inject("late"),
        lambda device, driver: device.replug(),
        lambda device, driver: device.capture(),
        lambda device, driver: device.heard(),
        lambda device, driver: device.end_capture(),
        lambda device, driver: WATCHING.add(print)(),
    ],
    ids=["inject", "replug", "capture", "heard", "end_capture", "watch"],
)
def test_no_lock_is_held_between_two_lines_on_the_main_thread(
    call: Callable[[VirtualDevice, VirtualDriver], object],
) -> None:
    device, driver = device_and_driver()
    call(device, driver)  # imports are not counted
    tracer = AtEveryLine(lambda: call(device, driver))
    sys.settrace(tracer)
    try:
        call(device, driver)
    finally:
        sys.settrace(None)
    assert tracer.waited == []
    assert tracer.lines > 3
