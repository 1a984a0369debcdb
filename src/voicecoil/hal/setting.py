"""Setting a property: the request, the wait until it is true, and the way back."""

from __future__ import annotations

import logging
import os
from functools import partial
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from voicecoil.arguments import check_seconds, shown
from voicecoil.drivers.coreaudio.hal import selector
from voicecoil.drivers.coreaudio.sample_rate import rate_is, really_runs_at
from voicecoil.errors import (
    ArgumentError,
    ArgumentTypeError,
    ChangeTimeoutError,
    DeviceLostError,
    DriverError,
    PropertyMissingError,
    PropertyReadOnlyError,
    VoicecoilError,
)
from voicecoil.hal import codec
from voicecoil.hal.restored import Restored
from voicecoil.hal.values import Range

if TYPE_CHECKING:
    from voicecoil.hal.object import HalObject
    from voicecoil.hal.table import PropertyRow

__all__ = ["Temporarily", "set_and_wait"]

_log = logging.getLogger("voicecoil.hal")
WAIT_S = 5.0
GRACE_S = 0.25  # how long another value than the wanted one must last to be the answer
AGAIN_S = 1.0  # a request that a device has lost, because it was changing, is made again
POLL_NS = 1_000_000
READ_EVERY = 10  # polls between two reads without a notification
NEAR = {"0 to 1": 0.1, "0 (left) to 1 (right)": 0.1, "dB": 6.0}  # the coarsest steps of hardware
HOG = selector("oink")
RATE = selector("nsrt")


class _Hearer:
    """Notes that a property has changed. `Changes` calls it on any thread."""

    def __init__(self) -> None:
        self._heard = False

    def changed(self, host_ns: int, object_id: int, property_selector: int) -> None:
        self._heard = True

    def changes_lost(self) -> None:
        self._heard = True

    def take(self) -> bool:
        heard, self._heard = self._heard, False
        return heard


