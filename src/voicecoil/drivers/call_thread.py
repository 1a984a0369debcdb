"""The thread that makes all calls to an audio system.

Calls to an audio system may block for seconds or for ever, and concurrent calls to CoreAudio can
deadlock. Therefore one thread makes all calls, one after the other, and callers wait for it with a
deadline. The time of a call counts from its beginning, so that a call that waits behind a slow one
does not expire.

A call that misses its deadline is abandoned, and another thread takes over. If the abandoned call
returns later, the old thread may not call the audio system again (`check_wanted`), and the thread
that took over undoes the effect of the call. Each thread has a session of its own, because the
abandoned call may still use the old session.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from voicecoil import _core
from voicecoil.drivers.call_job import (
    AbandonedError,
    Idle,
    Job,
    NotAsked,
    NotBegunError,
    Session,
    check_wanted,
    running,
)
from voicecoil.errors import DriverError, ForkedError, StreamStateError
from voicecoil.lifetime import exit_and_fork
from voicecoil.lifetime.thread import Thread
from voicecoil.lifetime.uninterrupted import NobodyWaits, is_part_of_work, uninterrupted

__all__ = ["AbandonedError", "CallThread", "NotBegunError", "Session", "check_wanted"]

Result = TypeVar("Result")
IDLE_S = 2.0  # after this time without work the thread ends; the next call starts another one
QUEUE_S = 30.0
UNDO_S = 10.0
CTRL_C_S = 0.1  # how soon a waiting thread notices that its wait was interrupted


class CallThread:
    """Calls functions, one at a time, on one thread.

    Parameters
    ----------
    name : str
        Name of the thread.
    title : str
        Name of the audio system, for messages.
    make_session : callable or None
        Makes the session of a thread. Called again for each thread that takes over.
    make_idle : callable or None
        Makes what a thread does while it has no jobs. Called again for each thread that takes over.
    """

    def __init__(
        self,
        name: str,
        title: str,
        make_session: Callable[[], Session] | None = None,
        make_idle: Callable[[], Idle] | None = None,
    ) -> None:
        self._name = name
        self._title = title
        self._make_idle = make_idle
        self.idle: Idle | None = None  # what the thread does while it has no jobs
        self._idle_jobs: dict[int, Job] = {}  # requests of `idle` that were given up
        self._handed: tuple[Idle, Job] | None = None  # the job that `ask` has handed over
        self._make_session = make_session
        self._session: Session | None = None
        self._hanging: list[Job] = []
        self._changed = threading.Condition()  # its lock guards the fields that follow
        self._jobs: deque[Job] = deque()
        self._current: Job | None = None
        self._thread: Thread | None = None
        self._unsettled: set[Job] = set()  # abandoned jobs that have not returned or been undone
        self._generation = exit_and_fork.generation()
        self.abandoned: list[str] = []  # the calls that missed their deadlines, for reports

    @property
    def is_current(self) -> bool:
        """Whether the calling thread is the one that makes the calls."""
        return threading.current_thread() is self._thread

    @property
    def session(self) -> Session | None:
        """The session of the job that the calling thread works on."""
        job: Job | None = getattr(running, "job", None)
        return job.session if job is not None else None

    @property
    def newest_session(self) -> Session | None:
        """The session that the next job will use, or None. Any thread may read it."""
        return self._session

    @property
    def hanging(self) -> list[str]:
        """The names of the abandoned calls that have not returned yet."""
        with self._changed:
            return [job.name for job in self._hanging]

    def check_not_forked(self) -> None:
        """Raises `ForkedError` in a child of the process that used the audio system."""
        if exit_and_fork.forked(self._generation):
            raise ForkedError(
                f"this process was forked from one that uses {self._title}, whose connections do "
                'not survive a fork; use the "spawn" start method, or open streams only in the '
                "child"
            )

    def call(
        self,
        name: str,
        work: Callable[[], Result],
        timeout_s: float,
        undo: Callable[[Result], None] | None = None,
        *,
        queue_s: float = QUEUE_S,
        later: bool = False,
        meanwhile: Callable[[], object] | None = None,
    ) -> Result:
        """Runs `work` on the thread and returns its result.

        Parameters
        ----------
        name : str
            Description of the work, for the message if it takes too long.
        work : callable
        timeout_s : float
            Deadline, counted from the beginning of `work`.
        undo : callable or None
            Called with the result, on the thread, if no caller waits for the result any more. The
            result came too late, or Ctrl-C interrupted the wait.
        queue_s : float
            How long the call may wait for other calls before it begins.
        later : bool
            Run `work` in its turn even if `queue_s` has passed or the wait was interrupted.
        meanwhile : callable or None
            Called on the caller's thread before it waits.

        Raises
        ------
        StreamTimeoutError
            `work` did not return in time.
        NotBegunError
            `work` did not begin in time. With `later` it runs later, otherwise never.
        ForkedError
            This process is a forked child.
        DriverError
            The operating system cannot start a thread. The next call tries again.
        StreamStateError
            The interpreter is ending.
        """
        self.check_not_forked()
        if self.is_current:
            return work()
        job = Job(name, work, timeout_s, undo)
        result: Result = uninterrupted(
            "call",
            lambda: self._call(job, queue_s, later, meanwhile),
            # With `later`, the work is done even if no caller waits any more.
            hurry=None if later else partial(self._leave, job),
            undo=None if later else lambda _: self._abandon(job, later),
        )
        return result

    def ask(self, name: str, work: Callable[[], Result], timeout_s: float) -> Result | NotAsked:
        """Like `call`, for work that has no effect and takes a moment, if the thread has no jobs.

        The thread gets the work without a lock of Python. On the main thread, `call` starts two
        threads, so that no signal handler interrupts the thread that holds the lock. This takes
        400 us.

        Returns
        -------
        object
            The result; `NotAsked` if `work` was not called, and `call` is needed.
        """
        idle = self.idle
        if idle is None or self.is_current or is_part_of_work() or exit_and_fork.is_ending():
            return NotAsked.BUSY
        self.check_not_forked()
        job = Job(name, work, timeout_s)
        job.deadline = time.monotonic() + timeout_s
        try:
            done = idle.hand_over(partial(self._run_handed, idle, job), timeout_s)
        except BaseException:
            if idle.abandoned:
                self._give_up(idle, job, hung=False)
            raise
        if done is None:
            self._give_up(idle, job, hung=True)
            raise job.timed_out()
        if not done:
            return NotAsked.BUSY
        if job.replaced:  # a call of a signal handler has waited for it until its deadline
            uninterrupted("call", partial(self._returned, idle))
            idle.poke()
        return job.outcome()  # type: ignore[no-any-return]

    def _run_handed(self, idle: Idle, job: Job) -> None:
        """Does a job that was handed over while the thread was idle."""
        self._handed = handed = idle, job
        running.job = job
        try:
            job.result = job.work()
        except BaseException as error:
            job.error = error
        running.job = None
        if self._handed is handed:
            self._handed = None

    def _call(
        self, job: Job, queue_s: float, later: bool, meanwhile: Callable[[], object] | None
    ) -> Any:
        try:
            with self._changed:
                self._jobs.append(job)
                self._wake()
            if meanwhile is not None:
                meanwhile()
            with self._changed:
                self._await_turn(job, queue_s, later)
                self._await_end(job)
        except BaseException:
            self._abandon(job, later)
            raise
        return job.outcome()

    def _leave(self, job: Job) -> None:
        """Marks a job whose wait was interrupted (Ctrl-C).

        Does not take the lock, because this runs on the main thread.
        """
        self._unsettled.add(job)
        job.abandoned = True
        # The job may have ended before the interruption.
        if job.settled or (job.done and job.error is not None):
            self._unsettled.discard(job)

    def ensure(self, name: str, work: Callable[[], None]) -> None:
        """Runs `work`, which tidies up for the current job, even if that job is abandoned.

        If the job is abandoned, `work` is called again on the thread that took over. It must then
        continue where it stopped.
        """
        try:
            work()
        except AbandonedError:
            with self._changed:
                self._tidy(name, partial(self.ensure, name, work))

    def gave_up(self, idle: Idle, name: str, deadline: float, hung: bool) -> None:
        """Notes that a request of `idle` was given up. Its thread is replaced at the deadline.

        Parameters
        ----------
        idle : Idle
        name : str
            Description of the request.
        deadline : float
            That of the request, on the clock of `time.monotonic`, s. An interruption of its wait
            does not move it, because other calls wait for the thread until then.
        hung : bool
            The request has missed its deadline. The thread is replaced now.
        """
        job = Job(name, lambda: None, 0.0)
        job.deadline = deadline
        self._give_up(idle, job, hung)

    def _give_up(self, idle: Idle, job: Job, hung: bool) -> None:
        def note() -> None:
            with self._changed:
                handed = self._handed
                if handed is not None and handed[0] is idle:
                    self._handed = None
                if idle.over or self.idle is not idle:
                    return
                self._idle_jobs[id(idle)] = job
                self._unsettled.add(job)
                self._current = job
                if hung:
                    self._replace()
                self._changed.notify_all()

        uninterrupted("call", note)

    # ---- on the caller's thread, with the lock held ----

    def _await_turn(self, job: Job, queue_s: float, later: bool) -> None:
        until = time.monotonic() + queue_s
        while job.deadline is None:
            if job.abandoned:
                raise NobodyWaits
            if self._thread is None or self._thread.is_gone:
                self._wake()  # the system may have refused to start a thread before
            now, ahead, handed = time.monotonic(), self._current, self._handed
            if ahead is None and handed is not None:
                ahead = handed[1]
            if ahead is not None and ahead.deadline is not None and now >= ahead.deadline:
                if self._current is None and handed is not None:
                    # The caller of `ask` notices the deadline only when its signal handler, which
                    # may wait here, has returned.
                    self._idle_jobs[id(handed[0])] = self._current = ahead
                    self._unsettled.add(ahead)
                    self._handed = None
                self._replace()  # the caller of that job may have stopped waiting for it
            elif now >= until:
                which = f"{ahead.name!r}, which has not returned" if ahead else "other calls"
                what = (
                    "it is made when the other calls have returned" if later else "it was not made"
                )
                raise NotBegunError(
                    f"{job.name} waited {queue_s:g} s for {which}; {what}. Try again, or replug "
                    "the device that does not answer"
                )
            else:
                ends = until if ahead is None or ahead.deadline is None else ahead.deadline
                self._changed.wait(min(ends - now, until - now, CTRL_C_S))

    def _await_end(self, job: Job) -> None:
        assert job.deadline is not None
        while not job.done or isinstance(job.error, AbandonedError):
            left_s = job.deadline - time.monotonic()
            if job.abandoned:
                raise NobodyWaits
            if left_s <= 0:
                if self._current is job:
                    self._replace()
                raise job.timed_out()
            self._changed.wait(min(left_s, CTRL_C_S))

    def _abandon(self, job: Job, later: bool) -> None:
        with self._changed:
            if job.deadline is not None:
                job.abandoned = True
                self._unsettled.add(job)
                if job.done:
                    self._settle(job)
                return
            job.abandoned = False
            job.settled = not later
            self._unsettled.discard(job)
            if later:
                job.unheard = True
            elif job in self._jobs:
                self._jobs.remove(job)

    def _replace(self) -> None:
        """Replaces the thread, which hangs in its job. A new thread gets the waiting jobs."""
        assert self._current is not None
        self.abandoned.append(self._current.name)
        self._current.mark[0] = 1
        self._hanging.append(self._current)
        self._session = None
        self._current = None
        self._thread = None
        self.idle = None
        self._wake_if_possible()

    def _wake(self) -> None:
        """Makes sure that a thread works on the jobs. Call with the lock held.

        Raises the same errors as `exit_and_fork.start`.
        """
        if (self._thread is None or self._thread.is_gone) and self._jobs:
            thread = Thread(self._run, self._name)
            exit_and_fork.start(thread)
            self._thread = thread
        self._changed.notify_all()
        if self.idle is not None:
            self.idle.poke()

    def _wake_if_possible(self) -> None:
        """Like `_wake`. If the system cannot start a thread, the jobs wait for the next call."""
        with contextlib.suppress(DriverError, StreamStateError):
            self._wake()

    def settle(self, timeout_s: float) -> bool:
        """Waits until no call is under way and the effects of abandoned calls have been undone.

        Returns false if that took longer than `timeout_s`.
        """
        with self._changed:
            return self._changed.wait_for(
                lambda: not self._unsettled and self._current is None, timeout_s
            )

    # ---- the thread ----

    def _run(self) -> None:
        _core.name_thread(self._name)
        while (job := self._next()) is not None:
            running.job = job
            try:
                if job.refused is not None:
                    raise job.refused
                result, error = job.work(), None
            except BaseException as raised:
                result, error = None, raised
            running.job = None
            with self._changed:
                job.result, job.error, job.done = result, error, True
                if self._current is job:
                    self._current = None
                if job.replaced:
                    self._hanging.remove(job)
                    if job.session is not None:
                        self._tidy(f"leaving what {job.name} used", job.session.close)
                if job.abandoned or job.unheard:
                    self._settle(job)
                self._changed.notify_all()
            if job.unheard and error is not None:
                exit_and_fork.report(error, job.work)
            del job, result, error

    def _next(self) -> Job | None:
        """Waits for the next job. Returns None if the thread must end."""
        me = threading.current_thread()
        if self._make_idle is not None:
            self._idle_until_jobs(me)
        with self._changed:
            idle_s = IDLE_S if self._make_idle is None else 0.0
            self._changed.wait_for(lambda: self._jobs or self._thread is not me, idle_s)
            if self._thread is not me:
                return None  # another thread took over while this thread hung
            if not self._jobs:
                self._thread = None
                return None
            self._current = job = self._jobs.popleft()
            job.deadline = time.monotonic() + job.timeout_s
            if self._session is None and self._make_session is not None:
                try:
                    self._session = self._make_session()
                except (
                    BaseException
                ) as error:  # the caller of the job gets it, and this thread continues
                    job.refused = error
            job.session = self._session
            self._changed.notify_all()
            return job

    def _idle_until_jobs(self, me: threading.Thread) -> None:
        """Serves requests until there are jobs, another thread took over, or nothing is asked."""
        poked: bool | None = True
        while poked is not False:
            with self._changed:
                if self._jobs or self._thread is not me or self._make_idle is None:
                    return
                if self.idle is None:
                    self.idle = self._make_idle()
                idle = self.idle
                seen = idle.pokes
            poked = idle.serve(seen, IDLE_S)
            if poked is None:
                self._returned(idle)

    def _returned(self, idle: Idle) -> None:
        """Notes that a request that was given up has returned."""
        with self._changed:
            idle.over = True
            if self.idle is idle:
                self.idle = None
            job = self._idle_jobs.pop(id(idle), None)
            if job is not None:
                self._unsettled.discard(job)
            if job is not None and job.replaced:
                self._hanging.remove(job)
            elif job is not None and self._current is job:
                self._current = None
            self._changed.notify_all()

    def _settle(self, job: Job) -> None:
        """Queues the `undo` of a finished job that no caller waits for, before all other jobs.

        Call with the lock held.
        """
        job.settled = True
        self._unsettled.discard(job)
        undo, job.undo = job.undo, None
        if job.error is None and undo is not None:
            self._tidy(f"undoing {job.name}", partial(undo, job.result))

    def _tidy(self, name: str, work: Callable[[], None]) -> None:
        """Queues `work` before all other jobs. No caller waits for it. Call with the lock held."""
        job = Job(name, work, UNDO_S, unheard=True)
        self._unsettled.add(job)
        self._jobs.appendleft(job)
        self._wake_if_possible()
