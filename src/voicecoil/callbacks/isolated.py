"""The home ``isolated=True``: a callable in an interpreter with a GIL of its own.

One thread, the keeper, makes the interpreter, imports the callable there, waits, and ends it. In
between the device's IO thread enters that interpreter for each block; this one is not needed.
"""

from __future__ import annotations

import marshal
import sys
import threading
import time
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

__all__ = ["Core", "IsolatedCode", "Keeper", "abandon", "check_name", "told_here"]

OPEN_TIMEOUT_S = 60.0  # imports may be long
END_TIMEOUT_S = 5.0
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
    """What a keeper keeps: the three calls that belong to its thread."""

    def make(self, wanted: bytes) -> bytes: ...
    def interrupt(self) -> None: ...
    def end(self) -> None: ...


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
    """

    def __init__(self, name: str, core: Core, stream: dict[str, Any] | None) -> None:
        self._name = name
        self._core = core
        self._wanted = marshal.dumps(
            {
                "path": [entry for entry in sys.path if isinstance(entry, str)],
                "callable": name,
                "stream": stream,
            }
        )
        self._answer: Any = None
        self._ready = threading.Event()
        self._wake = threading.Event()
        self._interrupt = False
        self._lock = threading.Lock()
        self._adopted = False
        self._thread = threading.Thread(target=self._keep, name="voicecoil keeper", daemon=True)
        exit_and_fork.register(self)
        try:
            self._thread.start()
        except RuntimeError as error:
            raise StreamStateError("the interpreter is ending; open streams before that") from error
        try:
            if not self._ready.wait(OPEN_TIMEOUT_S):
                raise StreamTimeoutError(
                    f"{name!r} was not imported within {OPEN_TIMEOUT_S:g} s in the isolated "
                    "interpreter"
                )
            self._check_answer()
        except BaseException:
            self._wake.set()
            raise

    def _keep(self) -> None:
        try:
            self._answer = marshal.loads(self._core.make(self._wanted))
        except BaseException as error:
            self._answer = error
        self._ready.set()
        while True:
            self._wake.wait()
            self._wake.clear()
            if not self._interrupt:
                break
            self._interrupt = False
            self._core.interrupt()
        self._core.end()

    def _check_answer(self) -> None:
        answer = self._answer
        if answer is None:
            return
        if isinstance(answer, BaseException):
            raise answer
        why, short, traceback = answer
        module, name = self._name.split(":")
        if why == "name":
            raise ArgumentError(f"callback={self._name!r}; {module} has no {name!r}: {short}")
        if why == "kind":
            raise ArgumentTypeError(f"callback={self._name!r} cannot be called; {short}")
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
        """From here on somebody else ends it, also at exit."""
        with self._lock:
            if self._wake.is_set() or not self._thread.is_alive():
                raise StreamStateError("the interpreter is ending; open streams before that")
            self._adopted = True

    def interrupt(self) -> None:
        """Asks for `Core.interrupt`; returns at once."""
        self._interrupt = True
        self._wake.set()

    def end(self, timeout_s: float) -> None:
        """Ends the interpreter, when nobody is inside or will enter."""
        self._wake.set()
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            raise StreamTimeoutError(
                f"the isolated interpreter of {self._name!r} did not end within {timeout_s:.3g} s"
            )

    def close_at_exit(self, timeout_s: float) -> None:
        """For `exit_and_fork`: the program ends before somebody has adopted it."""
        with self._lock:
            if self._adopted:
                return
            self._wake.set()
        try:
            self.end(timeout_s)
        except StreamTimeoutError:
            abandon()  # Python would end an interpreter that is in use, and crash
            raise


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


_abandoned = False


def abandon() -> None:
    """Leaves an interpreter to the end of the process: a thread is stuck in there."""
    global _abandoned
    _abandoned = True


@exit_and_fork.at_the_end
def _forget_abandoned() -> None:
    """Python would abort at the attempt to end an interpreter in which a thread is stuck."""
    if _abandoned:
        _core.forget_interpreters()
