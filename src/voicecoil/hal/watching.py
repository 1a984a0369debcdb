"""Watching properties: `watch`."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from voicecoil.arguments import shown
from voicecoil.drivers.change_queue import ChangeQueue
from voicecoil.drivers.coreaudio._hal import REPORTED_BY_IO_THREADS
from voicecoil.drivers.coreaudio.changes import RESTARTED
from voicecoil.drivers.coreaudio.hal import SYSTEM
from voicecoil.errors import ArgumentTypeError, DriverError, StreamTimeoutError, VoicecoilError
from voicecoil.hal.addresses import scope_code
from voicecoil.hal.identity import GONE
from voicecoil.hal.object import HalObject
from voicecoil.hal.reading import Address, scope_name
from voicecoil.hal.table import PropertyRow, parents, rows_of
from voicecoil.lifetime import exit_and_fork

if TYPE_CHECKING:
    from voicecoil.drivers.coreaudio.driver import CoreAudioDriver

__all__ = ["Change", "Watch", "begin_watch", "watch"]

RETRIES = 6  # after so many failures, an error is reported, and looks are rare
RETRY_S = 0.02  # the pause after the first failure; each further one doubles it

# The list from which an object of a class disappears when it goes.
_LISTS = {
    "AudioProcess": "prs#",
    "AudioTap": "tps#",
    "AudioBox": "box#",
    "AudioClockDevice": "clk#",
}


@dataclass(frozen=True)
class Change:
    """A change of a property.

    Attributes
    ----------
    object : HalObject
        The object that was given to `watch`.
    name : str
        The attribute.
    selector : str
        Its four characters.
    scope : str
    element : int
    old, new : object
        The values before and after; None for an event, which has no value, and for a property that
        the object did not have before or does not have any more.
    host_ns : int
        Host time of the notification, ns; that of the last one if several were merged.
    """

    object: HalObject
    name: str
    selector: str
    scope: str
    element: int
    old: Any
    new: Any
    host_ns: int


class _Listener:
    """What the sources of notifications know of a watch. It does not keep the watch alive."""

    def __init__(self, watch: Watch) -> None:
        self._watch = weakref.ref(watch)

    def changed(self, host_ns: int, object_id: int, property_selector: int) -> None:
        watch = self._watch()
        if watch is not None:
            watch.changed(host_ns, object_id, property_selector)

    def changes_lost(self) -> None:
        watch = self._watch()
        if watch is not None:
            watch.changes_lost()

    def look(self) -> bool:
        watch = self._watch()
        return watch is not None and watch._look()

    def end(self, driver: CoreAudioDriver, name: str) -> None:
        """Ends the notifications."""
        driver.notifier.remove(self.look)
        driver.call(name, partial(driver._forget, self), driver.timeouts.call_s, later=True)


class Watch(ChangeQueue[Change]):
    """Changes of the properties of an object, returned by :func:`watch`.

    It is an iterator, an asynchronous iterator and a context manager.
    """

    def __init__(
        self,
        thing: HalObject,
        rows: list[PropertyRow],
        scope: str | int | None,
        element: int | None,
        callback: Callable[[Change], object] | None,
    ) -> None:
        super().__init__(callback)
        self._thing = thing
        self._rows = {row.code: row for row in rows}
        self._limits = None if scope is None else scope_code(scope), element
        self._connection = thing._connection
        self._listener = _Listener(self)
        self._values: dict[Address, Any] = {}
        self._id = 0
        self._dirty: dict[int, int] = {}  # selector -> host time of the notification
        self._check_all = False
        self._restarted = False
        self._forgotten = False
        self._failures = 0  # looks since the last one without an error
        self._due = 0.0  # the next look after an error, s of time.monotonic

    def __repr__(self) -> str:
        known = [row.name for row in self._rows.values()]
        names = ", ".join(known[:4]) + (f" and {len(known) - 4} more" if len(known) > 4 else "")
        state = "ended" if self.ended else "watching"
        return f"<Watch {state} {names} of {self._thing!r}>"

    @property
    def object(self) -> HalObject:
        """The object that is watched."""
        return self._thing

    # ---- on the call thread ----

    def _begin(self, object_id: int) -> None:
        """Registers for the notifications and reads the values.

        After an error, nothing is registered.
        """
        try:
            self._listen(object_id)
            self._values = self._read_all(object_id, self._rows, {})
        except BaseException:
            self._forget()
            raise

    def _listen(self, object_id: int) -> None:
        self._id = object_id
        changes = self._connection.driver.changes
        for row in self._rows.values():
            changes.listen(self._listener, object_id, row.selector)
        for owner, text in self._deaths(object_id):
            changes.listen(self._listener, owner, text)

    def _deaths(self, object_id: int) -> list[tuple[int, str]]:
        """What CoreAudio reports when the object goes, or all objects do."""
        kinds = parents(self._thing._class_name)
        found = [(SYSTEM, "srst")]
        if object_id == SYSTEM:
            return found
        found += [(SYSTEM, text) for kind, text in _LISTS.items() if kind in kinds]
        owner = getattr(self._thing, "_owner", None)
        if isinstance(owner, HalObject):
            found.append((owner._certain_id(), getattr(self._thing, "_list", "ownd")))
        return [*found, (SYSTEM, "dev#")]

    def _read_all(
        self, object_id: int, rows: dict[int, PropertyRow], unread: dict[int, DriverError]
    ) -> dict[Address, Any]:
        """The values at all addresses at which the object has these properties.

        `unread` gets the selectors of values that could be read before, and cannot be read now.
        """
        thing, reader = self._thing, self._connection.reader
        places = [at for row in rows.values() for at in self._places(object_id, row)]
        found: dict[Address, Any] = {}
        for at in reader.values.present(object_id, places):
            row, value = rows[at[0]], None
            if row.is_value:
                try:
                    value = reader.get(object_id, row, at[1], at[2], name=repr(thing))
                    value = thing._with_objects(row, value)
                except DriverError as error:
                    if error.code in GONE:
                        raise
                    # A value that could be read before is read again, but not for ever.
                    value = self._values.get(at) if self._failures < RETRIES else None
                    if value is not None:
                        unread[at[0]] = error
            found[at] = value
        return found

    def _places(self, object_id: int, row: PropertyRow) -> list[Address]:
        scope, element = self._limits
        if scope is not None or element is not None:
            scopes = self._thing._scopes(object_id, row, scope)
            return [(row.code, one, self._thing._at(element)) for one in scopes]
        return self._thing._addresses(object_id, row)

    def _forget(self) -> None:
        self._connection.driver._forget(self._listener)

    def _again(self) -> int:
        """Finds the object after a restart of coreaudiod, and listens to it. Returns its ID."""
        self._forget()
        self._thing._id = 0
        object_id = self._thing._current_id()
        try:
            self._listen(object_id)
        except BaseException:
            self._forget()
            raise
        return object_id

    # ---- hearing: any thread, no call of CoreAudio ----

    def changed(self, host_ns: int, object_id: int, property_selector: int) -> None:
        """Take note of a notification of CoreAudio, on the thread that reads them.

        Parameters
        ----------
        host_ns : int
            Host time of the notification, ns.
        object_id : int
            The AudioObjectID.
        property_selector : int
            The property that has changed.
        """
        if object_id == SYSTEM and property_selector == RESTARTED:
            self._restarted = True
        if object_id == self._id and property_selector in self._rows:
            self._dirty[property_selector] = host_ns
        else:
            self._check_all = True
        self._due = 0.0
        self._connection.driver.notifier.ring(self._listener.look)

    def changes_lost(self) -> None:
        """Take note that any property may have changed."""
        self._check_all = True
        self._dirty.update(dict.fromkeys(self._rows, 0))
        self._due = 0.0
        self._connection.driver.notifier.ring(self._listener.look)

    # ---- on the notifier's thread ----

    def _look(self) -> bool:
        """Reads what may have changed. Returns False when the watch is over."""
        if self.ended:
            return False
        if not self._dirty and not self._check_all:
            return True
        if time.monotonic() < self._due:
            return True
        dirty, self._dirty = self._dirty, {}
        restarted, self._restarted, self._check_all = self._restarted, False, False
        if restarted:
            dirty = dict.fromkeys(self._rows, 0)
        rows = {code: self._rows[code] for code in dirty}

        unread: dict[int, DriverError] = {}

        def work() -> dict[Address, Any]:
            object_id = self._again() if restarted else self._id
            self._connection.reader.check_alive(object_id)
            return self._read_all(object_id, rows, unread) if rows else {}

        driver = self._connection.driver
        try:
            found = driver.call(f"watching {self._thing!r}", work, driver.timeouts.call_s)
        except VoicecoilError as error:
            transient = isinstance(error, DriverError | StreamTimeoutError)
            if transient and getattr(error, "code", None) not in GONE:
                self._restarted |= restarted
                self._look_again(dirty, error)
                return True
            exit_and_fork.submit(self.close)
            self._finish()
            return False
        self._compare(dirty, found)
        if unread:
            again = {code: dirty[code] for code in unread}
            self._look_again(again, next(iter(unread.values())))
        else:
            self._failures = 0
        return True

    def _look_again(self, dirty: dict[int, int], error: VoicecoilError) -> None:
        """Keeps for a later look what could not be read, because no further notification may come.

        The pause doubles. A lasting error is reported once; after that, only the next notification
        or the notifier's slow round looks again.
        """
        self._dirty = {**dirty, **self._dirty}
        self._check_all = True
        self._failures += 1
        pause_s = RETRY_S * 2 ** min(self._failures, 2 * RETRIES)
        self._due = time.monotonic() + pause_s
        if self._failures <= RETRIES:
            exit_and_fork.tick(self._ring, pause_s)
        elif self._failures == RETRIES + 1:
            exit_and_fork.report(error, self._look)

    def _ring(self) -> bool:
        if not self.ended:
            self._connection.driver.notifier.ring(self._listener.look)
        return False

    def _compare(self, dirty: dict[int, int], found: dict[Address, Any]) -> None:
        now_ns = self._connection.library.now_ns()
        before = {at: value for at, value in self._values.items() if at[0] in dirty}
        for at in before.keys() | found.keys():
            row = self._rows[at[0]]
            old, new = before.get(at), found.get(at)
            if row.is_value and old == new:
                continue
            change = Change(
                self._thing,
                row.name,
                row.selector,
                scope_name(at[1]),
                at[2],
                old,
                new,
                dirty[at[0]] or now_ns,
            )
            self._put(at, change, _merged)
            if at in found:
                self._values[at] = new
            else:
                self._values.pop(at, None)

    def close(self) -> None:
        """End the watch. A loop over it ends after the changes that were not read yet."""
        super().close()
        if not self._forgotten:
            self._listener.end(self._connection.driver, f"ending {self!r}")
            self._forgotten = True


def _merged(earlier: Change, later: Change) -> Change | None:
    """One change of two; None if the second one has undone the first."""
    if later.old is None and later.new is None:
        return later
    return None if earlier.old == later.new else replace(later, old=earlier.old)


OneWatch = TypeVar("OneWatch", bound=Watch)


def watch(
    thing: HalObject,
    *names: str,
    scope: str | int | None = None,
    element: int | None = None,
    callback: Callable[[Change], object] | None = None,
) -> Watch:
    """Watch properties of an object.

    CoreAudio's notifications wake one thread, which reads the new values. Nothing is polled.
    Several notifications of one value, and changes that are not read in time, are merged into one
    change with the first old and the last new value.

    ::

        with hal.watch(device, "nominal_sample_rate", "volume") as changes:
            for change in changes:  # or: async for
                print(change.name, change.old, "->", change.new)

    Parameters
    ----------
    thing : HalObject
        The object. When it has gone, the loop ends. After a restart of coreaudiod it is found
        again, and the watch goes on.
    *names : str
        Attributes or four characters; none: all properties of its class.
    scope : str, int or None
        None: all scopes in which the object has them.
    element : int or None
        None: all elements at which the object has them.
    callback : callable or None
        Called with each `Change` on an ordinary thread, instead of a loop.

    Returns
    -------
    Watch
        It ends with ``close``, a ``with`` block, or when the program has no reference to it any
        more. So keep it, also if it has a callback.

    Raises
    ------
    PropertyMissingError
        The object's class does not have such a property.
    """
    if not isinstance(thing, HalObject):
        raise ArgumentTypeError(
            f"watch({shown(thing)}): an object of voicecoil.hal is needed; vc.watch() is for "
            "devices"
        )
    if names:
        rows = [thing._row(name) for name in names]
    else:
        rows = [
            row
            for row in rows_of(thing._class_name)
            if (row.is_value or row.event) and not row.deprecated
        ]
    return begin_watch(Watch(thing, rows, scope, element, callback))


def begin_watch(one: OneWatch) -> OneWatch:
    """Begins the watch, and returns it."""
    thing = one.object
    driver = thing._connection.driver
    driver.call(
        f"watching {thing!r}",
        lambda: thing._work(one._begin),
        driver.timeouts.call_s,
        undo=lambda _: one._forget(),
    )
    of_io_threads = any(code in REPORTED_BY_IO_THREADS for code in one._rows)
    driver.notifier.add(one._listener.look, of_io_threads)
    one._when_dropped(partial(one._listener.end, driver, f"ending a watch of {thing!r}"))
    return one
