"""Work that neither Ctrl-C nor a signal handler can interrupt.

Python raises `KeyboardInterrupt` and runs signal handlers on the main thread, between any two
instructions. This can be between the call that starts a device and the assignment that records it,
or while the main thread holds a lock that the handler needs. Therefore the work of opening,
starting, stopping and closing a stream runs on a thread of its own if the main thread asks for it.
The main thread only waits, so it can be interrupted at once. The work goes on meanwhile, and a
signal handler can wait for it as for the work of any other thread.

A lock that such work takes must not be taken on the main thread outside of such work. Otherwise a
handler would wait for the code that it has interrupted.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from voicecoil.errors import ForkedError, OutOfMemoryError
from voicecoil.lifetime import exit_and_fork
from voicecoil.lifetime.thread import Thread

__all__ = ["NobodyWaits", "is_part_of_work", "uninterrupted"]

Result = TypeVar("Result")
Inner = TypeVar("Inner")
SLICE_S = 0.1  # waits are short, as a signal just before a wait is handled only when it ends


class NobodyWaits(BaseException):
    """Raised in work that is given up because the wait for it was interrupted.

    It is never raised on the main thread.
    """


_on_this_thread = threading.local()  # `work`: the _Work that runs on the thread


class _Work(Generic[Result]):
    """One call on a thread of its own. The threads synchronise by atomic operations of locks."""

    def __init__(self, call: Callable[[], Result], undo: Callable[[Result], object] | None) -> None:
        self._call = call
        self._undo = undo
        self._over = threading.Lock()  # held until the call has returned
        self._over.acquire()
        # acquired once by the thread that runs `undo`, and never released
        self._settled = threading.Lock()
        self._left = False
        # `_over` does not show this after the main thread has acquired it
        self._has_returned = False
        self._hurries: list[Callable[[], object]] = []
        self._error: BaseException | None = None
        self._result: Any = None
        self._thread: Thread | None = None
        self._generation = exit_and_fork.generation()

    def begin(self, name: str) -> bool:
        """Starts the thread. Returns False if the system cannot start a thread."""
        try:
            self._thread = Thread(self._run, f"voicecoil {name}")
            self._thread.start()
        except ForkedError:  # is a RuntimeError, too, but must not be ignored
            raise
        except (RuntimeError, MemoryError, OSError):
            return False
        return True

    def _run(self) -> None:
        if self._left:
            return  # the wait was interrupted before this began
        try:
            _on_this_thread.work = self
            self._result = self._call()
        except BaseException as error:
            self._error = error
        # `_has_returned` is set before `_left` is read, because `leave` sets `_left` before it
        # reads `_has_returned`.
        self._has_returned = True
        self._over.release()
        if self._left:
            _on_this_thread.work = None  # `undo` is not a part of the work that is given up
            self._settle()

    def wait(self) -> None:
        while not self._over.acquire(timeout=SLICE_S):
            if exit_and_fork.forked(self._generation):
                raise ForkedError("a signal handler forked the process; its thread is the parent's")
            # `_over` is checked again, because the thread may have released it before it ended.
            if self._thread is not None and self._thread.is_gone:
                if self._over.acquire(blocking=False):
                    break
                raise OutOfMemoryError(
                    f"the thread {self._thread.name!r} ended before its work was done, because "
                    "there is not enough memory. Close other sounds or programs, or raise the "
                    "limit (ulimit -v)"
                )
        if self._thread is not None:
            # the thread is about to end, and no call may leave a thread behind
            self._thread.join(SLICE_S)

    def take(self) -> Result:
        if self._error is None:
            return self._result  # type: ignore[no-any-return]
        try:
            raise self._error
        finally:
            # the traceback of the error refers to this object, which would be a reference cycle
            self._error = None

    def inside(
        self,
        call: Callable[[], Inner],
        hurry: Callable[[], object],
        undo: Callable[[Inner], object] | None,
    ) -> Inner:
        """Runs a part of the work that can be given up."""
        self._hurries.append(hurry)
        try:
            if self._left:
                raise NobodyWaits
            result = call()
        finally:
            self._hurries.remove(hurry)
        if self._left:
            if undo is not None:
                undo(result)
            raise NobodyWaits
        return result

    def leave(self) -> None:
        """Notes that the wait was interrupted, calls the `hurry` functions, and undoes the work."""
        self._left = True
        for hurry in self._hurries.copy():
            hurry()
        # if the call has not returned yet, the thread of the work undoes it later
        if self._undo is not None and self._has_returned:
            exit_and_fork.submit(self._settle)

    def _settle(self) -> None:
        if self._undo is None or self._error is not None or not self._settled.acquire(False):
            return
        try:
            self._undo(self._result)
        except Exception as error:
            exit_and_fork.report(error, self._undo)


def is_part_of_work() -> bool:
    """Whether the calling thread does uninterrupted work for another thread."""
    return getattr(_on_this_thread, "work", None) is not None


def uninterrupted(
    name: str,
    call: Callable[[], Result],
    *,
    hurry: Callable[[], object] | None = None,
    undo: Callable[[Result], object] | None = None,
) -> Result:
    """Runs `call` so that no signal handler runs inside it. Returns its result or raises its
    exception.

    On a thread other than the main one, and while the interpreter ends, `call` is called directly.
    If that thread is itself doing uninterrupted work and `hurry` is given, `call` becomes a part of
    that work. This part is given up if the wait for the whole work is interrupted.

    Parameters
    ----------
    name : str
        Name of the thread.
    call : callable
        The work.
    hurry : callable or None
        Called, without a lock held, when the wait is interrupted. `call` continues without a caller
        and may raise `NobodyWaits`.
    undo : callable or None
        Called with the result of `call` if the wait was interrupted, on a thread of its own.
    """
    if threading.get_ident() != threading.main_thread().ident or exit_and_fork.is_ending():
        around: _Work[Any] | None = getattr(_on_this_thread, "work", None)
        return call() if around is None or hurry is None else around.inside(call, hurry, undo)
    work = _Work(call, undo)
    try:
        began = work.begin(name)
        if began:
            work.wait()
    except BaseException:
        work.leave()
        if hurry is not None:
            hurry()
        raise
    return work.take() if began else call()
