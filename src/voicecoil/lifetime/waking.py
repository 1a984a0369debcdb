"""One thread that waits for what IO threads count, and tells the tasks and threads that wait.

An IO thread wakes no other thread. It changes counts: frames that were read from a ring, events,
the end of a stream. All waits of the process share one thread, which is started when it is first
needed. While nothing is awaited, it sleeps without looking. Otherwise C code looks at the counts
without the GIL, once in the shortest period that a waiting object has asked for. An object asks for
the duration of its device's IO cycle, because its counts change only once in a cycle.

A task waits for a count like this::

    await reached(ring.written_count(), 4800, period_s=cycle_s, over=lambda: stream_has_ended)
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from collections.abc import Callable

from voicecoil import _core
from voicecoil.lifetime import exit_and_fork
from voicecoil.lifetime.background_thread import BackgroundThread
from voicecoil.lifetime.tasks import waiter

__all__ = ["MAX_PERIOD_S", "MIN_PERIOD_S", "Watch", "reached", "unwatch", "watch"]

LOOK_S = 0.1  # interval at which ends are noticed that no count reports, such as a lost device
MIN_PERIOD_S, MAX_PERIOD_S = 0.001, 0.02
MAX_LOOK_S = 1.0
EXIT_S = 0.2


class Watch:
    """A wait: for a count, for a condition, or for both.

    Parameters
    ----------
    count : Count or None
        None: `over` is called once in each period.
    target : int
        The wait may end when the count is at least this.
    over : callable or None
        Returns whether the wait is over. None: it is over when the count has reached its target.
        It is called when the count has reached its target, once in each period from then on, and
        every `look_s` before that. It must not wait.
    tell : callable
        Called once, on the waking thread, when the wait is over. It must not wait.
    fail : callable or None
        Called instead of `tell` with an error that `over` has raised, which ends the wait. None:
        the error is reported.
    period_s : float
        Duration of the device's IO cycle, s. The count is looked at once in this time.
    look_s : float
        Interval of the calls of `over` before the count has reached its target, s.
    """

    def __init__(
        self,
        count: _core.Count | None,
        target: int,
        over: Callable[[], bool] | None,
        tell: Callable[[], object],
        period_s: float,
        look_s: float = LOOK_S,
        fail: Callable[[Exception], object] | None = None,
    ) -> None:
        self.count = count
        self.target = target
        self.over = over
        self.tell = tell
        self.fail = fail
        self.period_s = min(max(period_s, MIN_PERIOD_S), MAX_PERIOD_S)
        self.look_s = look_s
        self.due = 0.0  # time of the next call of `over`, s of time.monotonic

    @property
    def counted(self) -> bool:
        """Whether the count has reached its target, or there is none."""
        return self.count is None or self.count.value >= self.target

    def look(self, now: float) -> bool:
        """Returns whether the wait is over. If it is, this has called `tell` or `fail`."""
        try:
            if not self._is_over(now):
                return False
        except Exception as error:
            self._end(error)
        else:
            self._end(None)
        return True

    def _is_over(self, now: float) -> bool:
        counted = self.counted
        if self.over is None:
            return counted
        if not counted and now < self.due:
            return False
        # All watches of one interval are due at the same time, so that the thread wakes once for
        # all of them.
        later = (now // self.look_s + 1) * self.look_s
        self.due = now + self.period_s if counted else later
        return self.over()

    def _end(self, error: Exception | None) -> None:
        try:
            if error is None:
                self.tell()
            elif self.fail is not None:
                self.fail(error)
            else:
                exit_and_fork.report(error, self.over)
        except Exception as another:
            exit_and_fork.report(another, self.tell if error is None else self.fail)


class _Waker:
    """The thread and what it waits for. All its containers can be used without a lock."""

    def __init__(self) -> None:
        self._watches: dict[int, Watch] = {}
        self._waker = _core.Waker()
        # An item is put after each watch was added. The thread takes all before it looks.
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._over = False
        self._thread: BackgroundThread | None = None
        self._starting = threading.Lock()

    def add(self, one: Watch) -> None:
        self._watches[id(one)] = one
        try:
            self._ensure_thread()
        except BaseException:
            self._watches.pop(id(one), None)
            raise
        self.rouse()

    def remove(self, one: Watch) -> None:
        self._watches.pop(id(one), None)
        self._waker.ring()

    def rouse(self) -> None:
        self._wake.put(None)
        self._waker.ring()

    def _ensure_thread(self) -> None:
        # This does not block, because a thread that holds the lock is starting the thread.
        if not self._is_alive() and self._starting.acquire(blocking=False):
            try:
                if not self._is_alive():
                    self._thread = exit_and_fork.start_thread(self._run, "voicecoil control")
            finally:
                self._starting.release()

    def _is_alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _run(self) -> None:
        since = exit_and_fork.generation()
        while self._goes_on(since):
            if self._watches:
                self._look_and_wait()
            else:
                self._wake.get()  # for any time, so no local variable may refer to a watch

    def _look_and_wait(self) -> None:
        seen = self._waker.rings
        waiting, period_s, due = self._look()
        if self._watches:
            self._waker.wait(waiting, seen, period_s, max(0.0, due - time.monotonic()))

    def _look(self) -> tuple[list[tuple[_core.Count, int]], float, float]:
        """Looks at all watches. Returns the counts to wait for, the period and the next look."""
        now = time.monotonic()
        waiting: list[tuple[_core.Count, int]] = []
        period_s, due = MAX_PERIOD_S, now + MAX_LOOK_S
        for key, one in self._watches.copy().items():
            if one.look(now):
                self._watches.pop(key, None)
                continue
            period_s = min(period_s, one.period_s)
            if one.over is not None:
                due = min(due, one.due)
            if one.count is not None and not one.counted:
                waiting.append((one.count, one.target))
        return waiting, period_s, due

    def _goes_on(self, since: int) -> bool:
        # What was put before is seen after this: the watches, and whether the thread ends. Items
        # that were left had collected, as long as the thread always had something to watch.
        with contextlib.suppress(queue.Empty):
            while True:
                self._wake.get_nowait()
        return not self._over and not exit_and_fork.forked(since)

    def end(self) -> None:
        """Ends the thread before the interpreter ends."""
        self._over = True
        self.rouse()
        if self._thread is not None:
            self._thread.join(EXIT_S)


_waker: _Waker | None = None


def watch(
    count: _core.Count | None,
    target: int,
    over: Callable[[], bool] | None,
    tell: Callable[[], object],
    period_s: float = MIN_PERIOD_S,
    look_s: float = LOOK_S,
    fail: Callable[[Exception], object] | None = None,
) -> Watch:
    """Begins a wait, which ends with one call of `tell` or `fail`, or with `unwatch`. See `Watch`.

    Raises
    ------
    StreamStateError
        The interpreter is ending.
    DriverError
        The system cannot start a thread.
    """
    global _waker
    if _waker is None:
        _waker = _Waker()
    one = Watch(count, target, over, tell, period_s, look_s, fail)
    _waker.add(one)
    return one


def unwatch(one: Watch) -> None:
    """Gives a wait up. `tell` may be running on the waking thread."""
    if _waker is not None:
        _waker.remove(one)


async def reached(
    count: _core.Count | None,
    target: int = 1,
    *,
    period_s: float = MIN_PERIOD_S,
    over: Callable[[], bool] | None = None,
    look_s: float = LOOK_S,
) -> None:
    """Waits in a task until a count has reached its target, and `over` returns True.

    The event loop is not blocked. A cancellation leaves nothing behind. The arguments are those of
    `Watch`. Python code that fulfils a condition itself need not tell: it is noticed within one
    period if the count has reached its target, otherwise within a tenth of a second.

    Raises
    ------
    Exception
        What `over` has raised.
    """
    if count is not None and over is None and count.value >= target:
        return
    task = waiter()
    errors: list[Exception] = []

    def fail(error: Exception) -> None:
        errors.append(error)
        task.wake()

    one = watch(count, target, over, task.wake, period_s, look_s, fail)
    try:
        await task.wait()
    finally:
        unwatch(one)
    if errors:
        raise errors.pop()


@exit_and_fork.at_the_end
def _end() -> None:
    if _waker is not None:
        _waker.end()


def _after_fork_in_child() -> None:
    global _waker
    _waker = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
