"""Callbacks in an isolated interpreter (``isolated=True``), which has its own GIL.

The keeper thread creates the interpreter, imports the callable there, waits, and ends the
interpreter. Until then the device's IO thread enters the isolated interpreter for each block and
does not use the main interpreter.
"""

from __future__ import annotations

import itertools
import marshal
import os
import queue
import sys
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any, Protocol

from voicecoil import _core, errors
from voicecoil.arguments import shown
from voicecoil.callbacks.mailbox import Record
from voicecoil.errors import (
    ArgumentError,
    ArgumentTypeError,
    IsolatedCallbackError,
    IsolatedImportError,
    PythonVersionError,
    StreamStateError,
    StreamTimeoutError,
)
from voicecoil.lifetime import exit_and_fork
from voicecoil.lifetime.flag import Flag
from voicecoil.lifetime.weak_registry import Alive

__all__ = ["Core", "IsolatedCode", "Keeper", "check_name", "told_here"]

OPEN_TIMEOUT_S = 60.0  # imports may take long
END_TIMEOUT_S = 5.0
BREAK_S = 0.05  # time between two interruptions of an import
EXIT_S = 2.0  # time that all interpreters together have to end when the program ends
OLDEST = (3, 12)
MANY = 100  # a process that has made this number of interpreters is warned
LEFT_MB = 2.5  # memory not freed with an interpreter on 3.13; CPython alone leaks 1.8 MB of it
_made = itertools.count(1)
_SYNTAX = ("SyntaxError", "IndentationError", "TabError")


def check_name(callback: Any) -> str:
    """Return the callable's name, "module:name", or raise an error that says what is wrong."""
    if sys.version_info < OLDEST:
        raise PythonVersionError(
            "isolated=True needs Python 3.12 or later, in which an interpreter can have a GIL of "
            f"its own; this is {sys.version.split()[0]}. A native callback (numba cfunc, ctypes, "
            "cffi) is not made late by Python either"
        )
    if not isinstance(callback, str):
        raise ArgumentTypeError(
            f"callback={shown(callback)}; with isolated=True give the callable's name, such as "
            '"mysynth:tone": it is imported in an interpreter of its own'
        )
    module, separator, name = callback.partition(":")
    parts = [*module.split("."), *name.split(".")]
    if not separator or not all(part.isidentifier() for part in parts):
        raise ArgumentError(
            f"callback={shown(callback)}; with isolated=True it is a module and a name in it, such "
            'as "mysynth:tone"'
        )
    if module == "__main__":
        raise ArgumentError(
            f"callback={shown(callback)}; the isolated interpreter has a __main__ of its own. Put "
            "the callable into a module that can be imported, and name that"
        )
    return callback


def _count_interpreter() -> None:
    """Warns once in a process that has made many interpreters.

    The memory of a program that opens an isolated stream for each sound grows without a limit, and
    no other message would tell the user why.
    """
    if next(_made) == MANY:
        warnings.warn(
            f"this process has made {MANY} isolated interpreters. CPython never gives back about "
            f"{LEFT_MB} MB of each, even when its stream is closed. "
            "Open an isolated stream once, and stop() and start() it, which keeps its "
            "interpreter",
            RuntimeWarning,
            stacklevel=2,
        )


class Core(Protocol):
    """Calls that a keeper needs to run an interpreter.

    Only the keeper's thread calls `make`, `interrupt` and `end`. Other threads call
    `break_import`.
    """

    def make(self, wanted: bytes) -> bytes: ...
    def interrupt(self) -> None: ...
    def end(self) -> None: ...
    def break_import(self) -> None: ...