class _Set:
    """One set. The methods up to `begin` run on the call thread."""

    def __init__(
        self,
        thing: HalObject,
        row: PropertyRow,
        value: Any,
        scope: str | int | None,
        element: int | None,
    ) -> None:
        self.thing = thing
        self.row = row
        self.asked = value
        self.scope = scope
        self.element = element
        self.hearer = _Hearer()
        self.place = (0, 0)
        self.object_id = 0
        self.old: Any = None
        self.value: Any = None
        self.wanted: Any = None

    def begin(self, object_id: int) -> None:
        """Adds the listener, and sets the value."""
        thing, row, reader = self.thing, self.row, self.thing._connection.reader
        place = thing._place(object_id, row, self.scope, self.element)
        if place is None:
            raise thing._missing(object_id, row, self.scope, self.element)
        if not reader.settable(object_id, row.code, *place):
            raise PropertyReadOnlyError(
                f"{thing!r} does not let {row.name} ('{row.selector}') be set",
                name=row.name,
                obj=thing,
            )
        self.object_id, self.place = object_id, place
        self.old = self.read()
        if row.code == HOG and not self._must_toggle():
            return
        self.value = value = self._clamped(self.asked)
        self.wanted = self._decoded(value)
        thing._connection.driver.changes.listen(self.hearer, object_id, row.selector)
        reader.set(object_id, row, *place, self._by_id(value), repr(thing))

    def _must_toggle(self) -> bool:
        """Hog mode ignores the value, and a set toggles the process's own."""
        mine = self.asked is True or self.asked == os.getpid()
        if not mine and self.asked not in (False, -1):
            raise ArgumentError(
                f"{self.row.name}={shown(self.asked)}; possible are True and False, and this "
                f"process's number, {os.getpid()}"
            )
        self.asked = os.getpid() if mine else -1
        self.wanted = self.asked
        return bool(self.old != self.asked and (mine or self.old == os.getpid()))

    def _by_id(self, value: Any) -> Any:
        from voicecoil.hal.object import HalObject

        if isinstance(value, HalObject):
            return value._certain_id()
        if value is None and self.row.type == "id":
            return 0
        if self.row.type == "id[]":
            return [self._by_id(one) for one in value]
        return value

    def _clamped(self, value: Any) -> Any:
        """The nearest value that the object says it has."""
        limits: Range | None = None
        if self.row.unit == "0 to 1":
            limits = Range(0.0, 1.0)
        if self.row.range is not None:
            limits = self._limits(self.row.range)
        if limits is None or not isinstance(value, Real):  # numbers of NumPy are Real, too
            return value
        near = min(max(float(value), limits.low), limits.high)
        return int(near) if isinstance(value, Integral) else float(near)

    def _limits(self, text: str) -> Range | None:
        try:
            found = self.thing._read(
                self.object_id, self.thing._row(text), self.place[0], self.place[1]
            )
        except (DriverError, PropertyMissingError):
            return None
        return found if isinstance(found, Range) else Range(*found)

    def _decoded(self, value: Any) -> Any:
        """The value as a get returns it."""
        if self.row.type in ("id", "id[]") or self.row.type in codec.CF_TYPES:
            return value
        if self.row.type == "raw":
            return bytes(value)
        return codec.decode(self.row, codec.encode(self.row, value))

    def read(self) -> Any:
        """The value now; None if it cannot be read."""
        try:
            value = self.thing._connection.reader.get(
                self.object_id, self.row, *self.place, name=repr(self.thing)
            )
            return self.thing._with_objects(self.row, value)
        except DriverError as error:
            from voicecoil.hal.identity import GONE

            if error.code in GONE:
                raise
            return None

    def runs_at_it(self) -> bool:
        """Whether a device has the wanted rate, whatever it says. On the call thread.

        Some devices report the old rate for a long time after a change, some for ever.
        """
        if self.row.code != RATE or self.row.of != "AudioDevice":
            return False
        hal, wanted = self.thing._connection.driver.hal, self.wanted
        return rate_is(hal, self.object_id, wanted) or really_runs_at(hal, self.object_id, wanted)

    def look(self, object_id: int, late: bool, again: bool) -> Any:
        """The value now. On the call thread."""
        self.object_id = object_id
        value = self.read()
        if late and value != self.wanted and self.runs_at_it():
            return self.wanted
        if again and value == self.old and self.row.code != HOG:
            reader = self.thing._connection.reader
            reader.set(object_id, self.row, *self.place, self._by_id(self.value), repr(self.thing))
        return value

    def is_near(self, value: Any) -> bool:
        """Whether hardware with steps may have made this of the wanted value."""
        tolerance = NEAR.get(self.row.unit or "")
        return tolerance is not None and value is not None and abs(value - self.wanted) <= tolerance

    def end(self) -> None:
        self.thing._connection.driver._forget(self.hearer)

    # ---- on the caller's thread ----

    def wait(self, timeout_s: float) -> Any:
        library, thing = self.thing._connection.library, self.thing
        begun = library.now_ns()
        grace_ns = int(GRACE_S * 1e9)
        asked, deadline = begun, begun + int(timeout_s * 1e9)
        settles = deadline
        seen, polls = self.old, 0
        while (now := library.now_ns()) < settles or polls == 0:
            thing._connection.driver.changes.dispatch()
            heard = self.hearer.take()
            if heard or polls % READ_EVERY == 0:
                late, again = now - begun >= grace_ns, now - asked >= AGAIN_S * 1e9
                asked = now if again else asked
                look = partial(self.look, late=late, again=again)
                value = thing._on_object(f"reading {self.row.name} of", look)
                if value is None or value == self.wanted:
                    return value
                if value != seen:
                    settles = min(deadline, now + grace_ns)
                elif self.is_near(value):
                    settles = min(settles, begun + grace_ns)
                seen = value
            library.wait_ns(POLL_NS)
            polls += 1
        if seen != self.old or self.is_near(seen):
            return seen
        raise ChangeTimeoutError(
            f"{self.thing!r} accepted {self.row.name}={shown(self.asked)}, but after "
            f"{timeout_s:g} s it still has {shown(seen)}: choose another value, or end what else "
            "uses the object"
        )


