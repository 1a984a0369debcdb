"""Distribution of CoreAudio's property notifications to streams and watchers.

CoreAudio sends notifications on any thread. The listener in C (`listener.c`) only queues a note of
each. `Changes.dispatch` passes the queued notes on. It is called when a stream checks its device,
before calls to CoreAudio, and regularly while devices are watched.
"""

from __future__ import annotations

import threading
from typing import Protocol

from voicecoil.drivers.call_thread import AbandonedError
from voicecoil.drivers.coreaudio.hal import SYSTEM, Hal, selector

__all__ = ["RESTARTED", "Changes", "Hearer"]

RESTARTED = selector("srst")


class Hearer(Protocol):
    def changed(self, host_ns: int, object_id: int, property_selector: int) -> None:
        """Takes note of a change. May run on any thread, and must not call CoreAudio."""

    def changes_lost(self) -> None:
        """Takes note that notifications were lost, so that any property may have changed."""


class Changes:
    """The listeners that are registered with CoreAudio. Hearers of a property share a listener."""

    def __init__(self, hal: Hal) -> None:
        self._hal = hal
        self._wanted: dict[tuple[int, int], dict[Hearer, None]] = {}
        self._keys: dict[Hearer, list[tuple[int, int]]] = {}  # what each hearer has registered for
        self._unheard: dict[tuple[int, int], None] = {}  # registrations that no hearer needs
        self._lock = threading.Lock()
        self._ended = False

    @property
    def are_heard(self) -> bool:
        """False if there are no hearers, or if coreaudiod was restarted, which ends listening."""
        return bool(self._wanted) and not self._ended

    def end(self) -> None:
        """Notes that no notifications come until `renew` is called."""
        self._ended = True

    def renew(self) -> None:
        """Makes all registrations anew. Call it on the call thread."""
        self._ended = False
        try:
            for key in list(self._wanted):
                self._hal.listen_again(*key)
        except AbandonedError:
            self._ended = True
            raise

    def listen(self, hearer: Hearer, object_id: int, text: str) -> None:
        """Registers `hearer` for a property of an object. Call it on the call thread."""
        key = object_id, selector(text)
        with self._lock:
            registered = key in self._wanted
            self._wanted.setdefault(key, {})[hearer] = None
            self._keys.setdefault(hearer, []).append(key)
        if registered:
            return
        try:
            self._hal.listen(object_id, text)
        except BaseException:
            with self._lock:
                self._keys[hearer].remove(key)
                self._wanted[key].pop(hearer, None)
                if not self._wanted[key]:
                    del self._wanted[key]
            raise

    def forget(self, hearer: Hearer) -> None:
        """Removes `hearer` everywhere. Call it on the call thread; it can be called again."""
        with self._lock:
            for one in self._keys.pop(hearer, ()):
                hearers = self._wanted.get(one, {})
                hearers.pop(hearer, None)
                if not hearers:
                    self._unheard[one] = None
        while (key := self._take_unheard()) is not None:
            try:
                self._hal.unlisten(*key)
            except AbandonedError:  # CoreAudio was not called, so the registration still exists
                with self._lock:
                    self._wanted.setdefault(key, {})
                    self._unheard[key] = None
                raise

    def _take_unheard(self) -> tuple[int, int] | None:
        """Removes one registration without hearers and returns it; None if there is none."""
        with self._lock:
            while self._unheard:
                key, _ = self._unheard.popitem()
                if key in self._wanted and not self._wanted[key]:
                    del self._wanted[key]
                    return key
            return None

    def dispatch(self) -> None:
        """Passes the queued notes on to the hearers. Never waits. Any thread may call it.

        It takes no lock. A signal handler may interrupt it on the main thread. If the handler
        closes a stream, the call thread removes the stream's listeners and would wait for the lock.
        """
        library = self._hal.library
        noted, lost = library.take_changes(), library.take_lost_changes()
        if lost or any(note[1:3] == (SYSTEM, RESTARTED) for note in noted):
            self._ended = True
        for host_ns, object_id, code, _scope, _element in noted:
            for hearer in self._wanted.get((object_id, code), {}).copy():
                hearer.changed(host_ns, object_id, code)
        if lost:
            for hearers in self._wanted.copy().values():
                for hearer in hearers.copy():
                    hearer.changes_lost()
