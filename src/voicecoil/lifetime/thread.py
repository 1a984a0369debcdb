"""Threads whose start does not hang if there is no memory for the new thread."""

from __future__ import annotations

import _thread
import operator
import os
import threading
import weakref
from collections.abc import Callable
from typing import Any

__all__ = ["Thread"]

LOOK_S = 0.1  # interval at which a start checks whether the new thread still exists


class Thread(threading.Thread):
    """A daemon thread. `start` returns when `target` is about to be called, or raises.

    ``threading.Thread.start`` waits without a limit for the new thread. A thread that finds no
    memory for its first Python frame ends at once, and that wait never returned.

    Parameters
    ----------
    target : callable
        Called without arguments.
    name : str
    """

    def __init__(self, target: Callable[[], object], name: str) -> None:
        super().__init__(target=target, name=name, daemon=True)
        self._begin = _Begin()
        # `threading.Thread.start` waits for this event. Should a later Python use another name, the
        # wait is the one of that Python.
        self._started = self._begin

    @property
    def is_gone(self) -> bool:
        """Whether the thread was started and has ended, also if it ended before `target`. [any]"""
        return self._begin.is_gone

    # The function that the system's thread calls and holds until its end. The getter runs no line
    # of Python: an exception of a signal handler there would leave the thread in the list of those
    # that are being started.
    _bootstrap = property(operator.attrgetter("_begin.entry"))

    def start(self) -> None:
        """Start the thread.

        Raises
        ------
        MemoryError
            There is no memory for the new thread.
        RuntimeError
            The system gives no thread, the interpreter is ending, or a signal handler has forked
            the process and this is the child.
        """
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


class _Begin(threading.Event):
    """The event for which `Thread.start` waits."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = _thread.allocate_lock()  # locked until the thread runs
        self.begun.acquire()
        self._pid = os.getpid()
        self.entry: Callable[[], None] | None = None  # None: the system's thread has it, if any
        self._watched: weakref.ref[Any] | None = None

    def watch(self, entry: Callable[[], None]) -> None:
        self.entry = entry
        self._watched = weakref.ref(entry)

    @property
    def is_gone(self) -> bool:
        return self._watched is not None and self._watched() is None

    def wait(self, timeout: float | None = None) -> bool:
        self.entry = None
        while not self.begun.acquire(timeout=LOOK_S):
            # The second look finds a thread that began after the first one and has ended since.
            if self.is_gone and not self.begun.acquire(blocking=False):
                raise MemoryError("the new thread ended before it began")
            if self._pid != os.getpid():
                raise RuntimeError("the process was forked while it started a thread")
        return True
