"""The home ``isolated=True``: a callable in an interpreter with a GIL of its own.

One thread, the keeper, makes the interpreter, imports the callable there, waits, and ends it. In
between the device's IO thread enters that interpreter for each block; this one is not needed.
"""

from __future__ import annotations

import marshal
import sys
import threading
import time
from typing import Any

from voicecoil import _core, control, errors
from voicecoil.arguments import shown
from voicecoil.errors import (
    ArgumentError,
    ArgumentTypeError,
    IsolatedCallbackError,
    IsolatedImportError,
    PythonVersionError,
    StreamStateError,
    StreamTimeoutError,
)
from voicecoil.values import Record

__all__ = ["IsolatedCode", "check_name"]

OPEN_TIMEOUT_S = 60.0  # imports may be long
END_TIMEOUT_S = 5.0
OLDEST = (3, 12)


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


class IsolatedCode(_core.IsolatedCode):
    """A callable in an interpreter of its own, as a stream's code.

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
        self._keep_alive = parameters, results  # the interpreter has their mailboxes' addresses
        self._wanted = marshal.dumps(
            {
                "path": [entry for entry in sys.path if isinstance(entry, str)],
                "callable": name,
                "input": inputs,
                "output": outputs,
                "samplerate": float(samplerate),
                "zero_copy": bool(zero_copy),
                "parameters": parameters and parameters.for_another_interpreter(),
                "results": results and results.for_another_interpreter(),
            }
        )
        self._answer: Any = None
        self._ready = threading.Event()
        self._end = threading.Event()
        self._lock = threading.Lock()
        self._has_stream = False
        self._interrupt = False
        self._keeper = threading.Thread(target=self._keep, name="voicecoil keeper", daemon=True)
        control.register(self)
        try:
            self._keeper.start()
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
            self._end.set()
            raise

    # ---- the keeper's thread ----

    def _keep(self) -> None:
        try:
            self._answer = marshal.loads(self.make(self._wanted))
        except BaseException as error:
            self._answer = error
        self._ready.set()
        while True:
            self._end.wait()
            self._end.clear()
            if not self._interrupt:
                break
            self._interrupt = False
            self.interrupt()
        self.end()

    def _check_answer(self) -> None:
        answer = self._answer
        if answer is None:
            return
        if isinstance(answer, BaseException):
            raise answer
        why, short, traceback = answer
        module, name = self.callable.split(":")
        if why == "name":
            raise ArgumentError(f"callback={self.callable!r}; {module} has no {name!r}: {short}")
        if why == "kind":
            raise ArgumentTypeError(f"callback={self.callable!r} cannot be called; {short}")
        advice = (
            "sys.path is the same there as here"
            if why == "missing"
            else "Extension modules have to support an interpreter with a GIL of its own; NumPy "
            "does not, nor what needs it: use memoryview, array, math and struct there, or open "
            "the stream without isolated=True"
        )
        raise IsolatedImportError(
            f"{module!r} cannot be imported in an isolated interpreter: {short}. {advice}",
            traceback=traceback,
        )

    # ---- for the stream ----

    def adopt(self) -> None:
        """From here on a stream's connection ends it."""
        with self._lock:
            if self._end.is_set() or not self._keeper.is_alive():
                raise StreamStateError("the interpreter is ending; open streams before that")
            self._has_stream = True

    def take_exception(self) -> BaseException | None:
        """What the callable raised, once, told in this interpreter's own exceptions."""
        described = self.describe_exception()
        if described is None:
            return None
        module, kind, short, traceback = marshal.loads(described)
        if module == errors.__name__:  # what the bridge itself found
            error: BaseException = getattr(errors, kind)(short.partition(": ")[2])
            return error
        return IsolatedCallbackError(f"{self.callable} raised {short}", traceback=traceback)

    def break_off(self, timeout_s: float) -> bool:
        """Interrupts a callable that does not return; whether that helped.

        It does not where the callable waits inside of a C function.
        """
        self._interrupt = True
        self._end.set()
        until = time.monotonic() + timeout_s
        while self.running_on and time.monotonic() < until:
            time.sleep(0.002)
        return not self.running_on

    def abandon(self) -> None:
        """Leaves it to the end of the process: a callable is stuck in there."""
        global _abandoned
        _abandoned = True

    def clear(self) -> None:
        """Ends the interpreter, when no cycle runs or will run."""
        self._end_within(END_TIMEOUT_S)

    def close_at_exit(self, timeout_s: float) -> None:
        """For `control`: the program ends while the stream is being opened."""
        with self._lock:
            if not self._has_stream:
                self._end.set()
        if not self._has_stream:
            self._end_within(timeout_s)

    def _end_within(self, timeout_s: float) -> None:
        self._end.set()
        self._keeper.join(timeout_s)
        if self._keeper.is_alive():
            raise StreamTimeoutError(
                f"the isolated interpreter of {self.callable!r} did not end within "
                f"{timeout_s:.3g} s"
            )


_abandoned = False


@control.at_the_end
def _forget_abandoned() -> None:
    """Python would abort at the attempt to end an interpreter in which a thread is stuck."""
    if _abandoned:
        _core.forget_interpreters()
