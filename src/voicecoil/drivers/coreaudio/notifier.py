"""The thread that waits for CoreAudio's notifications while somebody watches.

It sleeps until a notification comes, and then calls only the functions that the notification
concerns. Only the two properties that CoreAudio reports on an IO thread, which wakes no other
thread, are looked for at an interval, without Python.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from voicecoil.drivers.coreaudio import _hal
from voicecoil.lifetime import exit_and_fork
from voicecoil.lifetime.background_thread import BackgroundThread

__all__ = ["Notifier"]

SLEEP_S = 60.0
IO_S = 0.01


class Notifier:
    """Calls functions after notifications, on one thread, which exists while there are any.

    Parameters
    ----------
    library : _hal.Library
    dispatch : callable
        Passes the notifications on to the hearers.
    """

    def __init__(self, library: _hal.Library, dispatch: Callable[[], None]) -> None:
        self._library = library
        self._dispatch = dispatch
        self._lock = threading.Lock()
        self._looks: dict[Callable[[], bool], bool] = {}
        self._due: deque[Callable[[], bool] | None] = deque()  # for the next round; None: all
        self._thread: BackgroundThread | None = None
        self._ending = False

    def add(self, look: Callable[[], bool], of_io_threads: bool = False) -> None:
        """Calls `look` after each `ring` for it, until it returns False. It must not wait long.

        Parameters
        ----------
        look : callable
        of_io_threads : bool
            Whether it awaits a property that CoreAudio reports on an IO thread.
        """
        exit_and_fork.register(self)
        with self._lock:
            self._looks[look] = of_io_threads
            self._ending = False
            if self._thread is None or not self._thread.is_alive():
                try:
                    self._thread = exit_and_fork.start_thread(self._run, "voicecoil notifier")
                except BaseException:
                    self._looks.pop(look, None)
                    raise
        self.ring(look)

    def remove(self, look: Callable[[], bool]) -> None:
        """Calls `look` no more; a call may be under way."""
        self._looks.pop(look, None)
        self._library.ring()

    def ring(self, look: Callable[[], bool] | None = None) -> None:
        """Lets the thread call a function soon. Never waits. Any thread may call it.

        Parameters
        ----------
        look : callable or None
            A function that was given to `add`; None: all of them.
        """
        self._due.append(look)
        self._library.ring()

    def _take_due(self) -> list[Callable[[], bool]]:
        """The functions to call now, once each."""
        due: dict[Callable[[], bool] | None, None] = {}
        while self._due:
            due[self._due.popleft()] = None
        known = self._looks.copy()
        return [look for look in (known if None in due else due) if look in known]

    def _run(self) -> None:
        since = exit_and_fork.generation()
        while not exit_and_fork.forked(since):
            seen = self._library.rings
            self._dispatch()
            for look in self._take_due():
                try:
                    goes_on = look()
                except Exception as error:
                    exit_and_fork.report(error, look)
                    goes_on = False
                if not goes_on:
                    self._looks.pop(look, None)
            with self._lock:
                if not self._looks or self._ending:
                    self._thread = None
                    return
            look_s = IO_S if any(self._looks.copy().values()) else 0.0
            if not self._library.wait_for_ring(seen, SLEEP_S, look_s):
                self._due.append(None)

    def close_at_exit(self, timeout_s: float) -> None:
        """Ends the thread. Called by `exit_and_fork` when the interpreter is about to end."""
        thread = self._thread
        self._ending = True
        self.ring()
        if thread is not None:
            thread.join(timeout_s)
