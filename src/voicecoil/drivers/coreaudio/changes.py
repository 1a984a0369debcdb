"""Who hears of which property change.

CoreAudio's notifications come on any thread and only leave a note (`listener.c`). They are handed
on here, by whoever looks: a stream that is asked for trouble, a wait, the tick of a watcher.
"""

from __future__ import annotations

import threading
from typing import Protocol

from voicecoil.drivers.control_thread import AbandonedError
from voicecoil.drivers.coreaudio._hal import Library
from voicecoil.drivers.coreaudio.hal import SYSTEM, selector
from voicecoil.drivers.coreaudio.status import status_error

__all__ = ["ANY", "RESTARTED", "Changes", "Hearer"]

ANY = selector("****")  # scopes: overloads come with any of them
RESTARTED = selector("srst")
_ANY_ELEMENT = 0xFFFFFFFF


class Hearer(Protocol):
    def changed(self, host_ns: int, object_id: int, property_selector: int) -> None:
        """Takes a note; it may run on any thread, and calls nothing of CoreAudio's."""

    def changes_lost(self) -> None:
        """Some notes were lost: anything may have changed."""


class Changes:
    """The registrations of one CoreAudio, each made once however many want it."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._wanted: dict[tuple[int, int], list[Hearer]] = {}
        self._lock = threading.Lock()
        self._ended = False

    @property
    def are_heard(self) -> bool:
        """False: nobody listens, or coreaudiod was restarted and took all registrations along."""
        return bool(self._wanted) and not self._ended

    def renew(self) -> None:
        """Registers anew what may have ended. On the control thread."""
        self._ended = False
        try:
            for key in list(self._wanted):
                # Sources do not say which registrations outlive a restart; twice would be an error.
                # Those of objects that have gone fail, and nothing will come of these any more.
                self._library.unlisten(*key, ANY, _ANY_ELEMENT)
                self._library.listen(*key, ANY, _ANY_ELEMENT)
        except AbandonedError:
            self._ended = True
            raise

    def listen(self, hearer: Hearer, object_id: int, text: str) -> None:
        """On the control thread."""
        key = object_id, selector(text)
        if key not in self._wanted:
            status = self._library.listen(*key, ANY, _ANY_ELEMENT)
            if status != 0:
                raise status_error(
                    "AudioObjectAddPropertyListener", status, f"'{text}' of object {object_id}"
                )
        with self._lock:
            self._wanted.setdefault(key, []).append(hearer)

    def forget(self, hearer: Hearer) -> None:
        """Ends all that `hearer` listens to. On the control thread, and may be begun again."""
        with self._lock:
            for hearers in self._wanted.values():
                hearers[:] = [other for other in hearers if other is not hearer]
        while (key := self._take_unheard()) is not None:
            try:
                # An object that has gone took its listeners along, which is an error here or none.
                # Whatever comes back: the queue that a listener writes to is never freed.
                self._library.unlisten(*key, ANY, _ANY_ELEMENT)
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
            noted = self._library.take_changes()
            lost = self._library.take_lost_changes()
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
