"""Errors that wait for the call that raises them, and are reported if no call comes."""

from __future__ import annotations

import time
from collections import deque

from voicecoil.errors import StreamStateError
from voicecoil.lifetime import exit_and_fork

__all__ = ["PATIENCE_S", "UnseenError"]

PATIENCE_S = 1.0  # how long an error waits for somebody who asks, before it is reported


class UnseenError:
    """The error of a background thread.

    It is kept for the next call that can raise it. If nobody has asked for a second it is also
    reported, as Python reports the errors of ``__del__``: a program that plays or records without
    waiting would never hear of a full disk otherwise.

    No step takes a lock, because a signal handler may ask while the main thread does.
    """

    def __init__(self, source: object) -> None:
        self._source = source
        self._errors: deque[BaseException] = deque()
        self._last = 0.0  # when the error came, or was asked for
        self._reported = False

    def set(self, error: BaseException) -> None:
        """Keeps the error."""
        self._errors.append(error)
        self._last = time.monotonic()
        try:
            exit_and_fork.register(self)
        except StreamStateError:  # the interpreter is ending: nobody will ask any more
            self._report()
        else:
            exit_and_fork.tick(self._look)

    def ask(self) -> None:
        """Notes that somebody waits for the end, and would see the error there."""
        self._last = time.monotonic()

    def take(self) -> BaseException | None:
        """Returns the error, once."""
        try:
            return self._errors.popleft()
        except IndexError:
            return None

    def close_at_exit(self, timeout_s: float) -> None:
        """For `exit_and_fork`: the interpreter is about to end."""
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
