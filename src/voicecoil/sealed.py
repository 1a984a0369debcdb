"""Base classes of public objects that refuse misspelt attributes and copies."""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn

from voicecoil.errors import ArgumentTypeError

__all__ = ["Sealed", "Unique"]


class Sealed:
    """Base of objects that accept only the attributes that their class declares.

    Without this, ``playback.gian = 0.5`` would be accepted and have no effect. Each class lists in
    `_attributes` the public attributes that its instances have in addition to its properties. The
    check does not apply to subclasses that a user writes.
    """

    _attributes: ClassVar[tuple[str, ...]] = ()
    _ours: ClassVar[bool] = True

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls._ours = cls.__module__.startswith("voicecoil.")
        inherited = (name for base in cls.__mro__ for name in vars(base).get("_attributes", ()))
        cls._attributes = tuple(dict.fromkeys(inherited))

    def __setattr__(self, name: str, value: Any) -> None:
        known = name.startswith("_") or name in self._attributes or hasattr(type(self), name)
        if self._ours and not known:
            from voicecoil.wording import with_article

            kind = type(self)
            raise AttributeError(
                f"{with_article(kind.__name__)} has no attribute {name!r} that could be set; see "
                f"help({kind.__module__}.{kind.__qualname__})",
                name=name,
                obj=self,
            )
        super().__setattr__(name, value)


class Unique(Sealed):
    """Base of objects that cannot be copied or pickled.

    They own a device, a file or a thread, which a copy would use at the same time.
    """

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        from voicecoil.wording import with_article

        name = type(self).__name__
        raise ArgumentTypeError(
            f"{with_article(name)} cannot be copied or pickled, because it holds a resource "
            "outside of Python, such as a device, a file or an address; make another one"
        )
