"""Watches running streams: reports exceptions that the program does not ask for, checks rates."""

from __future__ import annotations

import os
import time
from collections import deque
from functools import partial
from typing import Protocol

from voicecoil import _core
from voicecoil.errors import NativeCallbackError
from voicecoil.lifetime import exit_and_fork, unseen_error
from voicecoil.lifetime.kept import take_kept
from voicecoil.lifetime.weak_registry import Alive
from voicecoil.streams.stream_device import StreamDevice

__all__ = ["Failure", "watch_for_failure"]

LOOK_S = 0.25  # the background thread polls, because the IO thread cannot notify a Python thread


class Failure:
    """The exception that a stream's callback raised, and whether the program has asked for it.

    Attributes
    ----------
    exception : BaseException or None
        The exception of the newest run. It is kept after it was raised to the program.
    ended_by : str
        The name of the exception's type; "" if there is no exception.
    reported : BaseException or None
        The exception that was reported because the program had not asked for it, or that `on_end`
        was called with.
    seen : BaseException or None
        The exception that the program has read from the stream or from an event.
    awaited : bool
        The stream is in a ``with`` block, whose end raises the exception.
    """

    def __init__(self) -> None:
        self.exception: BaseException | None = None
        self.ended_by = ""
        self.reported: BaseException | None = None
        self.seen: BaseException | None = None
        self.awaited = False
        self._unraised: deque[BaseException] = deque(maxlen=1)
        self._found_at: float | None = None
        self._asked_at = 0.0

    def begin(self, code: _core.Code | None) -> None:
        """Forgets the exception of the earlier run of `code`, because the stream starts anew.

        The exception is reported if the program was not told it. No later call raises it, because
        that call belongs to the new run.
        """
        unseen = self.take_unraised()
        if (
            code is not None
            and unseen is not None
            and unseen is not self.reported
            and unseen is not self.seen
        ):
            self.reported = unseen
            # The caller holds the connection's lock, and the report runs code of the program.
            exit_and_fork.tell(partial(exit_and_fork.report, unseen, code.callable))
        self.exception = self._found_at = None
        self.ended_by = ""

    def collect(self, code: _core.Code | None, engine: _core.Engine) -> None:
        """Keeps the callback's exception, to be raised once. Call with the connection's lock held.

        A native callback that has returned an error number gets an exception here.
        """
        raised = None
        if isinstance(code, (_core.NativeCode, _core.PythonCode)):
            raised = code.take_exception()
        failed = engine.reason == _core.REASON_ERROR and self.exception is None
        python = isinstance(code, _core.PythonCode)
        if raised is None and failed and not self._unraised and not python:
            number = engine.error
            raised = NativeCallbackError(f"the native callback returned {number}", code=number)
        if raised is not None:
            self._unraised.append(raised)
            self.exception = raised
        if (unraised := self.unraised) is not None:
            self.ended_by = type(unraised).__name__

    @property
    def unraised(self) -> BaseException | None:
        """The exception that waits to be raised by the next call that may raise it."""
        return next(iter(self._unraised.copy()), None)

    def take_unraised(self) -> BaseException | None:
        """Returns the exception that is to be raised, once."""
        return take_kept(self._unraised)

    def keep_unraised(self, error: BaseException) -> None:
        """Keeps `error` to be raised, unless another exception already waits to be raised."""
        if not self._unraised:
            self._unraised.append(error)

    def tell(self) -> None:
        """Notes that the program was told the exception, so that it is not reported as well."""
        self.reported = self.exception

    def ask(self) -> None:
        """Notes that the program now waits for the stream or reads the stream's exception."""
        self._asked_at = time.monotonic()

    def is_overdue(self) -> bool:
        """Whether the program has not asked for PATIENCE_S since the first call of this method."""
        now = time.monotonic()
        self._found_at = self._found_at or now
        return now - max(self._found_at, self._asked_at) >= unseen_error.PATIENCE_S


class Running(Protocol):
    """The part of a stream's connection that is used here."""

    closed: bool
    code: _core.Code | None
    engine: _core.Engine
    failure: Failure
    device: StreamDevice

    @property
    def running(self) -> bool: ...
    def find_exception(self) -> BaseException | None: ...
    def check_rate(self) -> None: ...
    def trouble(self) -> Exception | None: ...


_running: Alive[Running] = Alive()


def watch_for_failure(one: Running) -> None:
    """Watches `one` on the background thread from now on, until it has ended."""
    _running.add(one)
    exit_and_fork.tick(_look, LOOK_S)


def _look() -> bool:
    for one in _running.now():
        if not _goes_on(one):
            _running.discard(one)
    return bool(_running.now())


def _goes_on(one: Running) -> bool:
    """Reports a failure that the program did not ask for. Returns False to end the watch."""
    if one.closed or not one.running:
        return False  # `stop` or `close` has raised the exception
    if one.engine.state != _core.FINISHED:
        one.check_rate()
        one.trouble()  # otherwise a loss is noticed only when the program asks for the state
        one.device.check_silence()
        return True
    if one.engine.reason != _core.REASON_ERROR:
        return True
    if not one.failure.is_overdue() or one.failure.awaited:
        return True
    one.find_exception()
    code, unseen = one.code, one.failure.unraised
    if code is None or unseen is None:
        return True  # another thread is stopping the stream
    if unseen is one.failure.reported:
        return False  # `on_end` was called with it
    one.failure.reported = unseen
    exit_and_fork.report(unseen, code.callable)
    return False


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_running.clear)
