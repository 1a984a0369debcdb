"""What outlives a stream: the end of the program, forks, and threads that do things later.

Two control threads exist only once something needs them. One ticks for those who have something to
look at (a mixer whose last clip ended), and starts a thread for each task that may block: closing a
stream that was dropped, or that closed itself in its own callback. So a stream whose callback does
not return holds up no other one. The other one calls the program's own listeners, one after the
other.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import queue
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Protocol

from voicecoil import _core
from voicecoil.errors import DriverError, StreamStateError
from voicecoil.lifetime.background_thread import BackgroundThread
from voicecoil.lifetime.weak_registry import Alive

__all__ = [
    "ENDING",
    "at_the_end",
    "forked",
    "generation",
    "is_ending",
    "register",
    "report",
    "start",
    "start_thread",
    "submit",
    "tell",
    "tick",
]

ENDING = "the interpreter is ending, and every stream was closed; open streams before that"

TICK_S = 0.01
EXIT_S = 1.0  # what the end of the program gives to all that runs, together
AT_LEAST_S = 0.05  # and to each


class Closable(Protocol):
    def close_at_exit(self, timeout_s: float) -> None: ...


class _Ticker:
    def __init__(self, every_s: float) -> None:
        self.every_s = every_s
        self.due = time.monotonic() + every_s


_pid = os.getpid()
_generation = 0  # how often this process was forked from one that had us loaded
_live: Alive[Closable] = Alive()
_last: list[Callable[[], None]] = []
_exiting = False


def generation() -> int:
    """Tells a process from the one that it was forked from."""
    return _generation


def forked(since: int) -> bool:
    """Whether this process was forked since `generation` gave `since`."""
    return since != _generation


def register(thing: Closable) -> None:
    """Has `thing.close_at_exit(timeout_s)` called when the interpreter ends, if it still lives.

    Raises
    ------
    StreamStateError
        It is ending now: nothing would close it any more.
    """
    _live.add(thing)  # before the look: either `_exit` sees it or this sees `_exiting`
    if _exiting:
        _live.discard(thing)
        raise StreamStateError(ENDING)


def is_ending() -> bool:
    """Whether everything was closed because the interpreter ends, or is being closed."""
    return _exiting


def start_thread(target: Callable[[], object], name: str) -> BackgroundThread:
    """Starts a daemon thread.

    Record the thread only when this has returned: what failed once is tried again by the next call.
    Raises as `start` does.
    """
    thread = BackgroundThread(target, name)
    start(thread)
    return thread


def start(thread: BackgroundThread | threading.Thread) -> None:
    """Starts a thread that is there already.

    Raises
    ------
    StreamStateError
        The interpreter is ending: it starts no thread any more.
    DriverError
        The system gives none.
    """
    try:
        thread.start()
    except (RuntimeError, MemoryError, OSError) as error:
        if _exiting or "shutdown" in str(error):
            raise StreamStateError(ENDING) from error
        raise DriverError(
            f"the system gives no thread ({error}); end some of the program's threads, or raise "
            "the limit on them",
            call="pthread_create",
        ) from error


def at_the_end(task: Callable[[], None]) -> Callable[[], None]:
    """Calls `task` when the interpreter ends and all that was registered is closed."""
    _last.append(task)
    return task


class _Lane:
    """Runs tasks one after the other, on a thread that exists once there was one."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._tasks: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: BackgroundThread | None = None
        self._starting = threading.Lock()

    def put(self, task: Callable[[], None]) -> None:
        """Runs `task` soon. Safe in `__del__` and in a callback. [any]"""
        self._tasks.put(task)
        if not _exiting:
            self._ensure_thread()

    def _ensure_thread(self) -> None:
        if self._thread is not None and self._thread.is_alive():
            return
        # Does not block: the thread that holds the lock is starting the lane's thread.
        if self._starting.acquire(blocking=False):
            try:
                if self._thread is None or not self._thread.is_alive():
                    self._thread = start_thread(self._run, self._name)
            except (DriverError, StreamStateError):
                pass  # the next task tries again, and the exit runs what is left
            finally:
                self._starting.release()

    def _run(self) -> None:
        since = _generation
        while not forked(since):  # a task may fork: its child has this thread only, which ends
            try:
                task = self._tasks.get(timeout=self._look())
            except queue.Empty:
                continue
            if task is None:
                return
            _guarded(task)
            del task

    def _look(self) -> float | None:
        """Called before each task; returns how soon to call it again, s."""
        return None

    def end(self, until: float) -> None:
        """At exit: ends the thread, and runs what is left on this one."""
        if self._thread is not None and self._thread.is_alive():
            self._tasks.put(None)
            self._thread.join(max(AT_LEAST_S, until - time.monotonic()))
        with contextlib.suppress(queue.Empty):
            while True:
                task = self._tasks.get_nowait()
                if task is not None:
                    _guarded(task)