class Keeper:
    """The thread that creates an interpreter, imports a callable there, waits, and ends it.

    Parameters
    ----------
    name : str
        "module:name", as returned by `check_name`.
    core : Core
        The object that owns the interpreter.
    stream : dict or None
        Description of the stream, from which `voicecoil.callbacks.isolated_bootstrap` makes the
        block. None for a gate.

    Attributes
    ----------
    name : str
    is_left : bool
        True if a thread is stuck in the interpreter. The interpreter then stays until the process
        ends, and an error that says so has been reported.

    Raises
    ------
    IsolatedImportError
        The module cannot be imported in an isolated interpreter.
    ArgumentError, ArgumentTypeError
        The module has no such name, or the object of that name cannot be called.
    StreamTimeoutError
        The import did not end within `OPEN_TIMEOUT_S`.
    StreamStateError
        The program is ending.
    DriverError
        The operating system cannot start another thread.
    """

    def __init__(self, name: str, core: Core, stream: dict[str, Any] | None) -> None:
        _count_interpreter()
        self.name = name
        self._core = core
        self._wanted = marshal.dumps(
            {
                "path": [entry for entry in sys.path if isinstance(entry, str)],
                "callable": name,
                "stream": stream,
            }
        )
        self._answer: Any = None
        self._messages: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._ready = Flag()
        # The keeper thread sets this flag last. `Thread.join` is not used instead, because a thread
        # whose join was interrupted by a signal counts as ended although it still runs.
        self._over = Flag()
        self._lock = threading.Lock()
        self._ending = False
        self._adopted = False
        self.is_left = False
        exit_and_fork.register(self)
        exit_and_fork.start_thread(self._keep, "voicecoil keeper")
        _keepers.add(self)
        try:
            if not self._ready.wait(OPEN_TIMEOUT_S):
                raise StreamTimeoutError(
                    f"{name!r} was not imported within {OPEN_TIMEOUT_S:g} s in the isolated "
                    "interpreter"
                )
            self._check_answer()
        except BaseException:
            self._ask_to_end()
            self.break_import()
            raise

    def _keep(self) -> None:
        try:
            self._answer = marshal.loads(self._core.make(self._wanted))
        except BaseException as error:
            self._answer = error
        self._ready.set()
        while (message := self._messages.get()) is not None:
            message()
        self._core.end()
        self._over.set()

    def _ask_to_end(self) -> None:
        self._ending = True
        self._messages.put(None)

    def break_import(self) -> None:
        """Interrupt the import if one is running. Returns at once.

        An import that still runs while Python finalizes the main interpreter crashes the process.
        """
        self._core.break_import()

    def _check_answer(self) -> None:
        answer = self._answer
        if answer is None:
            return
        if exit_and_fork.is_ending():
            raise StreamStateError(exit_and_fork.ENDING)  # the import was interrupted
        if isinstance(answer, BaseException):
            raise answer
        why, short, traceback = answer
        module, name = self.name.split(":")
        if why == "name":
            raise ArgumentError(f"callback={self.name!r}; {module} has no {name!r}: {short}")
        if why == "kind":
            raise ArgumentTypeError(f"callback={self.name!r} cannot be called; {short}")
        advice = ""
        if why == "missing":
            advice = ". sys.path is the same there as here"
        elif not short.splitlines()[-1].startswith(_SYNTAX):
            advice = (
                ". Extension modules have to support an interpreter with a GIL of its own; NumPy "
                "does not, nor what needs it: use memoryview, array, math and struct there, or "
                "open the stream without isolated=True"
            )
        raise IsolatedImportError(
            f"{module!r} cannot be imported in an isolated interpreter: {short}{advice}",
            traceback=traceback,
        )

    def adopt(self) -> None:
        """Make the caller responsible for ending the keeper, also when the program ends."""
        with self._lock:
            if self._ending:
                raise StreamStateError(exit_and_fork.ENDING)
            self._adopted = True

    def interrupt(self) -> None:
        """Ask the keeper thread to call `Core.interrupt`. Returns at once."""
        self._messages.put(self._core.interrupt)

    def end(self, timeout_s: float) -> None:
        """End the interpreter. Call only when no thread is inside it or can still enter it."""
        self._ask_to_end()
        if not self.is_over(timeout_s):
            raise self.late(timeout_s)

    def late(self, timeout_s: float) -> StreamTimeoutError:
        """Return the error for an interpreter that has not ended in time."""
        return StreamTimeoutError(
            f"the isolated interpreter of {self.name!r} did not end within {timeout_s:.3g} s"
        )

    def is_over(self, timeout_s: float = 0.0) -> bool:
        """Wait until the interpreter has ended. Returns False if it has not ended in time."""
        return self._over.wait(max(0.0, timeout_s))

    def close_at_exit(self, timeout_s: float) -> None:
        """End a keeper that was not adopted before the program ends. Called by `exit_and_fork`.

        This does not wait, because `_end_interpreters` waits for all keepers together.
        """
        with self._lock:
            if not self._adopted:
                self._ask_to_end()

    def leave(self) -> None:
        """Keep the interpreter until the process ends, because a thread is stuck in it."""
        self.is_left = True


