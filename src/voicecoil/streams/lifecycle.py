"""The connection of a stream: its engine, code and device, and how they are started and ended."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Literal

from voicecoil import _core
from voicecoil.callbacks.isolated import IsolatedCode
from voicecoil.callbacks.thread_state import reap_thread_state
from voicecoil.drivers.protocol import Driver, DriverStream
from voicecoil.errors import (
    DeviceLostError,
    DriverError,
    StreamClosedError,
    StreamStateError,
    StreamTimeoutError,
)
from voicecoil.events import Event
from voicecoil.lifetime import exit_and_fork
from voicecoil.lifetime.kept import take_kept
from voicecoil.lifetime.uninterrupted import uninterrupted
from voicecoil.streams.device_change import find_device, leave_device, start_device, stop_soon
from voicecoil.streams.failure_watch import Failure, watch_for_failure
from voicecoil.streams.lead import LeadWorker
from voicecoil.streams.on_end import EndListener
from voicecoil.streams.played import Playing, note_playing
from voicecoil.streams.recovery import Recovery, watch
from voicecoil.streams.stream_device import CurrentDevice, StreamDevice

__all__ = ["HALT_S", "POLL_S", "STOP_TIMEOUT_S", "StreamConnection", "State"]

State = Literal["idle", "running", "waiting", "draining", "finished", "closed"]
_STATES: tuple[State, ...] = ("idle", "running", "draining", "finished")

# A callback that runs longer than this counts as stuck. No usable block is that long.
STOP_TIMEOUT_S = 5.0
HALT_S = 2.0  # the part of STOP_TIMEOUT_S that is kept for stopping the device
POLL_S = 0.002
AT_LEAST_S = 0.05  # time for stopping the device, even if the callback has used up all the time


class StreamConnection:
    """The engine, code and device of a stream.

    A connection holds no reference to the stream object. It can therefore outlive a stream that was
    garbage collected, and another thread can close it.

    Parameters
    ----------
    driver : Driver
    current : CurrentDevice
    code : Code
    engine : Engine
    recovery : Recovery or None
        None: a lost device ends the stream.
    worker : LeadWorker or None
        The worker that runs the code ahead of the device. None: the IO thread runs the code.
    """

    def __init__(
        self,
        driver: Driver,
        current: CurrentDevice,
        code: _core.Code,
        engine: _core.Engine,
        recovery: Recovery | None = None,
        worker: LeadWorker | None = None,
    ) -> None:
        self.device = StreamDevice(driver, current, engine)
        self.code: _core.Code | None = code
        self.playing: Playing | None = None  # keeps the entry in `played` as long as the connection
        self.engine = engine
        # The lock guards the fields below. A thread holds it from the check of a field until the
        # change. The lock is not reentrant. The main thread's calls take it only in `uninterrupted`
        # work, because a signal handler on the main thread could wait for it for ever.
        self.lock = threading.Lock()
        # "away": started, but without a device. The phase is a single field, so that a thread that
        # reads it without the lock never sees a mixture of two phases.
        self.phase: Literal["idle", "started", "away"] = "idle"
        self.run = 0  # number of the newest start; a request to end a run names that run
        self.closed = False
        self.failure = Failure()
        self.told_stuck = False  # True: the program got an error that the callback is stuck
        self.listener = EndListener()
        self._recovery = recovery
        self.worker = worker
        self._overdue_run = 0  # the run that did not end in time
        # Signal handlers and callbacks change the next three, by single operations without a lock.
        self._ending: set[int] = set()  # the runs that were asked to end
        self._lost: dict[int, object] = {}  # the runs whose device was lost
        self._untold: deque[Exception] = deque(maxlen=1)  # the failure, until it is raised
        self.loss: Exception | None = None

    @property
    def driver_stream(self) -> DriverStream | None:
        """The driver's stream on the device. None: the stream is on no device."""
        return self.device.driver_stream

    @property
    def running(self) -> bool:
        """Whether the code is called now, or will be called once there is a device."""
        return self.phase != "idle"

    @property
    def started(self) -> bool:
        """Whether the stream was started on a device."""
        return self.phase == "started"

    @property
    def away(self) -> bool:
        """Whether the stream was started and waits for a device."""
        return self.phase == "away"

    @property
    def in_callback(self) -> bool:
        """Whether the calling thread is in this stream's callback."""
        code = self.code
        return isinstance(code, _core.PythonCode) and code.running_on == threading.get_ident()

    @property
    def in_python(self) -> bool:
        """Whether any thread is in this stream's callback. False for a native callback."""
        return isinstance(self.code, _core.PythonCode) and bool(self.code.running_on)

    @property
    def ending(self) -> bool:
        """Whether the current run was asked to end."""
        return self.run in self._ending

    def ask_to_end(self, drain: bool, run: int | None = None, fade_frames: int = 0) -> None:
        """Asks a run to end, and returns at once. It has no effect on a later run.

        With `drain`, the frames that the callback has made are still played, or the fade.
        """
        run = self.run if run is None else run
        self._ending.add(run)
        if not drain:
            self.engine.abort(run)
            if self.worker is not None:
                self.worker.quit(run)
        elif fade_frames:
            self.engine.fade_out(fade_frames, run)
        elif self.worker is not None:
            self.worker.stop(run)
        else:
            self.engine.stop(run)

    def state(self) -> State:
        """The state of the stream, as far as it is known. Never waits. Any thread may call it."""
        if self.closed:
            return "closed"
        phase, state = self.phase, self.engine.state
        if phase == "away":
            return "waiting"
        goes_on = state in (_core.RUNNING, _core.DRAINING)
        if goes_on and self.trouble() is not None:
            return "finished"
        if phase == "idle" and goes_on:
            return "idle"
        if self._overdue_run == self.run and (goes_on or not self._has_returned):
            return "draining"
        return _STATES[state]

    @property
    def _has_returned(self) -> bool:
        return self.worker is None or self.worker.ended

    def is_over(self, run: int) -> bool:
        """Whether that run is over: no callback of it runs or will run."""
        if run != self.run or not self.running:
            return True
        overdue = self._overdue_run == run and not self._has_returned
        return self.engine.state == _core.FINISHED and not overdue

    @property
    def is_busy(self) -> bool:
        """Whether another thread is starting or stopping the stream, which may take long."""
        return self.lock.locked()

    @contextlib.contextmanager
    def _locked(self, timeout_s: float) -> Iterator[None]:
        if not self.lock.acquire(timeout=timeout_s):
            raise StreamTimeoutError(
                f"timed out after {timeout_s:.3g} s, because another thread is still starting or "
                "ending this stream; either the callback does not return or the device does not "
                "answer"
            )
        try:
            yield
        finally:
            self.lock.release()

    def start(self) -> int:
        """Begins a run and returns the number of the run.

        Raises
        ------
        StreamStateError
            The stream is running.
        """
        with self._locked(STOP_TIMEOUT_S):
            if self.closed:
                raise StreamClosedError("the stream was closed meanwhile")
            if self.state() in ("running", "waiting", "draining"):
                raise StreamStateError("the stream is already running; stop() it first")
            if self.running or (self.worker is not None and self.worker.running):
                self._halt(STOP_TIMEOUT_S)  # the previous run ended without a call of `stop`
            self.listener.note(self, self.run)  # before `_begin` forgets why that run ended
            self._begin(self.run + 1)
            if self.driver_stream is not None:
                self._start(self.driver_stream)
            try:
                if self._recovery is not None:
                    watch(self)
                watch_for_failure(self)
                self.listener.begin(self)
            except BaseException:
                # The device runs already, and the caller has no reason to stop it.
                with contextlib.suppress(StreamTimeoutError):
                    self._halt(STOP_TIMEOUT_S)
                raise
            return self.run

    def _begin(self, run: int) -> None:
        """Begins the run in the engine and the worker. Call with the lock held.

        `self.run` is set last, so a thread that asks for the end of that run finds it begun.
        """
        self._ending.clear()
        self._lost.clear()
        self._untold.clear()
        self.loss = None
        self.device.expect_rate()
        note_playing(self.playing)
        self.failure.begin(self.code)
        self.phase = "away" if self.driver_stream is None else "started"
        try:
            self.engine.start(run)
            if self.worker is not None:
                self.worker.start(run)
        except BaseException:
            self.phase = "idle"
            raise
        self.run = run

    def _start(self, driver_stream: DriverStream) -> None:
        try:
            start_device(self, driver_stream)
        except BaseException as error:
            # The parts that were started are stopped. If that fails, the phase stays "started", so
            # that no memory that the parts use is freed.
            with contextlib.suppress(StreamTimeoutError):
                self._halt(STOP_TIMEOUT_S)
            lost = isinstance(error, (DeviceLostError, DriverError))
            driver_stream.look()
            if self._recovery is None or not lost or self.device.trouble() is None:
                raise
            ending = self.ending
            self.device.tell_loss(driver_stream, error)
            self.device.leave(driver_stream)
            self._begin(self.run)  # clears the request to end that `_halt` made
            if ending:
                self.ask_to_end(drain=False)
            driver_stream.close()

    def halt(self, timeout_s: float, run: int | None = None) -> None:
        """Stops the device. When this returns, no IO cycle of that run comes any more.

        `run` None means any run. An exception of the callback is kept to be raised later.

        Raises
        ------
        StreamTimeoutError
            The callback did not return in time. It is not called again after it has returned.
        """
        until = time.monotonic() + timeout_s
        with self._locked(timeout_s):
            if run is None or run == self.run:
                self._halt(max(AT_LEAST_S, until - time.monotonic()))

    def _halt(self, timeout_s: float, for_good: bool = False) -> None:
        """Like `halt`. Call with the lock held. With `for_good` the code cannot be called again."""
        until = time.monotonic() + timeout_s
        if self.away:
            self.phase = "idle"
        returned = self.worker is None or self.worker.join(timeout_s)
        driver_stream = self.driver_stream
        runs = self.started and driver_stream is not None
        if runs and self.worker is None:
            self._let_io_thread_leave()
        if for_good and isinstance(self.code, _core.PythonCode):
            self.code.shut()  # also when the device cannot be stopped
        try:
            if runs and driver_stream is not None:
                driver_stream.stop(max(AT_LEAST_S, until - time.monotonic()))
        except StreamTimeoutError:
            # The IO cycles continue, and the run ends as soon as its callback has returned.
            self._overdue_run = self.run
            self.engine.stop(self.run)
            raise
        if not returned:
            # No IO cycle would notice that the run ends, because the device is stopped.
            self._overdue_run = self.run
            self.engine.end()
            raise StreamTimeoutError(f"the callback did not return within {timeout_s:.3g} s")
        if runs or self.worker is not None:
            self.device_stopped()

    def device_stopped(self, phase: Literal["idle", "away"] = "idle") -> None:
        """Notes that no IO cycle comes any more. Call with the lock held."""
        self.phase = phase
        self.failure.collect(self.code, self.engine)
        code = self.code
        over = self.worker is None or not self.worker.running
        if over and isinstance(code, _core.PythonCode) and code.has_orphan:
            reap_thread_state(code)

    def find_exception(self) -> BaseException | None:
        """The exception that the callback raised in this run, if it is known without waiting."""
        if self.engine.reason == _core.REASON_ERROR and self.failure.exception is None:
            uninterrupted("look", self._collect_if_free)
        return self.failure.exception

    def _collect_if_free(self) -> None:
        if self.lock.acquire(blocking=False):
            try:
                self.failure.collect(self.code, self.engine)
            finally:
                self.lock.release()

    def wait_finished(self, timeout_s: float) -> None:
        """Waits, at most `timeout_s`, for the engine to finish.

        If the engine has finished but the callback has not returned yet, waits a short time.
        """
        if self.engine.state != _core.FINISHED:
            self.engine.wait_finished(timeout_s)
        else:
            time.sleep(min(POLL_S, timeout_s))

    def _let_io_thread_leave(self) -> None:
        """Gives the IO thread the few IO cycles that it needs to drop its Python thread state."""
        if isinstance(self.code, _core.PythonCode) and self.code.has_orphan:
            self.engine.abort()
            until = time.monotonic() + 0.25
            while (
                self.code.has_orphan
                and self.device.trouble() is None
                and not self.device.stands_still
                and time.monotonic() < until
            ):
                time.sleep(POLL_S)

    def close(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        self.ask_to_end(drain=False)
        with self._locked(timeout_s):
            if self.closed:
                return
            self._halt(timeout_s, for_good=True)
            self.closed = True
            if self.driver_stream is not None:
                self.driver_stream.close()
            if isinstance(self.code, _core.PythonCode):
                self.code.clear()
            self.code = None
            self.listener.note(self, self.run)

    def close_unseen(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """Closes the connection. Errors are reported, because no caller could catch them."""
        code, told = self.code, self.told_stuck
        source = code.callable if code is not None else None
        try:
            self.close(timeout_s)
        except StreamTimeoutError as error:
            if isinstance(code, _core.PythonCode):
                code.shut()
            if isinstance(code, IsolatedCode) and self._broken_off(code, timeout_s):
                exit_and_fork.report(error, source)
                return
            # The connection is never freed, because the stuck callback may still use it.
            _core.keep_for_ever(self)
            if not told:
                exit_and_fork.report(error, source)
            return
        unseen = self.failure.take_unraised()
        if unseen is not None and unseen is not self.failure.reported:
            exit_and_fork.report(unseen, source)

    def abandon(self) -> None:
        """Gives up on a connection whose callback is stuck, after an error has said so."""
        code = self.code
        if isinstance(code, _core.PythonCode):
            code.shut()
        if isinstance(code, IsolatedCode) and self._broken_off(code, HALT_S):
            return
        _core.keep_for_ever(self)
        self.closed = True

    def _broken_off(self, code: IsolatedCode, timeout_s: float) -> bool:
        """Interrupts a stuck isolated callback and closes. Returns False if that is impossible.

        Its interpreter must not simply be left behind, because Python would end it at exit while
        the callback still runs, and would abort the process.
        """
        try:
            if code.break_off(timeout_s):
                self.close(timeout_s)
                self.failure.take_unraised()  # discards the exception that interrupted the callback
                return True
        except StreamTimeoutError:
            pass
        if code.running_on:
            code.keeper.leave()
        return False

    def close_at_exit(self, timeout_s: float) -> None:
        """Closes the connection. Called by `exit_and_fork` when the interpreter is about to end."""
        self.close_unseen(timeout_s)

    # ---- the device ----

    def check_rate(self) -> None:
        """Treats a device as lost if it has run at another rate than it reports for some seconds.

        Only one thread may call it at a time.
        """
        if self.started and self.device.check_rate():
            self.trouble()

    def look(self) -> None:
        """Asks the audio system whether the device still works. This may take long."""
        if self.driver_stream is not None and self.started:
            self.driver_stream.look()

    def trouble(self) -> Exception | None:
        """Returns why no IO cycle will come any more, on any device; None if cycles may come."""
        if self._recovery is not None:
            return self.loss
        if _core.in_callback():
            return None  # a callback must not wait for an answer of the audio system
        run = self.run
        trouble = self.device.trouble()
        if self.started and run == self.run and isinstance(trouble, DeviceLostError):
            self._end_lost(trouble, run)
        return trouble

    def _end_lost(self, trouble: DeviceLostError, run: int) -> None:
        """Ends a run whose device is lost. Only the first thread that notices the loss acts."""
        if self._lost.setdefault(run, mine := object()) is mine:
            self.loss = trouble
            self._untold.append(trouble)
            self.device.news.append(self.device.event("lost", str(trouble)))
            self.ask_to_end(drain=False, run=run)  # the device may begin to run cycles again
            stop_soon(self, run, STOP_TIMEOUT_S)

    def take_failure(self) -> Exception | None:
        """Returns once why the stream could not continue after its device was lost."""
        return take_kept(self._untold)

    def take_news(self) -> list[Event]:
        """Returns once the events that the engine does not know of, oldest first."""
        self.trouble()
        return self.device.take_news()

    # ---- called by `recovery`, on its threads ----

    @property
    def watched(self) -> bool:
        """Whether the device of this connection has to be watched."""
        return not self.closed and self.running

    def is_well(self) -> bool:
        """Whether the connection is on a device that works, or needs no device."""
        phase = self.phase
        if phase == "away":
            return False
        runs = phase == "started" and self.engine.state in (_core.RUNNING, _core.DRAINING)
        return not runs or self.device.trouble() is None

    def recover(self) -> None:
        """Leaves a device that is lost, or looks for a device if there is none."""
        if self._recovery is None:
            return
        if self.away:
            find_device(self, self._recovery, STOP_TIMEOUT_S)
        elif (trouble := self.device.trouble()) is not None:
            leave_device(self, self._recovery, trouble, STOP_TIMEOUT_S)

    def fail(self, error: Exception) -> None:
        """Ends the search for a device: the stream fails with `error`."""
        with self.lock:
            self.loss = error
            self._untold.append(error)
            if self.away:
                self.phase = "idle"
