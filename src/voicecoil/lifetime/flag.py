"""A flag for which threads wait, and which a signal handler cannot leave locked."""

from __future__ import annotations

import _thread
import contextlib

__all__ = ["Flag"]


class Flag:
    """Like `threading.Event`, but without a lock that is held over several lines of Python.

    If an exception of a signal handler arrives inside ``Event.set`` or ``Event.wait``, the event's
    own lock can stay locked, and each later `set` and `wait` hangs. On Python 3.14 this happens
    often, because ``with lock`` can be interrupted after the lock was taken and before the block
    begins. Any thread may call the methods of a flag.
    """

    def __init__(self) -> None:
        self._is_set = False
        self._unset = _thread.allocate_lock()  # locked until the flag is set
        self._unset.acquire()

    def is_set(self) -> bool:
        """Whether the flag is set."""
        return self._is_set

    def set(self) -> None:
        """Set the flag for ever, and wake the threads that wait."""
        self._is_set = True
        with contextlib.suppress(RuntimeError):  # another thread has released it
            self._unset.release()

    def wait(self, timeout_s: float) -> bool:
        """Wait until the flag is set, for at most `timeout_s`. Return whether it is set."""
        if not self._is_set and self._unset.acquire(timeout=timeout_s):
            self.set()  # wakes the next thread that waits
        return self._is_set
