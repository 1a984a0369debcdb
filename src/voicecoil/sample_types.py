"""Sample types of the blocks of a Python callback."""

from __future__ import annotations

from typing import Any, Literal, get_args

from voicecoil.arguments import shown
from voicecoil.errors import ArgumentError, ArgumentTypeError

__all__ = ["SampleType", "check_dtype", "format_number"]

SampleType = Literal["float32", "int16", "int32", "uint8"]
_POSSIBLE: tuple[SampleType, ...] = get_args(SampleType)  # in the order of vc_format


def check_dtype(dtype: Any) -> SampleType:
    """Return the name of a sample type that is given by name, as a NumPy type or as a dtype.

    Raises
    ------
    ArgumentError
        `dtype` names a type that samples cannot have, or has another byte order.
    ArgumentTypeError
        `dtype` is not a type.
    """
    name = dtype if isinstance(dtype, str) else getattr(dtype, "name", None)
    if name is None and isinstance(dtype, type):
        name = dtype.__name__
    if name in _POSSIBLE and not getattr(dtype, "isnative", True):
        raise ArgumentError(
            f"dtype={shown(dtype)} has the byte order of another machine, and samples have this "
            f'machine\'s; give "{name}", and swap the bytes of the array afterwards'
        )
    for possible in _POSSIBLE:
        if name == possible:
            return possible
    kind = ArgumentError if isinstance(name, str) else ArgumentTypeError
    raise kind(f"dtype={shown(dtype)}; possible are " + ", ".join(f'"{one}"' for one in _POSSIBLE))


def format_number(dtype: SampleType) -> int:
    """Return the number of the sample type in the C enum vc_format."""
    return _POSSIBLE.index(dtype)
