"""Steps of the threads and tasks that use a player, one at a time, also with signal handlers."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

from voicecoil.errors import StreamStateError
from voicecoil.lifetime import exit_and_fork

__all__ = ["Steps", "refuse_handler"]

Result = TypeVar("Result")
Given = TypeVarTuple("Given")


def refuse_handler() -> StreamStateError:
    """Returns the error for a signal handler that would wait for what it has interrupted."""
    return StreamStateError(
        "a signal handler interrupted a call of this player, which can go on only when the handler "
        "returns. Call only mark(), clear(), pause() or close() in it, or write on another thread"
    )


class Steps:
    """Runs steps, one at a time.

    The lock is held during one step only. If the steps never wait, any thread may run one, also
    that of an event loop.

    Parameters
    ----------
    refuse : callable
        Makes the error for a signal handler that has interrupted a step of its own thread.
    """

    def __init__(self, refuse: Callable[[], StreamStateError] = refuse_handler) -> None:
        self._refuse = refuse
        self._lock = threading.RLock()
        # Locked while the thread that holds `_lock` runs a step. `with` also releases both locks
        # if Ctrl-C is raised between any two instructions.
        self._running = threading.Lock()
        self._later: deque[Callable[[], object]] = deque()

    def run(self, step: Callable[[*Given], Result], *given: *Given) -> Result:
        """Runs a step with some arguments, and returns its result.

        Raises
        ------
        StreamStateError
            The caller is a signal handler that has interrupted a step of its own thread.
        """
        with self._lock:
            if self._running.locked():
                raise self._refuse()
            try:
                with self._running:
                    return step(*given)
            finally:
                if self._later:
                    self._run_later()

    def run_or_defer(self, step: Callable[[], object]) -> None:
        """Runs a step. In a signal handler, this may be right after the step it has interrupted.

        An error is reported then, because there is no caller any more.
        """
        with self._lock:
            if self._running.locked():
                self._later.append(step)
            else:
                self.run(step)

    def _run_later(self) -> None:
        while self._later:
            step = self._later.popleft()
            try:
                with self._running:
                    step()
            except Exception as error:
                exit_and_fork.report(error, step)
