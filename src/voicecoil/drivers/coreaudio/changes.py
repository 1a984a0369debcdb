"""Who hears of which property change.

CoreAudio's notifications come on any thread and only leave a note (`listener.c`). They are handed
on here, by whoever looks: a stream that is asked for trouble, a wait, the tick of a watcher.
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
        """Takes a note; it may run on any thread, and calls nothing of CoreAudio's."""

    def changes_lost(self) -> None:
        """Some notes were lost: anything may have changed."""


class Changes:
    """The registrations of one CoreAudio, each made once however many want it."""

    def __init__(self, hal: Hal) -> None:
        self._hal = hal
        self._wanted: dict[tuple[int, int], list[Hearer]] = {}
        self._lock = threading.Lock()
        self._ended = False

    @property
    def are_heard(self) -> bool:
        """False: nobody listens, or coreaudiod was restarted and took all registrations along."""
        return bool(self._wanted) and not self._ended

    def end(self) -> None:
        """Nothing is heard until `renew`."""
        self._ended = True

    def renew(self) -> None:
        """Registers anew what may have ended. On the control thread."""
        self._ended = False
        try:
            for key in list(self._wanted):
                self._hal.listen_again(*key)
        except AbandonedError:
            self._ended = True
            raise

    def listen(self, hearer: Hearer, object_id: int, text: str) -> None:
        """On the control thread."""
        key = object_id, selector(text)
        with self._lock:
            registered = key in self._wanted
            self._wanted.setdefault(key, []).append(hearer)
        if registered:
            return
        try:
            self._hal.listen(object_id, text)
        except BaseException:
            with self._lock:
                self._wanted[key].remove(hearer)
                if not self._wanted[key]:
                    del self._wanted[key]
            raise

    def forget(self, hearer: Hearer) -> None:
        """Ends all that `hearer` listens to. On the control thread, and may be begun again."""
        with self._lock:
            for hearers in self._wanted.values():
                hearers[:] = [other for other in hearers if other is not hearer]
        while (key := self._take_unheard()) is not None:
            try:
                self._hal.unlisten(*key)
            except AbandonedError:  # it was not called
                with self._lock:
                    self._wanted.setdefault(key, [])
                raise

    def _take_unheard(self) -> tuple[int, int] | None:
        """A registration that nobody wants any more."""
        with self._lock:
            key = next((key for key, hearers in self._wanted.items() if not hearers), None)
            if key is not None:
                del self._wanted[key]
            return key

    def dispatch(self) -> None:
        """Hands on what was noted. On any thread; nobody waits for anybody."""
        if not self._lock.acquire(blocking=False):
            return  # somebody else does it now
        try:
            noted = self._hal.library.take_changes()
            lost = self._hal.library.take_lost_changes()
            if lost or any(note[1:3] == (SYSTEM, RESTARTED) for note in noted):
                self._ended = True
            told = [
                (hearer, host_ns, object_id, code)
                for host_ns, object_id, code, _scope, _element in noted
                for hearer in self._wanted.get((object_id, code), ())
            ]
            everybody = [h for hearers in self._wanted.values() for h in hearers] if lost else []
        finally:
            self._lock.release()
        for hearer, host_ns, object_id, code in told:
            hearer.changed(host_ns, object_id, code)
        for hearer in everybody:
            hearer.changes_lost()
