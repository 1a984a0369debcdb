"""The connection of a stream: its engine, code and device, and how they are started and ended."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal, TypeVar

from voicecoil import _core
from voicecoil.callbacks.isolated import IsolatedCode
from voicecoil.drivers.protocol import Driver, DriverStream
from voicecoil.errors import (
    DeviceLostError,
    DriverError,
    NativeCallbackError,
    StreamClosedError,
    StreamStateError,
    StreamTimeoutError,
    VoicecoilError,
)
from voicecoil.events import Event
from voicecoil.lifetime import exit_and_fork
from voicecoil.lifetime.uninterrupted import uninterrupted
from voicecoil.streams.current_device import CurrentDevice
from voicecoil.streams.failure_watch import Failure, watch_for_failure
from voicecoil.streams.lead import LeadWorker
from voicecoil.streams.rate_check import RateCheck
from voicecoil.streams.recovery import OpenedDevice, Recovery, watch

__all__ = ["HALT_S", "POLL_S", "STOP_TIMEOUT_S", "StreamConnection", "CurrentDevice", "State"]

State = Literal["idle", "running", "waiting", "draining", "finished", "closed"]
_STATES: tuple[State, ...] = ("idle", "running", "draining", "finished")

# A callback that runs longer than this is taken to be stuck. No usable block is that long.
STOP_TIMEOUT_S = 5.0
HALT_S = 2.0  # the part of STOP_TIMEOUT_S that is kept for stopping the device
POLL_S = 0.002
AT_LEAST_S = 0.05  # for stopping the device, even if the callback has used up the whole time


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
        self._driver = driver
        self.current = current
        self.clock = current.driver_stream.clock if current.driver_stream is not None else None
        self.code: _core.Code | None = code
        self.engine = engine
        # Guards the fields that follow. A thread checks and changes them under one acquisition. The
        # lock is not reentrant. On behalf of the main thread it is taken only in `uninterrupted`
        # work, because a signal handler on the main thread could wait for it for ever.
        self.lock = threading.Lock()
        # "away": started, but without a device. The phase is a single field, so that a thread that
        # reads it without the lock never sees a mixture of two phases.
        self.phase: Literal["idle", "started", "away"] = "idle"
        self.run = 0  # number of the newest start; a request to end a run names that run
        self.closed = False
        self.ended_by = ""  # name of the type of the exception that the callback raised
        self.failure = Failure()
        self.told_stuck = False  # an error that says that the callback is stuck was raised
        self._recovery = recovery
        self.worker = worker
        self._overdue_run = 0  # the run whose end did not come in time
        # What is told or raised once, and asked for in signal handlers and callbacks: each step is
        # one of the container's own, for there can be no lock.
        self._ending: set[int] = set()  # the runs whose end somebody wants
        self._lost: dict[int, object] = {}  # the runs whose device was lost
        self._unraised: deque[BaseException] = deque(maxlen=1)
        self._untold: deque[Exception] = deque(maxlen=1)  # the failure, until it is raised
        self._failure: Exception | None = None
        self._news: deque[Event] = deque()
        self._earlier_overloads = 0  # overloads on the devices that the stream has left
        self._expect_rate(current.opened_format.samplerate)

    @property
    def driver_stream(self) -> DriverStream | None:
        """The driver's stream on the device. None: the stream is on no device."""
        return self.current.driver_stream

    @property
    def stands_still(self) -> bool:
        """Whether the device has a stepped clock, which advances only when a test steps it."""
        return self.clock is not None and self.clock.stepped

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

    @property
    def unraised(self) -> BaseException | None:
        """The exception that waits to be raised by the next call that may raise it."""
        return next(iter(self._unraised.copy()), None)

    def ask_to_end(self, drain: bool, run: int | None = None) -> None:
        """Asks a run to end, and returns at once.

        With `drain`, all frames that the callback has made are still played. A request for a run
        that is over has no effect on a later run.
        """
        run = self.run if run is None else run
        self._ending.add(run)
        if not drain:
            self.engine.abort(run)
            if self.worker is not None:
                self.worker.quit(run)
        elif self.worker is not None:
            self.worker.stop(run)
        else:
            self.engine.stop(run)

    def state(self) -> State:
        """The state of the stream, as far as it is known. Never waits. [any]"""
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
                "the callback is stuck, or the device does not answer: another thread that starts "
                f"or ends the stream did not get through within {timeout_s:.3g} s"
            )
        try:
            yield
        finally:
            self.lock.release()

    def start(self) -> int:
        """Begins a run, and returns its number.

        Raises
        ------
        StreamStateError
            The stream is running.
        """
        with self._locked(STOP_TIMEOUT_S):
            if self.closed:
                raise StreamClosedError("the stream was closed meanwhile")
            if self.state() in ("running", "waiting", "draining"):
                raise StreamStateError("the stream runs already; stop() it first")
            if self.running or (self.worker is not None and self.worker.running):
                self._halt(STOP_TIMEOUT_S)  # it had ended by itself
            self._begin(self.run + 1)
            if self.driver_stream is not None:
                self._start(self.driver_stream)
            try:
                if self._recovery is not None:
                    watch(self)
                watch_for_failure(self)
            except BaseException:
                # The device runs already, and the caller has no reason to stop it.
                with contextlib.suppress(StreamTimeoutError):
                    self._halt(STOP_TIMEOUT_S)
                raise
            return self.run

    def _begin(self, run: int) -> None:
        """Begins the run in the engine and the worker. Call with the lock held.

        `self.run` is set last. A thread that reads it and asks for the end of that run can
        therefore rely on the run having begun.
        """
        self._ending.clear()
        self._lost.clear()
        self._untold.clear()
        self._failure = None
        self._expect_rate(self.current.opened_format.samplerate)
        self.failure.begin()
        self.ended_by = ""
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
            driver_stream.start(self.engine)
        except BaseException as error:
            # Parts that were started are stopped. If they cannot be stopped the phase stays
            # "started", so that no memory that they use is freed.
            with contextlib.suppress(StreamTimeoutError):
                self._halt(STOP_TIMEOUT_S)
            lost = isinstance(error, (DeviceLostError, DriverError))
            driver_stream.look()
            if self._recovery is None or not lost or self.device_trouble() is None:
                raise
            ending = self.ending
            self._tell_loss(driver_stream, error)
            self._let_go(driver_stream)
            self._begin(self.run)  # clears the request to end that `_halt` made
            if ending:
                self.ask_to_end(drain=False)
            driver_stream.close()

    def halt(self, timeout_s: float, run: int | None = None) -> None:
        """Stops the device: when this returns, no IO cycle of that run comes any more.

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
            # The IO cycles go on, and the run ends as soon as its callback has returned.
            self._overdue_run = self.run
            self.engine.stop(self.run)
            raise
        if not returned:
            # The device is stopped, so no IO cycle would notice that the run ends. The engine is
            # told here instead.
            self._overdue_run = self.run
            self.engine.end()
            raise StreamTimeoutError(f"the callback did not return within {timeout_s:.3g} s")
        if runs or self.worker is not None:
            self._stopped()

    def _stopped(self, phase: Literal["idle", "away"] = "idle") -> None:
        self.phase = phase
        self._collect_exception()
        code = self.code
        over = self.worker is None or not self.worker.running
        if over and isinstance(code, _core.PythonCode) and code.has_orphan:
            _reap(code)

    def _collect_exception(self) -> None:
        """Keeps the callback's exception, to be raised once. Call with the lock held."""
        code, raised = self.code, None
        if isinstance(code, (_core.NativeCode, _core.PythonCode)):
            raised = code.take_exception()
        failed = self.engine.reason == _core.REASON_ERROR and self.failure.exception is None
        python = isinstance(code, _core.PythonCode)
        if raised is None and failed and not self._unraised and not python:
            number = self.engine.error
            raised = NativeCallbackError(f"the native callback returned {number}", code=number)
        if raised is not None:
            self._unraised.append(raised)
            self.failure.exception = raised
        if (unraised := self.unraised) is not None:
            self.ended_by = type(unraised).__name__

    def find_exception(self) -> BaseException | None:
        """The exception that the callback raised in this run, if it is known without waiting."""
        if self.engine.reason == _core.REASON_ERROR and self.failure.exception is None:
            uninterrupted("look", self._collect_if_free)
        return self.failure.exception

    def _collect_if_free(self) -> None:
        if self.lock.acquire(blocking=False):
            try:
                self._collect_exception()
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
                and self.device_trouble() is None
                and not self.stands_still
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

    def close_unseen(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """Closes the connection where no caller could catch an error. An error is reported."""
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
            # A stuck callback may still use all of this, and no thread waits for its end. So
            # nothing of it is ever freed.
            _core.keep_for_ever(self)
            if not told:
                exit_and_fork.report(error, source)
            return
        unseen = self.take_unraised()
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
        """Interrupts a stuck isolated callback and closes. False: it could not be interrupted.

        Its interpreter must not simply be left behind, because Python would end it at exit while
        the callback still runs, and would abort the process.
        """
        try:
            if code.break_off(timeout_s):
                self.close(timeout_s)
                self.take_unraised()  # discards the exception that interrupted the callback
                return True
        except StreamTimeoutError:
            pass
        if code.running_on:
            code.keeper.leave()
        return False

    def close_at_exit(self, timeout_s: float) -> None:
        """Closes the connection. Called by `exit_and_fork` when the interpreter is about to end."""
        self.close_unseen(timeout_s)

    def take_unraised(self) -> BaseException | None:
        """Returns the exception that is to be raised, once."""
        return _taken(self._unraised)

    def keep_unraised(self, error: BaseException) -> None:
        """Keeps `error` to be raised, unless another exception already waits to be raised."""
        if not self._unraised:
            self._unraised.append(error)

    # ---- the device ----
    def device_trouble(self) -> Exception | None:
        """Why the device runs no more IO cycles. None: it is well, or there is no device."""
        driver_stream = self.driver_stream
        if driver_stream is None:
            return None
        return driver_stream.trouble() or self._rate_trouble

    def _expect_rate(self, samplerate: float) -> None:
        """Measures the rate from now on, in a new run or on another device."""
        self._rate_check = RateCheck(samplerate)
        self._rate_trouble: DeviceLostError | None = None

    def check_rate(self) -> None:
        """Treats a device as lost if it has run at another rate than it reports for some seconds.

        One thread at a time.
        """
        check = self._rate_check
        if not self.started or self._rate_trouble is not None:
            return
        counted = self.engine.statistics()
        host_ns, frames = counted["output_time"]
        if host_ns is None or frames is None:
            host_ns, frames = counted["input_time"]
        measured = check.note(host_ns, frames)
        if measured is not None and check is self._rate_check:
            self._rate_trouble = DeviceLostError(
                f"{self.current.device.name!r} runs at {measured:.0f} Hz, and its audio system "
                f"says {self.current.opened_format.samplerate:g} Hz: its rate was changed without "
                "a notification"
            )
            self.trouble()

    def look(self) -> None:
        """Asks the audio system whether the device still works. This may take long."""
        if self.driver_stream is not None and self.started:
            self.driver_stream.look()

    def trouble(self) -> Exception | None:
        """Why no IO cycle will come any more, from this device or another one."""
        if self._recovery is not None:
            return self._failure
        if _core.in_callback():
            return None  # a callback must not wait for an answer of the audio system
        run = self.run
        trouble = self.device_trouble()
        if self.started and run == self.run and isinstance(trouble, DeviceLostError):
            self._end_lost(trouble, run)
        return trouble

    def _end_lost(self, trouble: DeviceLostError, run: int) -> None:
        """Ends a run whose device is lost. Any thread may notice it; only the first one acts."""
        mine = object()
        if self._lost.setdefault(run, mine) is mine:
            self._failure = trouble
            self._untold.append(trouble)
            self._news.append(self._event("lost", str(trouble)))
            self.ask_to_end(drain=False, run=run)  # the device may begin to run cycles again

    def take_failure(self) -> Exception | None:
        """Returns, once, why the stream could not go on after its device was lost."""
        return _taken(self._untold)

    def take_news(self) -> list[Event]:
        """Takes the events that the engine does not know of, oldest first."""
        self.trouble()
        driver_stream = self.driver_stream
        noticed = driver_stream.events() if driver_stream is not None else []
        taken = []
        with contextlib.suppress(IndexError):  # another thread may take the last one
            while True:
                taken.append(self._news.popleft())
        return taken + noticed

    @property
    def overloads(self) -> int:
        """How often the audio system reported that its IO thread was late."""
        driver_stream = self.driver_stream
        return self._earlier_overloads + (driver_stream.overloads if driver_stream else 0)

    def _event(self, kind: Literal["lost", "back"], detail: str) -> Event:
        counted = self.engine.statistics()
        frames = counted["output_time"][1] or counted["input_time"][1] or 0
        host_ns = self.clock.clock_ns() if self.clock else self._driver.now_ns()
        return Event(kind, host_ns, frames, 0, detail)

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
        return not runs or self.device_trouble() is None

    def recover(self) -> None:
        """Leaves a device that is lost, or looks for a device if there is none."""
        if self.away:
            self._find_device()
        elif (trouble := self.device_trouble()) is not None:
            self._leave(trouble)

    def fail(self, error: Exception) -> None:
        """Ends the search for a device: the stream fails with `error`."""
        with self.lock:
            self._failure = error
            self._untold.append(error)
            if self.away:
                self.phase = "idle"

    def _leave(self, trouble: Exception) -> None:
        if not self.lock.acquire(blocking=False):
            return  # another thread is starting or stopping the stream
        try:
            driver_stream = self.driver_stream
            if not self.started or driver_stream is None or self._recovery is None:
                return
            try:
                driver_stream.stop(STOP_TIMEOUT_S)
            except VoicecoilError:
                return  # the callback is stuck; `stop` or `close` raises the error
            self._tell_loss(driver_stream, trouble)
            # If the run was about to end there is no reason to go on elsewhere. The frames that
            # were not heard yet are lost with the device.
            goes_on = not self.ending and self.engine.state == _core.RUNNING
            self._stopped("away" if goes_on else "idle")
            self._let_go(driver_stream)
            self._recovery.lost(trouble)
        finally:
            self.lock.release()
        driver_stream.close()  # without the lock, because it may take long

    def _tell_loss(self, driver_stream: DriverStream, trouble: BaseException) -> None:
        """Adds the event "lost". Call it before the state becomes "waiting".

        A program that sees "waiting" then also finds the event that says why.
        """
        self._news.extend(driver_stream.events())
        self._news.append(self._event("lost", str(trouble)))

    def _let_go(self, driver_stream: DriverStream) -> None:
        self.current = replace(self.current, driver_stream=None)
        self._earlier_overloads += driver_stream.overloads

    def _find_device(self) -> None:
        assert self._recovery is not None
        for opened in self._recovery.open_candidates(self.current.device):
            if self._settle(opened):
                return
        if self._recovery.refusal is not None:
            self.fail(self._recovery.refusal)

    def _settle(self, opened: OpenedDevice) -> bool:
        """Goes on with that device. Returns False if the device does not start."""
        driver_stream, opened_format = opened.driver_stream, opened.driver_stream.opened_format
        with self.lock:
            if self.closed or not self.away:
                driver_stream.close()
                return True
            assert self._recovery is not None
            self.clock = driver_stream.clock
            back = self._event("back", opened.device.name)
            try:
                if self.worker is not None and not self.worker.fit(
                    opened_format, driver_stream.clock is not None, STOP_TIMEOUT_S
                ):
                    driver_stream.close()
                    return False
                if self.ending:
                    self.ask_to_end(drain=False)  # asked for while the worker was started anew
                self.engine.move(
                    opened.input_map,
                    opened.output_map,
                    # With a worker, the lead makes blocks of the cycles as they come.
                    period_frames=0
                    if self.worker is not None
                    else opened_format.period_frames or 0,
                    clock=driver_stream.clock,
                )
                driver_stream.start(self.engine)
            except Exception as error:
                driver_stream.close()
                if isinstance(error, (VoicecoilError, OSError)):
                    return False
                raise
            if self.closed:  # another thread has abandoned the stream meanwhile
                driver_stream.stop(STOP_TIMEOUT_S)
                driver_stream.close()
                return True
            self.current = CurrentDevice(opened.device, opened_format, driver_stream)
            self._expect_rate(opened_format.samplerate)
            self._recovery.settled()
            self._news.append(back)
            self.phase = "started"
            return True


Taken = TypeVar("Taken")


def _taken(kept: deque[Taken]) -> Taken | None:
    try:
        return kept.pop()
    except IndexError:
        return None


def _reap(code: _core.PythonCode) -> None:
    """Deletes a Python thread state whose thread is gone, on a new thread (see bridge.h)."""
    try:
        thread = exit_and_fork.start_thread(code.reap, "voicecoil reaper")
    except (DriverError, StreamStateError):
        return  # when the interpreter ends it deletes the remaining thread states itself
    thread.join(1.0)
