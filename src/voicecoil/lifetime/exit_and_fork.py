"""Life and death: what outlives a stream, exit, fork, and the thread that does things later.

The control thread exists only once something needs it. It closes streams that were dropped or that
closed themselves in their own callback (a thread cannot wait for itself), and ticks for those who
have something to look at (a mixer whose last clip ended).
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
_tasks: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
_tickers: dict[Callable[[], bool], _Ticker] = {}
_thread: BackgroundThread | None = None
_starting = threading.Lock()
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


def start(thread: BackgroundThread) -> None:
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


def submit(task: Callable[[], None]) -> None:
    """Runs `task` soon on the control thread. Safe in `__del__` and in a callback."""
    _tasks.put(task)
    if not _exiting:
        _ensure_thread()


def tick(look: Callable[[], bool], every_s: float = TICK_S) -> None:
    """Calls `look` every `every_s` seconds on the control thread until it returns False."""
    _tickers[look] = _Ticker(every_s)
    submit(lambda: None)


def _ensure_thread() -> None:
    global _thread
    if _thread is not None and _thread.is_alive():
        return
    # Never blocks: who holds the lock is starting the thread.
    if _starting.acquire(blocking=False):
        try:
            if _thread is None or not _thread.is_alive():
                _thread = BackgroundThread(_run, "voicecoil control")
                _thread.start()
        except RuntimeError:
            _thread = None  # the interpreter is ending: no thread can be started
        finally:
            _starting.release()


def _run() -> None:
    while True:
        try:
            task = _tasks.get(timeout=_until_a_tick())
            if task is None:
                return
            _guarded(task)
            del task
        except queue.Empty:
            pass
        for look, ticker in list(_tickers.items()):
            if time.monotonic() >= ticker.due:
                ticker.due = time.monotonic() + ticker.every_s
                if not _guarded(look) and _tickers.get(look) is ticker:
                    _tickers.pop(look, None)


def _until_a_tick() -> float | None:
    due = [ticker.due for ticker in list(_tickers.values())]
    return max(0.0, min(due) - time.monotonic()) if due else None


def _guarded(call: Callable[[], object]) -> object:
    """Nobody waits for this thread: what goes wrong here goes where `__del__`'s errors go."""
    try:
        return call()
    except Exception as error:
        report(error, call)
        return False


def report(error: BaseException, source: object) -> None:
    """Shows an error that can be raised to nobody as Python shows those of `__del__`."""
    _core.write_unraisable(error, source)


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
    if _thread is not None and _thread.is_alive():
        _tasks.put(None)
        _thread.join(max(AT_LEAST_S, until - time.monotonic()))
    with contextlib.suppress(queue.Empty):
        while True:
            task = _tasks.get_nowait()
            if task is not None:
                _guarded(task)
    for task in _last:
        _guarded(task)


def _after_fork_in_child() -> None:
    """The child has none of the threads; what the parent opened stays the parent's."""
    global _pid, _generation, _tasks, _thread, _starting
    _pid = os.getpid()
    _generation += 1
    _thread = None
    _tasks = queue.SimpleQueue()
    _tickers.clear()
    _starting = threading.Lock()
    _live.clear()
    _core.forget_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