class _BackgroundLane(_Lane):
    """Also calls the tickers. Nothing that may block runs here."""

    def __init__(self) -> None:
        super().__init__("voicecoil control")
        self.tickers: dict[Callable[[], bool], _Ticker] = {}
        self._begun: list[BackgroundThread] = []  # those that may not have ended

    def _look(self) -> float | None:
        for look, ticker in list(self.tickers.items()):
            if time.monotonic() >= ticker.due:
                ticker.due = time.monotonic() + ticker.every_s
                if not _guarded(look) and self.tickers.get(look) is ticker:
                    self.tickers.pop(look, None)
        due = [ticker.due for ticker in list(self.tickers.values())]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def begin(self, task: Callable[[], None]) -> None:
        """Runs `task` on a thread of its own; if the system gives none, on this one."""
        self._begun = [thread for thread in self._begun if thread.is_alive()]
        try:
            thread = start_thread(partial(_guarded, task), "voicecoil task")
        except (DriverError, StreamStateError):
            task()
        else:
            self._begun.append(thread)

    def end(self, until: float) -> None:
        super().end(until)
        for thread in self._begun:
            thread.join(max(AT_LEAST_S, until - time.monotonic()))


def submit(task: Callable[[], None]) -> None:
    """Runs `task`, which may block, soon on a thread of its own.

    Safe in `__del__` and in a callback.
    """
    _background.put(partial(_background.begin, task))


def tell(task: Callable[[], None]) -> None:
    """Calls the program's own code soon, after all that `tell` was given before."""
    _control.put(task)


def tick(look: Callable[[], bool], every_s: float = TICK_S) -> None:
    """Calls `look` every `every_s` seconds on a control thread until it returns False.

    It must not block, because all the others wait for it: it gives what may block to `submit`.
    """
    _background.tickers[look] = _Ticker(every_s)
    _background.put(lambda: None)


def _guarded(call: Callable[[], object]) -> object:
    """Calls it. Nothing waits for this thread: an error goes where those of `__del__` go."""
    try:
        return call()
    except Exception as error:
        report(error, call)
        return False


def report(error: BaseException, source: object) -> None:
    """Shows an error that can be raised to nobody as Python shows those of `__del__`."""
    _core.write_unraisable(error, source)


_background = _BackgroundLane()
_control = _Lane("voicecoil control")


@atexit.register
def _exit() -> None:
    global _exiting
    if _pid != os.getpid():
        return
    _exiting = True
    until = time.monotonic() + EXIT_S
    for thing in _live.now():
        left_s = max(AT_LEAST_S, until - time.monotonic())
        _guarded(partial(thing.close_at_exit, left_s))
    for lane in (_control, _background):
        lane.end(until)
    for task in _last:
        _guarded(task)


def _after_fork_in_child() -> None:
    """The child has none of the threads; what the parent opened stays the parent's."""
    global _pid, _generation, _background, _control
    _pid = os.getpid()
    _generation += 1
    _background, _control = _BackgroundLane(), _Lane("voicecoil control")
    _live.clear()
    _core.forget_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
