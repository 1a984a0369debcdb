"""Threads whose end can be awaited while signals arrive."""

from __future__ import annotations

import _thread
import os
import time
from collections.abc import Callable

from voicecoil import _core
from voicecoil.lifetime.thread import Thread

__all__ = ["BackgroundThread"]

LOOK_S = 0.1  # a signal that arrives just before a wait begins is handled when the wait ends


class BackgroundThread:
    """A daemon thread that records itself when it has ended.

    ``Thread.join`` and ``Thread.is_alive`` cannot be used where a signal handler may raise. On
    Python 3.11 and 3.12 an interrupted `join` marks a thread that still runs as ended, and both
    are wrong from then on: a recording was taken for complete while its last second was still
    being written.

    This class waits for a plain lock. A `threading.Event` has a lock of its own, which
    KeyboardInterrupt can leave locked when it arrives inside of `wait` or `set`.

    Parameters
    ----------
    target : callable
        Called without arguments.
    name : str
    """

    def __init__(self, target: Callable[[], object], name: str) -> None:
        self._target = target
        self._claim = _thread.allocate_lock()  # taken once: by the thread, or by a failed `start`
        self._runs = _thread.allocate_lock()  # locked until it has ended
        self._runs.acquire()
        self._ended = False
        self._pid: int | None = None  # id of the process that started it
        self._thread = Thread(self._run, name)

    @property
    def name(self) -> str:
        """The thread's name."""
        return self._thread.name

    def is_alive(self) -> bool:
        """Whether it was started, in this process, and has not ended."""
        # A thread without memory may end before it can record that.
        return self._pid == os.getpid() and not self._ended and not self._thread.is_gone

    def start(self) -> None:
        """Start the thread.

        Raises
        ------
        MemoryError, RuntimeError
            The system gives no thread, or the interpreter is ending. To try again, make a new
            object.
        """
        self._pid = os.getpid()
        try:
            self._thread.start()
        except BaseException:
            # After Ctrl-C the thread may exist or not. If it has not begun yet, this claim prevents
            # that it ever calls `target`.
            if self._claim.acquire(blocking=False):
                self._end()
            raise

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait until the thread has ended; return whether it has. [any thread but itself]

        A signal handler may raise here. A later call still gives the right answer.
        """
        until = None if timeout_s is None else time.monotonic() + timeout_s
        while self.is_alive():
            left_s = LOOK_S if until is None else until - time.monotonic()
            if left_s <= 0:
                return False
            # If Ctrl-C arrives between these two lines the lock stays locked. It is not needed any
            # more then, because `_ended` is set before the lock is released for the first time.
            if self._runs.acquire(timeout=min(left_s, LOOK_S)):
                self._runs.release()
        return True

    def _run(self) -> None:
        if not self._claim.acquire(blocking=False):
            return
        try:
            _core.name_thread(self.name)
            self._target()
        finally:
            self._target = lambda: None  # drops the references that the target holds
            self._end()

    def _end(self) -> None:
        self._ended = True
        self._runs.release()
