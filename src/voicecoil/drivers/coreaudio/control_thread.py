"""The one thread that calls CoreAudio.

CoreAudio's calls may block for seconds, or for ever, and calls at the same time deadlock inside it.
So one thread makes them, one after the other, and whoever wants something of it waits with a
deadline. A call that misses its deadline is abandoned: another thread takes over, and when the
call comes back after all, its own thread puts back what it did, and ends.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from voicecoil import control
from voicecoil.errors import ForkedError, StreamTimeoutError

__all__ = ["ControlThread"]

Result = TypeVar("Result")
IDLE_S = 2.0  # a thread without work for that long ends; the next call starts another


class _Job:
    def __init__(self, name: str, work: Callable[[], Any], undo: Callable[[Any], None]) -> None:
        self.name = name
        self.work = work
        self.undo = undo  # called with the result of an abandoned job
        self.done = threading.Event()
        self.lock = threading.Lock()
        self.abandoned = False
        self.result: Any = None
        self.error: BaseException | None = None

    def run(self) -> None:
        with self.lock:
            if self.abandoned:
                return  # nobody waits for it any more, and it has not begun
        try:
            result, error = self.work(), None
        except BaseException as raised:
            result, error = None, raised
        with self.lock:
            self.result, self.error = result, error
            abandoned = self.abandoned
            self.done.set()
        if abandoned and error is None:
            self.undo(result)

    def abandon(self) -> bool:
        """False: it came to its end just now."""
        with self.lock:
            self.abandoned = not self.done.is_set()
            return self.abandoned


def _nothing(result: Any) -> None:
    pass


class ControlThread:
    """Calls functions, one at a time, on one thread.

    Parameters
    ----------
    name : str
        Of the thread.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._waiting = 0  # jobs that were put and not taken
        self._generation = control.generation()
        self.abandoned: list[str] = []  # the calls that missed their deadlines, for reports
        self._hung: list[threading.Thread] = []  # and the threads that are still in them

    @property
    def is_current(self) -> bool:
        """Whether this is the thread."""
        return threading.current_thread() is self._thread

    def check_not_forked(self) -> None:
        """Raises `ForkedError` in a child of the process that used CoreAudio."""
        if control.forked(self._generation):
            raise ForkedError(
                "this process was forked from one that uses CoreAudio, which does not survive a "
                'fork; use the "spawn" start method, or open streams only in the child'
            )

    def call(
        self,
        name: str,
        work: Callable[[], Result],
        timeout_s: float,
        undo: Callable[[Result], None] = _nothing,
    ) -> Result:
        """Runs `work` on the thread and gives what it gave.

        Parameters
        ----------
        name : str
            What is done, for the message when it is not done in time.
        work : callable
        timeout_s : float
        undo : callable
            Gets the result when it comes too late.

        Raises
        ------
        StreamTimeoutError
            It was not done in time.
        ForkedError
            This is a forked child.
        """
        self.check_not_forked()
        if self.is_current:
            return work()
        job = _Job(name, work, undo)
        with self._lock:
            self._jobs.put(job)
            self._waiting += 1
            if self._thread is None:
                self._start()
        if not job.done.wait(timeout_s) and job.abandon():
            self._replace(job)
            raise StreamTimeoutError(
                f"{name} did not return within {timeout_s:g} s; the call was abandoned, and what "
                "it does when it comes back is undone. Replug the device, or choose another"
            )
        if job.error is not None:
            raise job.error
        return job.result  # type: ignore[no-any-return]

    def _start(self) -> None:
        self._thread = threading.Thread(
            target=self._run, args=(self._jobs,), name=self._name, daemon=True
        )
        self._thread.start()

    def _replace(self, job: _Job) -> None:
        """The thread hangs in `job`, or in one before it: what waits goes to another one."""
        with self._lock:
            self.abandoned.append(job.name)
            hung, self._jobs = self._jobs, queue.SimpleQueue()
            self._waiting = 0
            while True:
                try:
                    self._jobs.put(hung.get_nowait())
                    self._waiting += 1
                except queue.Empty:
                    break
            if self._thread is not None:
                self._hung = [thread for thread in self._hung if thread.is_alive()]
                self._hung.append(self._thread)
            self._thread = None
            if self._waiting:
                self._start()

    def settle(self, timeout_s: float) -> bool:
        """Waits until all abandoned calls came back and were undone. False: some did not."""
        until = time.monotonic() + timeout_s
        for thread in list(self._hung):
            thread.join(max(0.0, until - time.monotonic()))
        return not any(thread.is_alive() for thread in self._hung)

    def _run(self, jobs: queue.SimpleQueue[_Job]) -> None:
        while True:
            try:
                job = jobs.get(timeout=IDLE_S)
            except queue.Empty:
                with self._lock:
                    if self._jobs is not jobs:
                        return
                    if self._waiting == 0:
                        self._thread = None
                        return
                continue
            with self._lock:
                if self._jobs is jobs:
                    self._waiting -= 1
            job.run()
            del job
            if self._jobs is not jobs:
                return  # replaced while it hung
