"""A queue of changes for its readers: loops, asynchronous loops, or a callback."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
import weakref
from collections.abc import AsyncIterator, Callable, Hashable, Iterator
from types import TracebackType
from typing import Generic, Self, TypeVar

from voicecoil.arguments import check_timeout
from voicecoil.callbacks.listener import check_listener
from voicecoil.errors import (
    ForkedError,
    StreamStateError,
    StreamTimeoutError,
    VoicecoilError,
)
from voicecoil.lifetime import exit_and_fork
from voicecoil.lifetime.tasks import Waiter, waiter
from voicecoil.sealed import Unique

__all__ = ["ChangeQueue"]

Item = TypeVar("Item")
LONGEST_S = 1e6  # of a single wait, because systems refuse very long ones


def _submit(end: Callable[[], object], generation: int) -> None:
    def ended() -> None:
        with contextlib.suppress(VoicecoilError):  # no caller waits for it
            end()

    if not exit_and_fork.forked(generation):  # in a child, the source is the parent's
        exit_and_fork.submit(ended)


class ChangeQueue(Unique, Generic[Item]):
    """Changes in their order, without a limit of time but with one item for each thing.

    A change of a thing whose earlier change has not been read yet is merged with it. So nothing is
    lost, and the queue does not grow while nobody reads.

    Parameters
    ----------
    callback : callable or None
        Called with each change on voicecoil's listener thread. An exception that it raises is
        reported as those in ``__del__``, and the callback gets later changes.

    Raises
    ------
    ArgumentTypeError
        The callback cannot be called, or is an async function or a generator function.
    """

    def __init__(self, callback: Callable[[Item], object] | None = None) -> None:
        self._callback = check_listener(callback, "callback", "one argument, the change")
        self._lock = threading.Lock()
        self._pending: dict[Hashable, Item] = {}
        # Holds an entry while there may be something to take. The reader that gets the entry puts
        # it back if there is more, or if the queue is over, so that no other reader sleeps on.
        self._signal: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._is_told = False  # whether a call of `_call` is under way that will see all changes
        self._tasks: set[Waiter] = set()
        self._over = False
        self._dropped: weakref.finalize[..., ChangeQueue[Item]] | None = None

    # ---- for the source ----

    def _when_dropped(self, end: Callable[[], object]) -> None:
        """Lets a thread of its own call `end` if the program drops this object without `close`.

        Neither `end` nor the source of the changes may refer to this object.
        """
        self._dropped = weakref.finalize(self, _submit, end, exit_and_fork.generation())
        self._dropped.atexit = False  # the exit handler ends the source

    def _put(self, key: Hashable, item: Item, merge: Callable[[Item, Item], Item | None]) -> None:
        """Adds a change. `merge` makes one of an unread and a new one; None: nothing is left."""
        with self._lock:
            if self._over:
                return
            merged: Item | None = item
            if key in self._pending:
                merged = merge(self._pending[key], item)
                del self._pending[key]
            if merged is None:
                return
            self._pending[key] = merged
        self._tell()

    def _finish(self) -> None:
        """No more changes come. Those that were not read yet can still be read."""
        with self._lock:
            self._over = True
        self._tell()

    def _tell(self) -> None:
        if self._callback is not None:
            if not self._is_told:  # one call takes all changes
                self._is_told = True
                exit_and_fork.tell(self._call)
            return
        self._wake_reader()
        for task in self._tasks.copy():
            task.wake()

    def _wake_reader(self) -> None:
        # Two threads may both find it empty and put an entry. It does not grow beyond that.
        if self._signal.empty():
            self._signal.put(None)

    def _take(self) -> Item | None:
        with self._lock:
            if not self._pending:
                return None
            return self._pending.pop(next(iter(self._pending)))

    def _call(self) -> None:
        self._is_told = False
        while self._callback is not None and (item := self._take()) is not None:
            try:
                self._callback(item)
            except Exception as error:
                exit_and_fork.report(error, self._callback)

    # ---- for the reader ----

    @property
    def ended(self) -> bool:
        """Whether no more changes come, because the watch was closed or its object has gone."""
        return self._over

    def wait(self, timeout_s: float | None = None) -> Item | None:
        """Return the next change, and wait for it.

        Parameters
        ----------
        timeout_s : float or None
            The longest wait, s; None: without end.

        Returns
        -------
        object or None
            None: no more changes come.

        Raises
        ------
        StreamTimeoutError
            There was no change in this time.
        StreamStateError
            The changes are given to a callback.
        """
        self._check_reader()
        seconds = check_timeout(timeout_s, "timeout_s")
        until = None if seconds is None else time.monotonic() + seconds
        while True:
            over = self._over  # read first: the last change comes before the end
            item = self._take()
            if item is not None or over:
                if self._pending or self._over:
                    self._wake_reader()
                return item
            try:
                left_s = None
                if until is not None:
                    left_s = min(max(0.0, until - time.monotonic()), LONGEST_S)
                self._signal.get(timeout=left_s)
            except queue.Empty:
                if left_s == LONGEST_S:
                    continue
                raise StreamTimeoutError(
                    f"{self!r} has seen no change within {timeout_s:g} s"
                ) from None

    def _check_reader(self) -> None:
        if self._callback is not None:  # a loop would wait for ever
            raise StreamStateError(
                f"{self!r} gives its changes to its callback; make another one without a callback "
                "to read changes in a loop"
            )

    def __iter__(self) -> Iterator[Item]:
        self._check_reader()
        return self

    def __next__(self) -> Item:
        item = self.wait()
        if item is None:
            raise StopIteration
        return item

    def __aiter__(self) -> AsyncIterator[Item]:
        self._check_reader()
        return self

    async def __anext__(self) -> Item:
        while True:
            task = waiter()
            self._tasks.add(task)
            try:
                over = self._over
                item = self._take()
                if item is not None:
                    return item
                if over:
                    raise StopAsyncIteration
                await task.wait()
            finally:
                self._tasks.discard(task)

    def close(self) -> None:
        """End the watch. A loop over it ends after the changes that were not read yet."""
        if self._dropped is not None:
            self._dropped.detach()
        self._finish()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with contextlib.suppress(ForkedError):  # in a child, the listeners are the parent's
            self.close()
