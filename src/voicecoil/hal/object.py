"""An object of the HAL, and how its properties are reached."""

from __future__ import annotations

import difflib
from functools import cache
from typing import Any, ClassVar, Self

from voicecoil.arguments import shown
from voicecoil.drivers.coreaudio.hal import GLOBAL, INPUT, OUTPUT
from voicecoil.drivers.coreaudio.status import DEAD
from voicecoil.errors import (
    ArgumentError,
    ArgumentTypeError,
    DriverError,
    PropertyMissingError,
)
from voicecoil.hal import codec, listing, setting
from voicecoil.hal._properties import AudioObjectProperties, number_of
from voicecoil.hal.addresses import element_of, scope_code
from voicecoil.hal.identity import Identified
from voicecoil.hal.reading import PLAY_THROUGH, Qualifier, is_missing, where
from voicecoil.hal.table import PropertyRow, rows, rows_of
from voicecoil.wording import did_you_mean

__all__ = ["HalObject", "Places"]

Places = list[tuple[int, int, int]]  # selector, scope, element


@cache
def _by_name(kind: str) -> dict[str, PropertyRow]:
    """The rows of a class by name and by selector.

    A name wins: 'name' is also the selector of an old property, `device_name_c_string`.
    """
    own = rows_of(kind)
    return {row.selector: row for row in own} | {row.name: row for row in own}


@cache
def _unlisted(text: str) -> PropertyRow:
    """A row for a selector that the table does not have for a class."""
    for row in rows():
        if row.selector == text:
            return row
    return PropertyRow(
        name=text,
        selector=text,
        code=codec.code_of(text),
        of="AudioObject",
        constant="",
        type="raw",
        scopes="sides+global",
        elements="any",
        doc="A property of the driver",
        settable="guess",
    )


