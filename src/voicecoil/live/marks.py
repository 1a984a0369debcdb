"""Marks: names of places between the frames of a player, reported when they are heard."""

from __future__ import annotations

import threading
import time
import weakref
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from voicecoil import _core
from voicecoil.callbacks.listener import check_listener
from voicecoil.errors import StreamStateError
from voicecoil.lifetime import exit_and_fork
from voicecoil.lifetime.waking import reached, watch

__all__ = ["MAX_PENDING", "Mark", "MarkBook", "Marks", "OnMark"]

MAX_PENDING = 4096  # marks and ends of utterances that can wait to be heard
KEPT = 10_000  # marks that are kept after they were reported
LOOK_S = 0.01
OVER_LOOK_S = 0.25  # interval at which an iteration notices that the player was closed


@dataclass(frozen=True)
class Mark:
    """A mark that was heard, or that was cleared before.

    Attributes
    ----------
    name : object
        As given to :meth:`Player.mark`.
    frame : int
        Frames that were written to the player before the mark.
    heard : bool
        False: the frames before the mark were cleared, or the player was closed.
    host_ns : int or None
        Host time at which the mark was at the connector, ns; the clock is that of
        :meth:`Player.now_ns`. None if it was not heard.
    """

    name: Any
    frame: int
    heard: bool
    host_ns: int | None


OnMark = Callable[[Mark], object]


def check_on_mark(on_mark: Any) -> OnMark | None:
    """Returns `on_mark`, or raises ArgumentTypeError if it cannot be a listener."""
    checked: OnMark | None = check_listener(on_mark, "on_mark", "one argument, the Mark")
    return checked


class MarkBook:
    """The marks of one player. Any thread may use it.

    Parameters
    ----------
    code : PlayerCode
    now_ns : callable
        Returns the host time; None when the player is closed and no more time passes.
    cut : callable
        Called with the number and the position of each clear that was made.
    on_mark : callable or None
        Called with each mark that is reported, on an ordinary thread.
    period_s : callable
        Returns the duration of the device's IO cycle, s.
    over : callable
        Returns whether no more marks will be heard.
    """

    def __init__(
        self,
        code: _core.PlayerCode,
        now_ns: Callable[[], int | None],
        cut: Callable[[int, int], None],
        on_mark: OnMark | None,
        period_s: Callable[[], float],
        over: Callable[[], bool],
    ) -> None:
        self._code = code
        self._now_ns = now_ns
        self._cut = cut
        self._on_mark = on_mark
        self._period_s = period_s
        self.over = over
        self._lock = threading.RLock()  # a signal handler may ask for the marks
        self._number = 0
        self._pending: dict[int, tuple[Any, int]] = {}
        self._coming: deque[Mark] = deque()  # played by the device, and not heard yet
        self._taken = 0  # results of the IO thread that were taken
        self._untaken: deque[Mark] = deque(maxlen=KEPT)  # reported, and in no iterator yet
        self.reported: deque[Mark] = deque(maxlen=KEPT)
        self._watching = False

    def set(self, name: Any, frame: int, position: int, clears: int, begins: bool) -> None:
        """Sets a mark. Call it in a step of the player's `Steps`.

        `clears` is the number of clears that the writer had seen before.

        Raises
        ------
        StreamStateError
            Too many marks wait.
        """
        self.collect()
        with self._lock:
            number = self._number = (self._number + 1) % 2**32
            self._pending[number] = name, frame
            set_it = len(self._pending) <= MAX_PENDING and self._code.mark(
                position, number, clears, begins
            )
            if not set_it:
                del self._pending[number]
                raise StreamStateError(
                    f"{MAX_PENDING} marks wait to be heard; set fewer, or wait for some of them"
                )
        self._call_back_later()

    def collect(self) -> None:
        """Takes the results of the IO thread, and reports the marks that are heard by now."""
        with self._lock:
            while (result := self._code.take()) is not None:
                kind, number, position, host_ns = result
                self._taken += 1
                if kind == _core.RESULT_CUT:
                    self._cut(number, position)
                elif number in self._pending:
                    name, frame = self._pending.pop(number)
                    heard = kind == _core.RESULT_HEARD
                    self._coming.append(Mark(name, frame, heard, host_ns if heard else None))
            now_ns = self._now_ns() if self._coming else 0
            while self._coming and self._is_due(self._coming[0], now_ns):
                self._report(self._coming.popleft())

    def _is_due(self, mark: Mark, now_ns: int | None) -> bool:
        return mark.host_ns is None or now_ns is None or mark.host_ns <= now_ns

    def _report(self, mark: Mark) -> None:
        self.reported.append(mark)
        self._untaken.append(mark)
        if self._on_mark is not None:
            exit_and_fork.tell(partial(_call, self._on_mark, mark))

    def end(self) -> None:
        """Reports the marks that will not be heard any more, after the player was closed."""
        self.collect()
        with self._lock:
            for mark in self._coming:
                self._report(mark)
            self._coming.clear()
            for name, frame in self._pending.values():
                self._report(Mark(name, frame, False, None))
            self._pending.clear()

    @property
    def waiting(self) -> bool:
        """Whether a mark was set that was not reported."""
        return bool(self._pending or self._coming)

    def take(self) -> Mark | None:
        """Takes the oldest mark that was reported and that no iterator has."""
        self.collect()
        with self._lock:
            return self._untaken.popleft() if self._untaken else None

    def is_ready(self) -> bool:
        """Whether `take` has a mark."""
        self.collect()
        return bool(self._untaken)

    async def ready(self) -> None:
        """Waits until `take` has a mark, or until no more marks will be heard."""
        await reached(
            self._code.results_count(),
            self._taken + (not self._coming),
            period_s=self._period_s(),
            over=lambda: self.is_ready() or self.over(),
            look_s=OVER_LOOK_S,
        )

    def _call_back_later(self) -> None:
        """Lets the waking thread report marks while some are waiting, for `on_mark`."""
        if self._on_mark is None or self._watching:
            return
        self._watching = True

        # The watch must not keep the book alive: `on_mark` may be a method of the object that owns
        # the player, which would then play for ever when both are dropped.
        alive = weakref.ref(self)

        def is_over() -> bool:
            book = alive()
            return book is None or book._is_over()

        def end() -> None:
            book = alive()
            if book is not None:
                book._go_on()

        try:
            watch(self._code.results_count(), 0, is_over, end, self._period_s())
        except BaseException:
            self._watching = False  # the next mark tries again
            raise

    def _is_over(self) -> bool:
        self.collect()
        return not self.waiting or self.over()

    def _go_on(self) -> None:
        self._watching = False
        if self.waiting and not self.over():
            self._call_back_later()


def _call(on_mark: OnMark, mark: Mark) -> None:
    on_mark(mark)


class Marks:
    """Iterates over the marks of a player when they are reported: ``for`` and ``async for``.

    Each mark is given to one iterator only. The iteration ends when the player is closed.
    """

    def __init__(self, book: MarkBook) -> None:
        self._book = book

    def __iter__(self) -> Iterator[Mark]:
        while True:
            over = self._book.over()
            if (mark := self._book.take()) is not None:
                yield mark
            elif over:
                return
            else:
                time.sleep(LOOK_S)

    async def __aiter__(self) -> AsyncIterator[Mark]:
        while True:
            over = self._book.over()
            if (mark := self._book.take()) is not None:
                yield mark
            elif over:
                return
            else:
                await self._book.ready()
