"""Errors of CPython and of the system that become typed errors."""

from __future__ import annotations

import errno

import pytest

from voicecoil.errors import OutOfMemoryError
from voicecoil.resources import resource_errors


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        # These two were raised when voicecoil was loaded with almost no memory.
        SystemError("error return without exception set"),
        SystemError("<built-in function eval> returned NULL without setting an exception"),
    ],
)
def test_memory_is_exhausted(error: Exception) -> None:
    with pytest.raises(OutOfMemoryError, match="there is not enough") as e, resource_errors("load"):
        raise error
    assert e.value.__cause__ is error


@pytest.mark.parametrize("error", [SystemError("bad argument to internal function"), OSError(5)])
def test_other_errors_stay_as_they_are(error: Exception) -> None:
    with pytest.raises(type(error)) as e, resource_errors("load"):
        raise error
    assert e.value is error
