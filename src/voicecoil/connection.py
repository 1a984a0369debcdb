"""What a stream holds of the outside: engine, code and device; and how that comes to an end."""

from __future__ import annotations

import contextlib
import threading
import time

from voicecoil import _core, control
from voicecoil.drivers.driver import DriverStream
from voicecoil.errors import (
    NativeCallbackError,
    StreamClosedError,
    StreamTimeoutError,
)
from voicecoil.isolated import IsolatedCode, abandon

__all__ = ["POLL_S", "STOP_TIMEOUT_S", "Connection"]

# Longer than any sane block: a callback that runs longer than this is stuck.
STOP_TIMEOUT_S = 5.0
POLL_S = 0.002


class Connection:
    """What a stream holds of the outside: engine, code and device.

    It knows nothing of the stream object, so it can outlive a stream that is dropped, and be closed
    by another thread.
    """

    def __init__(self, driver_stream: DriverStream, code: _core.Code, engine: _core.Engine) -> None:
        self.driver_stream = driver_stream
        self.code: _core.Code | None = code
        self.engine = engine
        self.lock = threading.RLock()
        self.started = False
        self.closed = False
        self.unraised: BaseException | None = None

    @property
    def stands_still(self) -> bool:
        """Whether the device's time passes only when a test moves it."""
        clock = self.driver_stream.clock
        return clock is not None and clock.stepped

    @property
    def in_callback(self) -> bool:
        """Whether the calling thread is the IO thread, in this stream's callback."""
        code = self.code
        return isinstance(code, _core.PythonCode) and code.running_on == threading.get_ident()

    def start(self) -> None:
        with self.lock:
            if self.closed:
                raise StreamClosedError("the stream was closed meanwhile")
            self.engine.start()
            self.started = True
            try:
                self.driver_stream.start(self.engine)
            except BaseException:
                # Also after Ctrl-C in the middle of it: what was started is stopped, or stays
                # marked as started, so that nothing that it uses is freed.
                with contextlib.suppress(StreamTimeoutError):
                    self.halt(STOP_TIMEOUT_S)
                raise

    def halt(self, timeout_s: float, for_good: bool = False) -> None:
        """No cycle runs or will run after this. Keeps what is to be raised."""
        with self.lock:
            if not self.started:
                return
            self._let_io_thread_leave()
            if for_good and isinstance(self.code, _core.PythonCode):
                self.code.shut()  # also when the device cannot be stopped
            self.driver_stream.stop(timeout_s)
            self.started = False
            if isinstance(self.code, _core.PythonCode):
                self.unraised = self.code.take_exception() or self.unraised
                if self.code.has_orphan:
                    _reap(self.code)
            if self.unraised is None and self.engine.reason == _core.REASON_ERROR:
                self.unraised = self._native_error()

    def _let_io_thread_leave(self) -> None:
        """Gives the IO thread the few cycles in which it drops its Python thread state."""
        if isinstance(self.code, _core.PythonCode) and self.code.has_orphan:
            self.engine.abort()
            until = time.monotonic() + 0.25
            while (
                self.code.has_orphan
                and self.driver_stream.trouble() is None
                and not self.stands_still
                and time.monotonic() < until
            ):
                time.sleep(POLL_S)

    def _native_error(self) -> BaseException | None:
        code = self.engine.error
        if isinstance(self.code, _core.PythonCode):
            return None
        return NativeCallbackError(f"the native callback returned {code}", code=code)

    def close(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        self.engine.abort()
        if not self.lock.acquire(timeout=timeout_s):
            raise StreamTimeoutError(
                f"another thread did not end the stream within {timeout_s:.3g} s"
            )
        try:
            if self.closed:
                return
            self.halt(timeout_s, for_good=True)
            self.closed = True
            self.driver_stream.close()
            if isinstance(self.code, _core.PythonCode):
                self.code.clear()
            self.code = None
        finally:
            self.lock.release()

    def close_unseen(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """Closes it where an error can be raised to nobody: it is shown instead."""
        code = self.code
        source = code.callable if code is not None else None
        try:
            self.close(timeout_s)
        except StreamTimeoutError as error:
            if isinstance(code, _core.PythonCode):
                code.shut()
            if isinstance(code, IsolatedCode) and self._broken_off(code, timeout_s):
                control.report(error, source)
                return
            # Nothing that a stuck callback uses may be freed, and nobody waits for its thread.
            _core.keep_for_ever(self)
            control.report(error, source)
            return
        unseen = self.take_unraised()
        if unseen is not None:
            control.report(unseen, source)

    def _broken_off(self, code: IsolatedCode, timeout_s: float) -> bool:
        """An isolated interpreter must not be left: Python would end it at exit, and abort."""
        try:
            if code.break_off(timeout_s):
                self.close(timeout_s)
                self.take_unraised()  # the interruption
                return True
        except StreamTimeoutError:
            pass
        abandon()
        return False

    def close_at_exit(self, timeout_s: float) -> None:
        """For `control`: the interpreter is about to end."""
        self.close_unseen(timeout_s)

    def take_unraised(self) -> BaseException | None:
        with self.lock:
            error, self.unraised = self.unraised, None
            return error


def _reap(code: _core.PythonCode) -> None:
    """Drops a thread state whose thread is gone, on a thread made for that (see bridge.h)."""
    thread = threading.Thread(target=code.reap, name="voicecoil reaper", daemon=True)
    try:
        thread.start()
    except RuntimeError:
        return  # the interpreter is ending and deletes what is left itself
    thread.join(1.0)
