"""Errors of background threads: kept for the next call, and reported if no call comes."""

from __future__ import annotations

import time
from collections import deque

from voicecoil.errors import StreamStateError
from voicecoil.lifetime import exit_and_fork

__all__ = ["PATIENCE_S", "UnseenError"]

PATIENCE_S = 1.0  # how long an error waits for a call before it is reported


class UnseenError:
    """The error of a background thread.

    The error is kept for the next call that can raise it. If no call comes within a second, the
    error is also reported, as Python reports errors in ``__del__``. Otherwise a program that plays
    or records without waiting would never learn that the disk is full.

    No method takes a lock, because a signal handler may call a method while the main thread is
    inside another method.
    """

    def __init__(self, source: object) -> None:
        self._source = source
        self._errors: deque[BaseException] = deque()
        # time at which the error came, or at which the program last asked for it, s
        self._last = 0.0
        self._reported = False

    def set(self, error: BaseException) -> None:
        """Keeps the error."""
        self._errors.append(error)
        self._last = time.monotonic()
        try:
            exit_and_fork.register(self)
        except StreamStateError:  # the interpreter is ending, so no later call can raise the error
            self._report()
        else:
            exit_and_fork.tick(self._look)

    def ask(self) -> None:
        """Notes that the program is waiting for the end, where it would get the error."""
        self._last = time.monotonic()

    def take(self) -> BaseException | None:
        """Returns the error, once."""
        try:
            return self._errors.popleft()
        except IndexError:
            return None

    def close_at_exit(self, timeout_s: float) -> None:
        """Reports the error. Called by `exit_and_fork` when the interpreter is about to end."""
        self._report()

    def _look(self) -> bool:
        if not self._errors or self._reported:
            return False
        if time.monotonic() - self._last < PATIENCE_S:
            return True
        self._report()
        return False

    def _report(self) -> None:
        errors = list(self._errors)
        if errors and not self._reported:
            self._reported = True
            exit_and_fork.report(errors[0], self._source)
