"""The control plane of the gates of ``voicecoil_bridge.h``: closes gates, reads their exceptions.

A gate lets the threads of another extension call a Python callable.
"""

from __future__ import annotations

import threading

from voicecoil import _core
from voicecoil.arguments import check_timeout
from voicecoil.callbacks.isolated import END_TIMEOUT_S, Keeper, check_name, told_here
from voicecoil.errors import StreamStateError, StreamTimeoutError
from voicecoil.lifetime import exit_and_fork

__all__ = ["Gate"]

LONGEST_S = min(threading.TIMEOUT_MAX, 1e9)


class Gate(_core.Gate):
    """The control plane's handle of a gate.

    Parameters
    ----------
    address : int
        The ``voicecoil_gate *``.
    name : str or None
        "module:name" of a callable that runs in an isolated interpreter. None if the gate has a
        callable of this interpreter.
    """

    def __init__(self, address: int, name: str | None) -> None:
        super().__init__(address)
        self._generation = exit_and_fork.generation()
        self._name = name or "the callable"
        self._closing = threading.Lock()
        self._ended = False
        self._keeper = Keeper(check_name(name), self, None) if name is not None else None
        try:
            exit_and_fork.register(self)
            if self._keeper is not None:
                self._keeper.adopt()
        except BaseException:
            if self._keeper is not None:
                self._keeper.end(END_TIMEOUT_S)
            raise

    def close(self, timeout_s: float) -> None:
        """Close the gate. After this, no call is running and no call can begin.

        Raises
        ------
        StreamTimeoutError
            A call did not return, or another thread did not close the gate, within `timeout_s`.
        StreamStateError
            The caller is itself inside a call through this gate.
        ArgumentError, ArgumentTypeError
            `timeout_s` is negative or not a number.
        """
        timeout_s = min(check_timeout(timeout_s, "timeout_s") or 0.0, LONGEST_S)
        if exit_and_fork.forked(self._generation):
            return
        # Without this, a callable that closes its gate while another thread closes it would wait
        # for the other thread, which waits for the callable.
        if self.is_inside:
            raise StreamStateError(f"{self._name} cannot close the gate through which it is called")
        if not self._closing.acquire(timeout=timeout_s):
            raise StreamTimeoutError(
                f"another thread did not close the gate of {self._name} within {timeout_s:.3g} s"
            )
        try:
            self._close(timeout_s)
        finally:
            self._closing.release()

    def _close(self, timeout_s: float) -> None:
        if self._ended:
            return
        inside = self.shut(timeout_s)
        if inside:
            raise StreamTimeoutError(
                f"{inside} thread{'s' * (inside > 1)} did not return from {self._name} within "
                f"{timeout_s:.3g} s"
            )
        self._kept = self.take_exception()
        self._ended = True
        if self._keeper is not None:
            self._keeper.end(END_TIMEOUT_S)
        self.clear()

    _kept: BaseException | None = None

    def take_exception(self) -> BaseException | None:
        """Return and clear the first exception since the last call; None if there is none.

        An exception of an isolated interpreter is converted to a class of this interpreter.
        """
        kept, self._kept = self._kept, None
        if kept is not None or self._ended or exit_and_fork.forked(self._generation):
            return kept
        taken = self.take()
        return told_here(self._name, taken) if isinstance(taken, bytes) else taken

    def close_at_exit(self, timeout_s: float) -> None:
        """Close the gate when the program ends.

        Reports an exception that was never taken, and calls that do not return.
        """
        if exit_and_fork is None:
            return  # Python has cleared this module, and the exit handlers have already run
        try:
            self.close(timeout_s)
        except (StreamTimeoutError, StreamStateError) as error:
            # A call through the gate is running, perhaps on this thread. This object is kept alive,
            # because the exit handlers try again to close the gate.
            if self._keeper is not None:
                self._keeper.leave()
            _core.keep_for_ever(self)
            exit_and_fork.report(error, self._name)
            return
        unseen = self.take_exception()
        if unseen is not None:
            exit_and_fork.report(unseen, self._name)
