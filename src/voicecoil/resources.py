"""Typed errors for exhausted resources: memory, threads and open files."""

from __future__ import annotations

import errno

from voicecoil.errors import (
    FileAccessError,
    LibraryError,
    OutOfMemoryError,
    OutOfThreadsError,
    VoicecoilError,
)

TYPE_CHECKING = False  # importing the package must not import `typing`

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import ParamSpec, TypeVar

    P = ParamSpec("P")
    R = TypeVar("R")

__all__ = ["resource_errors"]


class resource_errors:  # noqa: N801 - used like a function
    """Context manager and decorator that replaces builtin exceptions with typed ones.

    If a resource is exhausted, MemoryError, RuntimeError, ImportError and OSError become
    OutOfMemoryError, OutOfThreadsError, LibraryError and FileAccessError.

    Parameters
    ----------
    doing : str
        The operation, such as ``"play"``, for the message.
    """

    def __init__(self, doing: str) -> None:
        self._doing = doing

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        from functools import wraps

        @wraps(function)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            with self:
                return function(*args, **kwargs)

        return guarded

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        typed = None if error is None else _typed(error, self._doing)
        if typed is not None:
            raise typed from error


def _lacks_memory(error: BaseException) -> bool:
    """Whether memory is exhausted.

    CPython then sometimes returns NULL without MemoryError, for example from ``eval`` in the
    module `collections`, and reports that as SystemError.
    """
    if isinstance(error, SystemError):
        return "without" in str(error) and "exception" in str(error)
    out_of_memory = isinstance(error, OSError) and error.errno == errno.ENOMEM
    return isinstance(error, MemoryError) or out_of_memory


def _typed(error: BaseException, doing: str) -> VoicecoilError | None:
    """Return the typed error; None if the error stays as it is."""
    if isinstance(error, VoicecoilError):
        return None
    if _lacks_memory(error):
        return OutOfMemoryError(
            f"cannot {doing}: there is not enough memory ({error or 'no details'}). Close other "
            "sounds or programs, or raise the limit (ulimit -v)"
        )
    if isinstance(error, RuntimeError) and "start new thread" in str(error):
        return OutOfThreadsError(
            f"cannot {doing}: no more threads can be started. End some of the program's threads, "
            "or raise the limit (ulimit -u)"
        )
    if isinstance(error, ImportError):
        return LibraryError(
            f"cannot {doing}: {error.name!r} could not be loaded ({error}). It may be missing, or "
            "too many files are open",
            name=error.name,
        )
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        typed = FileAccessError(
            f"cannot {doing}: too many files are open. Close some, or raise the limit (ulimit -n)"
        )
        typed.errno = error.errno
        return typed
    return None
