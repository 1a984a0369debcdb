"""Work that is undone because the wait for it was interrupted."""

from __future__ import annotations

import signal
import sys
import threading

import pytest

from rig import until
from voicecoil.lifetime import exit_and_fork
from voicecoil.lifetime.uninterrupted import _Work, uninterrupted

LONG_S = 60.0


@pytest.mark.skipif(sys.platform == "win32", reason="sends signals to itself")
def test_undoing_may_call_uninterrupted_work() -> None:
    """While a thread undoes its work, it no longer counts as being inside of that work."""
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
    """Ctrl-C after the work has returned, while the system gives no thread."""
    undone: list[int] = []
    work = _Work(lambda: 1, undone.append)
    assert work.begin("test")
    work.wait()

    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    work.leave()
    monkeypatch.undo()
    exit_and_fork.submit(lambda: None)  # starts the thread that runs what was submitted
    until(lambda: undone == [1])
