"""Threads whose end can be awaited while signals arrive."""

from __future__ import annotations

import _thread
import os
import time
from collections.abc import Callable

from voicecoil import _core
from voicecoil.lifetime.thread import Thread

__all__ = ["BackgroundThread"]

LOOK_S = 0.1  # waits are short, as a signal just before a wait is handled only when it ends


class BackgroundThread:
    """A daemon thread that itself records that it has ended.

    ``Thread.join`` and ``Thread.is_alive`` cannot be used if a signal handler may raise. On Python
    3.11 and 3.12 an interrupted `join` marks a thread that still runs as ended, and both methods
    are wrong from then on. For example, a recording counted as complete while its last second was
    still being written.

    This class waits for a plain lock. A `threading.Event` has a lock of its own, which
    KeyboardInterrupt can leave locked when it arrives inside `wait` or `set`.

    Parameters
    ----------
    target : callable
        Called without arguments.
    name : str
    """

    def __init__(self, target: Callable[[], object], name: str) -> None:
        self._target = target
        self._claim = _thread.allocate_lock()  # taken once: by the thread, or by a failed `start`
        self._runs = _thread.allocate_lock()  # locked until the thread has ended
        self._runs.acquire()
        self._ended = False
        self._pid: int | None = None  # id of the process that started the thread
        self._thread = Thread(self._run, name)

    @property
    def name(self) -> str:
        """The thread's name."""
        return self._thread.name

    def is_alive(self) -> bool:
        """Whether the thread was started in this process and has not ended."""
        # If memory is exhausted, a thread may end before it can record its end.
        return self._pid == os.getpid() and not self._ended and not self._thread.is_gone

    def start(self) -> None:
        """Start the thread.

        Raises
        ------
        MemoryError, RuntimeError
            The system cannot start a thread, or the interpreter is ending. To try again, make a new
            object.
        """
        self._pid = os.getpid()
        try:
            self._thread.start()
        except BaseException:
            # After Ctrl-C, the thread may exist or not. If it has not begun yet, this claim
            # prevents it from ever calling `target`.
            if self._claim.acquire(blocking=False):
                self._end()
            raise

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait until the thread has ended; return whether it has. Any other thread may call it.

        A signal handler may interrupt the call with an exception. Later calls are still right.
        """
        until = None if timeout_s is None else time.monotonic() + timeout_s
        while self.is_alive():
            left_s = LOOK_S if until is None else until - time.monotonic()
            if left_s <= 0:
                return False
            # If Ctrl-C arrives between these two lines, the lock stays locked. This does no harm,
            # because `_ended` was set before the lock was released for the first time.
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
