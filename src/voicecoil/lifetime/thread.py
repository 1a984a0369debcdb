"""Threads whose start does not hang if memory is exhausted, and cannot be interrupted half-way."""

from __future__ import annotations

import _thread
import functools
import operator
import os
import threading
import weakref
from collections.abc import Callable
from typing import Any

from voicecoil.errors import ForkedError

__all__ = ["Thread"]

LOOK_S = 0.1  # interval at which a start checks whether the new thread still exists
LOCK_S = 2.0  # `threading` needs its lock for microseconds at a time


class Thread(threading.Thread):
    """A daemon thread. `start` returns when `target` is about to be called, or raises.

    ``threading.Thread.start`` waits without a limit for the new thread. A thread that finds no
    memory for its first Python frame ends at once, and then ``start`` never returned.

    ``threading.Thread.start`` also takes a lock that each new thread needs. If a signal handler
    interrupts ``start`` while it holds the lock, a thread that the handler starts cannot run until
    the handler has returned. On Python 3.14 a handler that raises leaves the lock locked for ever,
    because ``with lock`` can be interrupted after the lock was taken and before the block begins.
    Python handles signals on the main thread only, so the main thread lets another thread start the
    new thread, and waits.

    Parameters
    ----------
    target : callable
        Called without arguments.
    name : str
    """

    def __init__(self, target: Callable[[], object], name: str) -> None:
        super().__init__(target=target, name=name, daemon=True)
        self._begin = _Begin()
        # `threading.Thread.start` waits for this event. If a later Python uses another name for it,
        # `start` waits as that Python does.
        self._started = self._begin

    @property
    def is_gone(self) -> bool:
        """Whether the thread was started and has ended, perhaps before it called `target`."""
        return self._begin.is_gone

    # The function that the system's thread calls, and to which it has a reference until it ends.
    # The getter runs no Python code. Otherwise an exception of a signal handler in the getter would
    # leave this thread in the list of the threads that are being started.
    _bootstrap = property(operator.attrgetter("_begin.entry"))

    def start(self) -> None:
        """Start the thread.

        Raises
        ------
        MemoryError
            There is no memory for the new thread.
        ForkedError
            A signal handler has forked the process, and this is the child.
        RuntimeError
            The system cannot start a thread, the interpreter is ending, or the caller is a signal
            handler that interrupted `threading` while it held its lock.
        """
        if threading.get_ident() == threading.main_thread().ident:
            _on_another_thread(self._start)
        else:
            self._start()

    def _start(self) -> None:
        self._begin.watch(super()._bootstrap)  # type: ignore[misc]
        try:
            super().start()
        except BaseException:
            self._begin.entry = None
            if self.is_gone:
                # Threads that are being started are listed here until they run.
                getattr(threading, "_limbo", {}).pop(self, None)
            raise

    def run(self) -> None:
        """Calls `target`."""
        self._begin.begun.release()
        super().run()


def _on_another_thread(call: Callable[[], None]) -> None:
    """Runs `call` on a thread that `threading` does not know, and raises its exception here."""
    over = _thread.allocate_lock()
    over.acquire()
    # Both are set without new memory: without any, the reason for the failure may get lost.
    has_returned = [False]
    reason: list[BaseException] = [MemoryError("no memory to start another thread")]

    def entry() -> None:
        try:
            _refuse_while_threading_is_locked()
            call()
            has_returned[0] = True
        except BaseException as error:
            reason[0] = error
        finally:
            over.release()

    pid = os.getpid()
    # `entry` itself is not passed, because Python 3.11 leaks a reference to the function of a
    # thread that finds no memory.
    held = functools.partial(entry)
    watched = weakref.ref(held)
    _thread.start_new_thread(held, ())
    del held  # the system's thread holds it until it ends
    gone = "the thread that starts another one ended before it began"
    _wait_for(over, lambda: watched() is None, pid, gone)
    if not has_returned[0]:
        raise reason.pop()


def _wait_for(lock: Any, is_gone: Callable[[], bool], pid: int, gone: str) -> None:
    """Waits until a new thread of this process has released `lock`.

    Raises MemoryError, with the text `gone`, if the thread has ended without releasing the lock.
    Raises ForkedError in a child that was forked meanwhile.
    """
    while not lock.acquire(timeout=LOOK_S):
        if is_gone():
            # The thread may have released the lock since the wait, and ended after that.
            if lock.acquire(blocking=False):
                return
            raise MemoryError(gone)
        if pid != os.getpid():
            raise ForkedError("a signal handler forked the process while it started a thread")


def _refuse_while_threading_is_locked() -> None:
    """Raises RuntimeError if the main thread, which waits for this thread, holds the lock."""
    lock = getattr(threading, "_active_limbo_lock", None)
    if lock is None:
        return
    if not lock.acquire(timeout=LOCK_S):
        raise RuntimeError("a signal handler interrupted the program while it started a thread")
    lock.release()


class _Begin(threading.Event):
    """The event for which `Thread.start` waits."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = _thread.allocate_lock()  # locked until the thread runs
        self.begun.acquire()
        self._pid = os.getpid()
        self.entry: Callable[[], None] | None = None  # set until the system's thread has it
        self._watched: weakref.ref[Any] | None = None

    def watch(self, entry: Callable[[], None]) -> None:
        self.entry = entry
        self._watched = weakref.ref(entry)

    @property
    def is_gone(self) -> bool:
        return self._watched is not None and self._watched() is None

    def wait(self, timeout: float | None = None) -> bool:
        self.entry = None
        gone = "the new thread ended before it began"
        _wait_for(self.begun, lambda: self.is_gone, self._pid, gone)
        return True