def told_here(name: str, described: bytes) -> BaseException:
    """Convert a described exception of an isolated interpreter to a class of this interpreter."""
    module, kind, short, traceback = marshal.loads(described)
    if module == errors.__name__:  # raised by the bridge itself, not by the user's code
        error: BaseException = getattr(errors, kind)(short.partition(": ")[2])
        return error
    return IsolatedCallbackError(f"{name} raised {short}", traceback=traceback)


class IsolatedCode(_core.IsolatedCode):
    """The code of a stream whose callable is in an isolated interpreter.

    Creating it raises the errors of `Keeper`.

    Parameters
    ----------
    name : str
        "module:name", as returned by `check_name`.
    inputs, outputs : (int, int) or None
        Shape (frames, channels) of the block in each direction. None if the stream does not have
        that direction.
    samplerate : float
        Hz.
    zero_copy : bool
        True if the block's views refer to the device's memory.
    parameters, results : Record or None
        Values passed to the callback and values returned by it.
    sample_format : int
        The sample type of the block, a number of the C enum vc_format.
    """

    def __init__(
        self,
        name: str,
        inputs: tuple[int, int] | None,
        outputs: tuple[int, int] | None,
        samplerate: float,
        zero_copy: bool,
        parameters: Record | None,
        results: Record | None,
        sample_format: int = 0,
    ) -> None:
        super().__init__(name)
        # Keeps the mailboxes alive, because the isolated interpreter has only their addresses.
        self._records = parameters, results
        wanted = {
            "input": inputs,
            "output": outputs,
            "samplerate": float(samplerate),
            "zero_copy": bool(zero_copy),
            "format": sample_format,
            "parameters": parameters and parameters.for_another_interpreter(),
            "results": results and results.for_another_interpreter(),
        }
        self.keeper = Keeper(name, self, wanted)

    def take_exception(self) -> BaseException | None:
        """Return and clear the exception that the callable raised; None if there is none."""
        described = self.describe_exception()
        return None if described is None else told_here(self.callable, described)

    def break_off(self, timeout_s: float) -> bool:
        """Interrupt a callable that does not return. Returns True if it has returned in time.

        A callable that waits inside a C function cannot be interrupted.
        """
        self.keeper.interrupt()
        until = time.monotonic() + timeout_s
        while self.running_on and time.monotonic() < until:
            time.sleep(0.002)
        return not self.running_on

    def clear(self) -> None:
        """End the interpreter. Call only when no IO cycle runs or can still begin."""
        self.keeper.end(END_TIMEOUT_S)


_keepers: Alive[Keeper] = Alive()


@exit_and_fork.at_the_end
def _end_interpreters() -> None:
    """Wait for interpreters that are ending. Interpreters that do not end in time are left.

    Python aborts if it ends while another interpreter exists. A keeper that is still importing, or
    that another thread has just asked to end, only needs time.
    """
    began = time.monotonic()
    while waiting := [one for one in _keepers.now() if not one.is_left and not one.is_over()]:
        waited_s = time.monotonic() - began
        for keeper in waiting:
            if waited_s >= EXIT_S:
                keeper.leave()
                exit_and_fork.report(keeper.late(EXIT_S), keeper.name)
            elif waited_s >= EXIT_S / 2:
                keeper.break_import()  # repeated, because the module may catch SystemExit
        waiting[0].is_over(BREAK_S)
    if any(not keeper.is_over() for keeper in _keepers.now()):
        _core.forget_interpreters(EXIT_S)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_keepers.clear)