def set_and_wait(
    thing: HalObject,
    row: PropertyRow,
    value: Any,
    scope: str | int | None,
    element: int | None,
    timeout_s: float | None,
) -> Any:
    """Sets a property and returns what the object made of it; see `HalObject.set`."""
    if row.type == "id" and isinstance(value, str):
        raise ArgumentTypeError(
            f"{row.name}={shown(value)}: give an object, such as hal.device({shown(value)})"
        )
    seconds = WAIT_S if timeout_s is None else check_seconds(timeout_s, "timeout_s")
    one = _Set(thing, row, value, scope, element)
    if row.type not in codec.CF_TYPES and row.type not in ("id", "id[]", "raw", "pid"):
        codec.encode(row, value)  # an impossible value is an error before anything is called
    connection = thing._connection
    name = f"setting {row.name} of {thing!r}"
    limit_s = connection.driver.timeouts.call_s
    try:
        connection.driver.call(
            name, lambda: thing._work(one.begin), limit_s, undo=lambda _: one.end()
        )
        if row.event or one.wanted is None:
            return value
        return one.wait(seconds)
    finally:
        connection.driver.call(f"after {name}", one.end, limit_s, later=True)


class Temporarily(Restored):
    """A context manager that sets a property and restores it.

    It is returned by :func:`HalObject.temporarily`.
    """

    def __init__(
        self,
        thing: HalObject,
        row: PropertyRow,
        value: Any,
        scope: str | int | None = None,
        element: int | None = None,
        *,
        raises: bool = False,
    ) -> None:
        self._thing = thing
        self._row = row
        self._raises = raises  # whether a failed restore is an error instead of a warning
        # The selector also reaches what the table lacks for a class. 'name' means another property.
        self._name = row.selector if thing._row(row.selector) == row else row.name
        self._value = value
        self._where = scope, element
        self._before: Any = None
        self._ours: list[Any] = []  # the values that this block and the blocks around it have set
        self._is_known = False  # whether `_ours` is complete
        self._can_restore = False  # whether `_before` was read

    def __enter__(self) -> Any:
        with self._changing():
            self._ours, self._is_known, self._can_restore = [], False, False
            self._where = self._resolved()
            before = self._thing.get(self._name, *self._where)
            if not self._can_restore:  # no signal handler has ended an earlier block meanwhile
                self._before, self._can_restore = before, True
            made = self._thing.set(self._name, self._value, *self._where)
            self._ours, self._is_known = [made], True
        return made

    def _resolved(self) -> tuple[str | int | None, int | None]:
        """Scope and element in numbers, because one setting can be reached in several ways."""
        thing, row = self._thing, self._row
        place = thing._on_object(
            f"looking for {row.name} of", lambda one: thing._place(one, row, *self._where)
        )
        return place or self._where

    def _is_same_setting(self, other: Restored) -> bool:
        return isinstance(other, Temporarily) and other._setting() == self._setting()

    def _setting(self) -> tuple[object, ...]:
        """What distinguishes the setting. Some properties are the same in each scope."""
        scope, element = self._where
        place = element if self._row.scopes == "any" else (scope, element)
        return self._row.selector, place, self._thing._whole()

    def _take_over(self, earlier: Restored) -> None:
        assert isinstance(earlier, Temporarily)
        self._ours = [*self._ours, *earlier._ours]
        self._is_known = self._is_known and earlier._is_known
        # Last: without it, `earlier` still restores its value.
        self._before, self._can_restore = earlier._before, True

    def _restore(self) -> None:
        if not self._can_restore:
            return
        try:
            now = self._thing.get(self._name, *self._where)
            others = self._is_known and now not in self._ours
            if now != self._before and not others:
                self._thing.set(self._name, self._before, *self._where)
        except (DeviceLostError, PropertyMissingError):
            pass  # the thing has gone, and its settings with it
        except VoicecoilError as error:
            if self._raises:
                raise
            _log.warning("%r keeps another %s: %s", self._thing, self._row.name, error)

    def __repr__(self) -> str:
        return f"<{self._row.name}={self._value!r} of {self._thing!r} inside of a with block>"
