"""The home ``isolated=True``: a callable in an interpreter with a GIL of its own.

One thread, the keeper, makes the interpreter, imports the callable there, waits, and ends it. In
between the device's IO thread enters that interpreter for each block; this one is not needed.
"""

from __future__ import annotations

import marshal
import os
import queue
import sys
import threading
import time
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
from voicecoil.lifetime.weak_registry import Alive

__all__ = ["Core", "IsolatedCode", "Keeper", "check_name", "told_here"]

OPEN_TIMEOUT_S = 60.0  # imports may be long
END_TIMEOUT_S = 5.0
BREAK_S = 0.05  # between two interruptions of an import
EXIT_S = 2.0  # for all interpreters together that only need time, when the program ends
OLDEST = (3, 12)
_SYNTAX = ("SyntaxError", "IndentationError", "TabError")


def check_name(callback: Any) -> str:
    """The callable's name, "module:name", or what is wrong with it."""
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
            f"callback={callback!r}; with isolated=True it is a module and a name in it, such as "
            '"mysynth:tone"'
        )
    if module == "__main__":
        raise ArgumentError(
            f"callback={callback!r}; the isolated interpreter has a __main__ of its own. Put the "
            "callable into a module that can be imported, and name that"
        )
    return callback


class Core(Protocol):
    """What a keeper keeps. The first three calls belong to its thread, the last to all others."""

    def make(self, wanted: bytes) -> bytes: ...
    def interrupt(self) -> None: ...
    def end(self) -> None: ...
    def break_import(self) -> None: ...


class Keeper:
    """The thread that makes an interpreter, imports a callable there, waits, and ends it.

    Parameters
    ----------
    name : str
        As `check_name` gave it.
    core : Core
        Whose interpreter it is.
    stream : dict or None
        What `voicecoil.callbacks.isolated_bootstrap` makes a stream's block of.

    Attributes
    ----------
    name : str
    is_left : bool
        The interpreter is left to the end of the process, because a thread is stuck in there. That
        has been reported.

    Raises
    ------
    IsolatedImportError
        The module cannot be imported there.
    ArgumentError, ArgumentTypeError
        It has no such name, or that cannot be called.
    StreamTimeoutError
        The import did not end.
    StreamStateError
        The program is ending.
    DriverError
        The system gives no thread.
    """

    def __init__(self, name: str, core: Core, stream: dict[str, Any] | None) -> None:
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
        self._ready = threading.Event()
        # Set by the thread, last. `Thread.join` that a signal interrupts takes it for ended.
        self._over = threading.Event()
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
        """Interrupts the import, if there is one; returns at once.

        An import that goes on while Python takes the main interpreter apart crashes the process.
        """
        self._core.break_import()

    def _check_answer(self) -> None:
        answer = self._answer
        if answer is None:
            return
        if exit_and_fork.is_ending():
            raise StreamStateError(exit_and_fork.ENDING)  # the import was broken off
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
        """From here on the caller ends it, also at exit."""
        with self._lock:
            if self._ending:
                raise StreamStateError(exit_and_fork.ENDING)
            self._adopted = True

    def interrupt(self) -> None:
        """Asks for `Core.interrupt`; returns at once."""
        self._messages.put(self._core.interrupt)

    def end(self, timeout_s: float) -> None:
        """Ends the interpreter, when no thread is inside or will enter."""
        self._ask_to_end()
        if not self.is_over(timeout_s):
            raise self.late(timeout_s)

    def late(self, timeout_s: float) -> StreamTimeoutError:
        """What to raise or report when the interpreter has not ended in time."""
        return StreamTimeoutError(
            f"the isolated interpreter of {self.name!r} did not end within {timeout_s:.3g} s"
        )

    def is_over(self, timeout_s: float = 0.0) -> bool:
        """Waits until the interpreter has ended. False: it has not."""
        return self._over.wait(max(0.0, timeout_s))

    def close_at_exit(self, timeout_s: float) -> None:
        """For `exit_and_fork`: the program ends before the keeper was adopted.

        Does not wait: `_end_interpreters` does, for all keepers together.
        """
        with self._lock:
            if not self._adopted:
                self._ask_to_end()

    def leave(self) -> None:
        """Leaves the interpreter to the end of the process: a thread is stuck in there."""
        self.is_left = True


def told_here(name: str, described: bytes) -> BaseException:
    """An exception of an isolated interpreter in this interpreter's own classes."""
    module, kind, short, traceback = marshal.loads(described)
    if module == errors.__name__:  # what the bridge itself found
        error: BaseException = getattr(errors, kind)(short.partition(": ")[2])
        return error
    return IsolatedCallbackError(f"{name} raised {short}", traceback=traceback)


class IsolatedCode(_core.IsolatedCode):
    """A callable in an interpreter of its own, as a stream's code. Raises as `Keeper` does.

    Parameters
    ----------
    name : str
        As `check_name` gave it.
    inputs, outputs : (int, int) or None
        Shape (frames, channels) of each direction's block.
    samplerate : float
        Hz.
    zero_copy : bool
        Whether the views are pointed to the device's memory.
    parameters, results : Record or None
        What goes in and what comes out.
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
    ) -> None:
        super().__init__(name)
        self._records = parameters, results  # the interpreter has their mailboxes' addresses
        wanted = {
            "input": inputs,
            "output": outputs,
            "samplerate": float(samplerate),
            "zero_copy": bool(zero_copy),
            "parameters": parameters and parameters.for_another_interpreter(),
            "results": results and results.for_another_interpreter(),
        }
        self.keeper = Keeper(name, self, wanted)

    def take_exception(self) -> BaseException | None:
        """What the callable raised, once."""
        described = self.describe_exception()
        return None if described is None else told_here(self.callable, described)

    def break_off(self, timeout_s: float) -> bool:
        """Interrupts a callable that does not return; whether that helped.

        It does not where the callable waits inside of a C function.
        """
        self.keeper.interrupt()
        until = time.monotonic() + timeout_s
        while self.running_on and time.monotonic() < until:
            time.sleep(0.002)
        return not self.running_on

    def clear(self) -> None:
        """Ends the interpreter, when no cycle runs or will run."""
        self.keeper.end(END_TIMEOUT_S)


_keepers: Alive[Keeper] = Alive()


@exit_and_fork.at_the_end
def _end_interpreters() -> None:
    """Waits for interpreters that are about to end, and leaves the others.

    Python aborts if it ends while an interpreter is left. A keeper that is still importing, or that
    another thread has just told to end, only needs time.
    """
    began = time.monotonic()
    while waiting := [one for one in _keepers.now() if not one.is_left and not one.is_over()]:
        waited_s = time.monotonic() - began
        for keeper in waiting:
            if waited_s >= EXIT_S:
                keeper.leave()
                exit_and_fork.report(keeper.late(EXIT_S), keeper.name)
            elif waited_s >= EXIT_S / 2:
                keeper.break_import()  # again and again: its module may catch SystemExit
        waiting[0].is_over(BREAK_S)
    if any(not keeper.is_over() for keeper in _keepers.now()):
        _core.forget_interpreters(EXIT_S)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_keepers.clear)
