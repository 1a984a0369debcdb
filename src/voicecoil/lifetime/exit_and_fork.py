"""Exit of the interpreter, forks, the background thread and the listener thread.

Both threads are started when they are first needed. The background thread calls tickers at
intervals, for example to notice that a mixer's last clip has ended. It also starts a thread for
each task that may block, such as closing a stream that was garbage collected or that closed itself
in its callback. So a stream whose callback does not return delays no other stream. The listener
thread calls the listeners of the program, one after the other.
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
from voicecoil.errors import DriverError, ForkedError, StreamStateError
from voicecoil.lifetime.background_thread import BackgroundThread
from voicecoil.lifetime.flag import Flag
from voicecoil.lifetime.thread import Thread
from voicecoil.lifetime.weak_registry import Alive

__all__ = [
    "ENDING",
    "ThreadOnDemand",
    "at_the_end",
    "forked",
    "generation",
    "is_ending",
    "on_listener_thread",
    "register",
    "registered",
    "report",
    "start",
    "start_thread",
    "submit",
    "tell",
    "tick",
]

ENDING = "the interpreter is ending, and every stream was closed; open streams before that"

BEGUN_S = 0.1  # how soon the control thread notices that a task of its own thread has ended
TICK_S = 0.01
EXIT_S = 1.0  # time that the exit of the program gives to all streams and threads together
AT_LEAST_S = 0.05  # shortest time that each stream or thread gets


class Closable(Protocol):
    def close_at_exit(self, timeout_s: float) -> None: ...


class _Ticker:
    def __init__(self, every_s: float) -> None:
        self.every_s = every_s
        self.due = time.monotonic() + every_s


_pid = os.getpid()
_generation = 0  # number of forks between this process and the one that imported voicecoil
_live: Alive[Closable] = Alive()
_last: list[Callable[[], None]] = []
_exiting = False


def generation() -> int:
    """The fork generation. It differs between a process and the children that it forks."""
    return _generation


def forked(since: int) -> bool:
    """Whether this process was forked after `generation` had returned `since`."""
    return since != _generation


def register(thing: Closable) -> None:
    """Lets the exit handler call `thing.close_at_exit(timeout_s)`, if `thing` is still alive then.

    Raises
    ------
    StreamStateError
        The interpreter is ending already, so `thing` would not be closed.
    """
    # `thing` is added before `_exiting` is read. So either `_exit` finds `thing`, or the lines
    # below find that `_exiting` is set.
    _live.add(thing)
    if _exiting:
        _live.discard(thing)
        raise StreamStateError(ENDING)


def registered() -> list[Closable]:
    """The objects that the exit handler would close now."""
    return _live.now()


def is_ending() -> bool:
    """Whether the interpreter is ending, and streams are being closed or were closed."""
    return _exiting


def start_thread(target: Callable[[], object], name: str) -> BackgroundThread:
    """Makes and starts a daemon thread.

    Callers store the thread only after this has returned, so that a later call tries again if the
    start failed. Raises the same errors as `start`.
    """
    thread = BackgroundThread(target, name)
    start(thread)
    return thread


def start(thread: BackgroundThread | Thread) -> None:
    """Starts `thread`.

    Raises
    ------
    ForkedError
        A signal handler has forked the process meanwhile, and this is the child.
    StreamStateError
        The interpreter is ending and starts no more threads.
    DriverError
        The system cannot start a thread.
    """
    try:
        thread.start()
    except ForkedError:  # is a RuntimeError, too, but must not be replaced
        raise
    except (RuntimeError, MemoryError, OSError) as error:
        if _exiting or "shutdown" in str(error):
            raise StreamStateError(ENDING) from error
        raise DriverError(
            f"the system gives no thread ({error}); end some of the program's threads, or raise "
            "the limit on them",
            call="pthread_create",
        ) from error


def at_the_end(task: Callable[[], None]) -> Callable[[], None]:
    """Lets the exit handler call `task` after closing all registered objects. Returns `task`."""
    _last.append(task)
    return task


class ThreadOnDemand:
    """A daemon thread that is started when it is first needed, and again if it has ended.

    Parameters
    ----------
    target : callable
        Called without arguments.
    name : str
    """

    def __init__(self, target: Callable[[], object], name: str) -> None:
        self._target = target
        self._name = name
        self._thread: BackgroundThread | None = None
        self._starting = threading.Lock()

    @property
    def was_started(self) -> bool:
        """Whether the thread was ever started."""
        return self._thread is not None

    def is_alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def ensure(self) -> None:
        """Starts the thread if it does not run. Does not block. Raises the errors of `start`."""
        # If the lock is taken, the thread that holds it is starting this one.
        if self.is_alive() or not self._starting.acquire(blocking=False):
            return
        try:
            if not self.is_alive():
                self._thread = start_thread(self._target, self._name)
        finally:
            self._starting.release()

    def join(self, timeout_s: float) -> None:
        """Waits until the thread has ended, for `timeout_s` seconds at most."""
        if self._thread is not None:
            self._thread.join(timeout_s)


class _Lane:
    """Runs tasks one after the other, on a thread that is started with the first task."""

    def __init__(self, name: str) -> None:
        self._tasks: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = ThreadOnDemand(self._run, name)

    def put(self, task: Callable[[], None]) -> None:
        """Runs `task` soon. Any thread may call this, also in `__del__` and in a callback."""
        self._tasks.put(task)
        if not _exiting and not self._thread.is_alive():
            # If this fails, the next task tries again, and the exit runs the remaining tasks.
            with contextlib.suppress(DriverError, StreamStateError):
                self._thread.ensure()

    def _run(self) -> None:
        since = _generation
        while not forked(since):  # if a task forks, this thread ends in the child
            try:
                task = self._tasks.get(timeout=self._look())
            except queue.Empty:
                continue
            except MemoryError:  # the thread must not end, because it has to call the tickers
                time.sleep(TICK_S)
                continue
            if task is None:
                return
            _guarded(task)
            del task

    def _look(self) -> float | None:
        """Called before each task. Returns the seconds until the next call is due; None: never."""
        return None

    def end(self, until: float) -> None:
        """At exit: ends the thread, and runs the remaining tasks on the calling thread."""
        if self._thread.is_alive():
            self._tasks.put(None)
            self._thread.join(max(AT_LEAST_S, until - time.monotonic()))
        with contextlib.suppress(queue.Empty):
            while True:
                task = self._tasks.get_nowait()
                if task is not None:
                    _guarded(task)


class _BackgroundLane(_Lane):
    """A lane that also calls the tickers. Tasks that may block must not run on it."""

    def __init__(self) -> None:
        super().__init__("voicecoil control")
        self.tickers: dict[Callable[[], bool], _Ticker] = {}
        self._begun: list[BackgroundThread] = []  # threads of tasks that may not have ended

    def _look(self) -> float | None:
        for look, ticker in list(self.tickers.items()):
            if time.monotonic() >= ticker.due:
                ticker.due = time.monotonic() + ticker.every_s
                if not _guarded(look) and self.tickers.get(look) is ticker:
                    self.tickers.pop(look, None)
        due = [ticker.due for ticker in list(self.tickers.values())]
        self._begun = [thread for thread in self._begun if thread.is_alive()]
        if self._begun:
            # In a free-threaded Python, an object that this thread has made and that a task was
            # last to use is freed only when this thread runs again.
            due.append(time.monotonic() + BEGUN_S)
        return max(0.0, min(due) - time.monotonic()) if due else None

    def begin(self, task: Callable[[], None]) -> None:
        """Runs `task` on a new thread, or on this thread if the system cannot start a thread."""
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

    def wait(self, until: float) -> None:
        """Waits until the tasks that were given before have ended, or until the deadline."""
        if not self._thread.was_started:
            return
        begun = Flag()
        self.put(begun.set)
        begun.wait(max(0.0, until - time.monotonic()))
        for thread in self._begun:
            thread.join(max(0.0, until - time.monotonic()))


def wait_for_tasks(timeout_s: float) -> None:
    """Waits until the tasks given to `submit` have ended, for `timeout_s` seconds at most."""
    _background.wait(time.monotonic() + timeout_s)


def submit(task: Callable[[], None]) -> None:
    """Runs `task`, which may block, soon on a thread of its own.

    Any thread may call this, also in `__del__` and in a callback.
    """
    _background.put(partial(_background.begin, task))


def tell(task: Callable[[], None]) -> None:
    """Runs `task`, which calls the program's code, soon on the listener thread.

    Tasks run in the order in which they were given.
    """
    _listeners.put(partial(_listen, task))


def _listen(task: Callable[[], None]) -> None:
    global _listener_ident
    _listener_ident = threading.get_ident()
    task()


def on_listener_thread() -> bool:
    """Whether the calling thread is the listener thread, which must not wait for a listener."""
    return _listener_ident == threading.get_ident()


def tick(look: Callable[[], bool], every_s: float = TICK_S) -> None:
    """Calls `look` every `every_s` seconds on the background thread until it returns False.

    `look` must not block, because all other tickers wait for it. Work that may block goes to
    `submit`.
    """
    _background.tickers[look] = _Ticker(every_s)
    _background.put(lambda: None)


def _guarded(call: Callable[[], object]) -> object:
    """Calls `call`. Reports an error like an error in `__del__`, as no caller can catch it."""
    try:
        return call()
    except Exception as error:
        report(error, call)
        return False


def report(error: BaseException, source: object) -> None:
    """Reports an error that no caller can catch, as Python reports errors in `__del__`."""
    _core.write_unraisable(error, source)


_background = _BackgroundLane()
_listeners = _Lane("voicecoil control")
_listener_ident = 0  # ident of the listener thread; 0: it has called no listener yet


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
    for lane in (_listeners, _background):
        lane.end(until)
    for task in _last:
        _guarded(task)


def _after_fork_in_child() -> None:
    """Resets the module in a forked child, which has no threads and owns none of the streams."""
    global _pid, _generation, _background, _listeners
    _pid = os.getpid()
    _generation += 1
    _background, _listeners = _BackgroundLane(), _Lane("voicecoil control")
    _live.clear()
    _core.forget_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