class HalObject(AudioObjectProperties, Identified):
    """An object of the HAL, returned by :func:`voicecoil.hal.connect` and by other objects.

    Its attributes are the properties of its class: reading one calls the HAL, and assigning one
    calls `set`. ``obj["nsrt"]`` and ``obj.get("nsrt", scope="input")`` reach the same properties
    by their four characters, and also those that only its driver knows, as bytes.

    An object stands for a thing, not for its number in the HAL, which changes when the thing is
    replugged or coreaudiod restarts. Objects of the same thing are equal.

    All methods can be called on any thread. They raise a `DriverError` if the HAL refuses a call or
    its answer is nonsense, a `StreamTimeoutError` if a call hangs, and a `DeviceLostError` if the
    thing has gone.
    """

    _kind: ClassVar[str] = "AudioObject"
    _aliases: ClassVar[dict[str, str]] = {}  # further names of properties, and their selectors

    # Otherwise a loop over an object, or `in`, would ask for the property 0.
    __iter__: ClassVar[None] = None

    # ---- addresses ----

    def _row(self, name: str) -> PropertyRow:
        if not isinstance(name, str):
            raise ArgumentTypeError(
                f"the property {shown(name)}: give its name or four characters, as in 'nsrt'"
            )
        known = _by_name(self._class_name).get(self._aliases.get(name, name))
        if known is not None:
            return known
        if len(name) == 4 and name.isascii() and name != "****":
            return _unlisted(name)
        raise PropertyMissingError(
            f"{self._class_name} has no property {shown(name)}; "
            + (did_you_mean(name, self._names()) or self._nearest(name)),
            name=name,
            obj=self,
        )

    def _names(self) -> list[str]:
        listed = rows_of(self._class_name)
        return [*self._aliases, *(row.name for row in listed if not row.deprecated)]

    def _nearest(self, name: str) -> str:
        near = difflib.get_close_matches(name.lower(), self._names(), 5, 0)
        return f"it has {', '.join(near)} and others; properties() lists all that an object has"

    def _scopes(self, object_id: int, row: PropertyRow, scope: str | int | None) -> list[int]:
        """The scopes in which a property is looked for. On the call thread."""
        if scope is not None:
            return [scope_code(scope)]
        if self._scope is not None:
            return [GLOBAL if row.scopes == "global" else self._scope]
        if row.scopes == "sides":
            return self._sides(object_id)
        return [{"input": INPUT, "playthrough": PLAY_THROUGH}.get(row.scopes, GLOBAL)]

    def _sides(self, object_id: int) -> list[int]:
        """Both directions, with the one first that an attribute without a scope means."""
        return [OUTPUT, INPUT]

    def _at(self, element: int | None) -> int:
        return element_of(element) if element is not None else self._element or 0

    # ---- values ----

    def get(
        self,
        name: str,
        scope: str | int | None = None,
        element: int | None = None,
        qualifier: Qualifier = None,
    ) -> Any:
        """Return the value of a property.

        Parameters
        ----------
        name : str
            The attribute, such as ``"nominal_sample_rate"``, or four characters, ``"nsrt"``.
        scope : str, int or None
            ``"global"``, ``"input"``, ``"output"``, ``"play_through"`` or four characters. None:
            the direction of the object; the output if it has both.
        element : int or None
            A channel, from 1; 0 or None: the main element, which is the whole object.
        qualifier : bytes, str, dict or None
            What the property needs in addition.

        Returns
        -------
        object
            A value of the property's type, see the reference of properties. The bytes, if the table
            of properties does not have it.

        Raises
        ------
        PropertyMissingError
            The object does not have the property there. The message says where it has it.
        """
        row = self._row(name)
        if row.kind >= 0 and scope is None and element is None:
            value = number_of(row).of(self)
            if value is not None:
                return value
        return self._connection.call(
            f"reading {row.name} of {self!r}",
            lambda: self._work(lambda one: self._read(one, row, scope, element, qualifier)),
        )

    def ask(
        self,
        name: str,
        question: Any,
        /,
        scope: str | int | None = None,
        element: int | None = None,
    ) -> Any:
        """Return the value of a property that converts a value or finds an object.

        Such properties convert or look something up, as in
        ``device.ask("volume_scalar_to_decibels", 0.5)``.

        Parameters
        ----------
        name : str
            The attribute or four characters.
        question : object
            What is converted or looked up.
        scope : str, int or None
            As for `get`.
        element : int or None
            As for `get`.

        Returns
        -------
        object
            The answer; None if there is no such object.
        """
        row = self._row(name)
        if row.qualifier in ("pid", "u32"):
            number = codec.code_of(question)
            if not 0 <= number < 2**32:
                raise ArgumentError(
                    f"{row.name} of {shown(question)}: possible are numbers from 0 to {2**32 - 1}"
                )
            qualifier: Qualifier = number.to_bytes(4, "little")
            question = None
        elif row.qualifier is not None:
            qualifier, question = question, None
        else:
            qualifier = None
        if isinstance(question, HalObject):
            question = question.object_id
        return self._connection.call(
            f"asking {self!r} for {row.name}",
            lambda: self._work(
                lambda one: self._read(one, row, scope, element, qualifier, question)
            ),
        )

    def __getitem__(self, name: str | tuple[Any, ...]) -> Any:
        return self.get(*name) if isinstance(name, tuple) else self.get(name)

    def __setitem__(self, name: str | tuple[Any, ...], value: Any) -> None:
        if isinstance(name, tuple):
            self.set(name[0], value, *name[1:])
        else:
            self.set(name, value)

    def _read(
        self,
        object_id: int,
        row: PropertyRow,
        scope: str | int | None,
        element: int | None,
        qualifier: Qualifier = None,
        question: Any = None,
    ) -> Any:
        """On the call thread."""
        error: DriverError | None = None
        for one in self._scopes(object_id, row, scope):
            try:
                value = self._connection.reader.get(
                    object_id, row, one, self._at(element), qualifier, question, repr(self)
                )
            except DriverError as raised:
                if not is_missing(raised):
                    raise
                error = error or raised
                continue
            return self._with_objects(row, value)
        raise self._missing(object_id, row, scope, element) from error

    def _with_objects(
        self, row: PropertyRow, value: Any, made: dict[int, HalObject] | None = None
    ) -> Any:
        """The value with objects in place of their IDs; `made` is that of `Connection.objects`."""
        if row.type == "id":
            try:
                return self._connection.object(value, None)
            except DriverError as error:
                if not row.acts or error.code not in DEAD:
                    raise
                return None  # what has been destroyed
        if row.type == "id[]":
            return self._connection.objects(value, self, made)
        return value

    def _missing(
        self, object_id: int, row: PropertyRow, scope: str | int | None, element: int | None
    ) -> PropertyMissingError:
        self._connection.reader.check_alive(object_id)
        found = self._connection.reader.values.present(
            object_id, self._addresses(object_id, row, everywhere=True)
        )
        asked = self._scopes(object_id, row, scope)[0]
        there = ", ".join(dict.fromkeys(where(one[1], one[2]) for one in found))
        normal = "which is normal"
        if row.since is not None:
            normal += f"; the property needs macOS {row.since} or later"
        return PropertyMissingError(
            f"{self!r} has no {row.name} ('{row.selector}') in "
            f"{where(asked, self._at(element))}; "
            + (f"it has it in {there}" if there else f"it has none at all, {normal}"),
            name=row.name,
            obj=self,
        )

    def has(self, name: str, scope: str | int | None = None, element: int | None = None) -> bool:
        """Return whether the object has a property.

        Parameters
        ----------
        name : str
            The attribute or four characters.
        scope : str, int or None
            As for `get`.
        element : int or None
            As for `get`.

        Returns
        -------
        bool
            True if it has it.
        """
        row = self._row(name)

        def work(object_id: int) -> bool:
            return self._place(object_id, row, scope, element) is not None

        return self._on_object(f"looking for {row.name} of", work)

    def settable(
        self, name: str, scope: str | int | None = None, element: int | None = None
    ) -> bool:
        """Return whether a property can be set now.

        Parameters
        ----------
        name : str
            The attribute or four characters.
        scope : str, int or None
            As for `get`.
        element : int or None
            As for `get`.

        Returns
        -------
        bool
            False also if the object does not have the property.
        """
        row = self._row(name)

        def work(object_id: int) -> bool:
            place = self._place(object_id, row, scope, element)
            if place is None:
                return False
            return self._connection.reader.settable(object_id, row.code, *place)

        return self._on_object(f"asking whether one can set {row.name} of", work)

    def _place(
        self, object_id: int, row: PropertyRow, scope: str | int | None, element: int | None
    ) -> tuple[int, int] | None:
        """The scope and element at which the property is; None: nowhere. On the call thread."""
        at = self._at(element)
        for one in self._scopes(object_id, row, scope):
            if self._connection.reader.has(object_id, row.code, one, at):
                return one, at
        self._connection.reader.check_alive(object_id)
        return None

    def set(
        self,
        name: str,
        value: Any,
        scope: str | int | None = None,
        element: int | None = None,
        timeout_s: float | None = None,
    ) -> Any:
        """Set a property, and wait until the object has the new value.

        A set is a request: hardware may need seconds for another rate, may choose the nearest value
        that it has, or may change nothing.

        Parameters
        ----------
        name : str
            The attribute or four characters.
        value : object
            The new value.
        scope : str, int or None
            As for `get`.
        element : int or None
            As for `get`.
        timeout_s : float or None
            The longest wait, s; None: 5 s.

        Returns
        -------
        object
            What the object made of it, which is the value that was read afterwards.

        Raises
        ------
        ChangeTimeoutError
            The HAL accepted the value, but nothing has changed.
        PropertyReadOnlyError
            The property of this object cannot be set.
        PropertyMissingError
            The object does not have the property.
        """
        return setting.set_and_wait(self, self._row(name), value, scope, element, timeout_s)

    def temporarily(
        self,
        name: str,
        value: Any,
        scope: str | int | None = None,
        element: int | None = None,
    ) -> setting.Temporarily:
        """Return a context manager that sets a property and restores it at its end.

        A value that another program has set meanwhile is kept, and an object that has gone is left
        alone.

        Parameters
        ----------
        name : str
            The attribute or four characters.
        value : object
            The value inside of the ``with`` block.
        scope : str, int or None
            As for `get`.
        element : int or None
            As for `get`.

        Returns
        -------
        Temporarily
            Its ``with`` gives what the object made of the value.
        """
        return setting.Temporarily(self, self._row(name), value, scope, element)

    # ---- all properties ----

    def _repr_html_(self) -> str:
        return listing.html(self)

    def properties(self, deprecated: bool = False) -> listing.PropertyList:
        """Return the properties that the object has now, with their values.

        Parameters
        ----------
        deprecated : bool
            Include those that newer ones have replaced.

        Returns
        -------
        PropertyList
            Notebooks show it as a table. ``properties()["name"]`` is one of them.
        """
        return self._on_object("reading", lambda one: listing.read(self, one, deprecated))

    def _addresses(self, object_id: int, row: PropertyRow, everywhere: bool = False) -> Places:
        """The addresses at which a property may be. On the call thread."""
        if self._scope is not None and not everywhere:
            at = self._at(None)
            return [(row.code, scope, at) for scope in self._scopes(object_id, row, None)]
        return list(listing.places(row, self._counts(object_id)))

    def _counts(self, object_id: int) -> tuple[int, int, int, int]:
        """The channels in the scopes global, input, output and play-through. On the call thread."""
        return 0, 0, 0, 0

    # ---- parts ----

    def at(self, scope: str | int | None = None, element: int | None = None) -> Self:
        """Return the same object, whose attributes mean a scope and element.

        ``device.at("output", 2).volume_scalar`` is the volume of the second output channel.

        Parameters
        ----------
        scope : str, int or None
            As for `get`.
        element : int or None
            As for `get`.

        Returns
        -------
        HalObject
            Of the same class.
        """
        view = object.__new__(type(self))
        view.__dict__.update(self.__dict__)
        if scope is not None:
            view._scope = scope_code(scope)
        if element is not None:
            view._element = element_of(element)
        return view

    def _whole(self) -> Self:
        """The same object without a scope and element."""
        if self._scope is None and self._element is None:
            return self
        view = self.at()
        view._scope = view._element = None
        return view
