"""Waits of the threads and tasks that write to a player."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Generator
from typing import Any

from voicecoil.errors import StreamClosedError, StreamTimeoutError
from voicecoil.lifetime.tasks import time_limit
from voicecoil.lifetime.waking import MAX_PERIOD_S, MIN_PERIOD_S, reached
from voicecoil.live.feed import Feed
from voicecoil.live.output_life import FirstStart
from voicecoil.live.steps import Steps, refuse_handler
from voicecoil.live.utterances import Utterance
from voicecoil.streams.monitor import StreamMonitor

__all__ = ["Done", "Finish", "Taken", "Write", "Writer"]


class Taken(int):
    """A number of frames, or a truth value, that a player has returned.

    It can also be awaited, which returns it at once. So ``await player.write(chunk)`` is right in
    each mode of a player.
    """

    def __await__(self) -> Generator[Any, None, int]:
        return int(self)
        yield  # makes this function a generator


class Done(Taken):
    """A truth value that a player has returned, which can also be awaited."""

    def __repr__(self) -> str:
        return repr(bool(self))


class Write:
    """One chunk that is being written.

    Parameters
    ----------
    feed : Feed
    chunk : array or bytes-like
    frames : int
    more : bool
        False: the utterance ends with the chunk.
    """

    def __init__(self, feed: Feed, chunk: Any, frames: int, more: bool) -> None:
        self._feed = feed
        self._chunk = feed.prepared(chunk)
        self._frames = frames
        self._more = more
        self._taken = 0
        self._one: Utterance | None = None

    def go_on(self) -> bool:
        """Takes as many frames as there is room for. Returns whether the chunk is written."""
        feed = self._feed
        if self._taken < self._frames:
            if self._one is None:
                self._one = feed.begin()
            if self._one.clears == feed.code.clears:
                self._taken += feed.put(self._one, self._chunk, self._taken)
            if self._one.clears != feed.code.clears:
                feed.discard(self._one, self._frames - self._taken)
                self._taken = self._frames
            if self._taken < self._frames:
                return False
        return self._more or feed.finish()

    @property
    def wanted(self) -> int:
        """Frames of the device's rate that still need room, at least 1."""
        return max(1, math.ceil((self._frames - self._taken) * self._feed.ratio))

    def progress(self) -> str:
        """For the message of an error."""
        return f"{self._taken} of {self._frames} frames of the chunk were taken"


class Finish:
    """The end of an utterance that is being written."""

    wanted = 1

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    def go_on(self) -> bool:
        """Writes as much as there is room for. Returns whether the utterance is finished."""
        return self._feed.finish()

    def progress(self) -> str:
        """For the message of an error."""
        return "the end of the utterance does not fit into the queue yet"


class Writer:
    """Lets threads and tasks write to a feed, one after the other.

    Parameters
    ----------
    feed : Feed
    monitor : StreamMonitor
        Of the player's stream.
    first_start : FirstStart
        Of this stream.

    Attributes
    ----------
    turn : Lock
        Held by the thread or task that writes, also while it waits for room.
    steps : Steps
        Each step of the feed is one of these.
    closed : bool
        The program has closed the player.
    told : bool
        An error has told the program why the player plays nothing more.
    """

    def __init__(self, feed: Feed, monitor: StreamMonitor, first_start: FirstStart) -> None:
        self._feed = feed
        self._monitor = monitor
        self._first_start = first_start
        self.turn = threading.Lock()
        self.steps = Steps()
        self._writing: set[int] = set()  # idents of the threads that have the turn or wait for it
        self.closed = False
        self.told = False

    @property
    def begun(self) -> bool:
        """Whether the device was started."""
        return self._first_start.done

    def refuse_closed(self) -> None:
        """Raises StreamClosedError after `close`, and ForkedError in a forked child."""
        if self.closed:
            raise StreamClosedError("the player is closed; make a new one")
        self._monitor.refuse_in_fork()

    def refuse_ended(self) -> None:
        """Raises why the player plays nothing more, if its stream has ended or it was closed."""
        self.refuse_closed()
        if self.begun and not self._monitor.goes_on:
            self.refuse_trouble()

    def refuse_trouble(self) -> None:
        """Raises why the player will play nothing more, if it will not."""
        self.refuse_closed()
        if (trouble := self._monitor.trouble()) is not None:
            self.told = True
            raise trouble
        if self.begun and not self._monitor.goes_on:
            raise StreamClosedError("the stream of the player has ended; make a new player")

    def put_at_once(self, chunk: Any) -> int:
        """Writes a whole chunk if that is possible without a wait. See `Feed.put_at_once`."""
        if not self._first_start.done:
            return -1
        return self._at_once(self._feed.put_at_once, chunk, -1)

    def put_some(self, chunk: Any) -> int:
        """Takes frames of a chunk that was examined, without a wait. Returns how many."""
        chunk = self._feed.prepared(chunk)
        return self._at_once(lambda rest: self._feed.put(self._feed.begin(), rest, 0), chunk, 0)

    def _at_once(self, step: Callable[[Any], int], chunk: Any, otherwise: int) -> int:
        """Runs a step for a chunk if nothing else is being written."""
        thread = threading.get_ident()
        if thread in self._writing:
            return otherwise
        try:
            self._writing.add(thread)
            if not self.turn.acquire(blocking=False):
                return otherwise
            try:
                return self.steps.run(step, chunk)
            finally:
                self.turn.release()
        finally:
            self._writing.discard(thread)

    def block(self, work: Write | Finish, seconds: float | None) -> None:
        """Does some work on the calling thread, which waits for room.

        Raises
        ------
        StreamTimeoutError
            The time has passed.
        StreamStateError
            The caller is a signal handler that has interrupted a write of its own thread.
        """
        thread = threading.get_ident()
        if thread in self._writing:
            raise refuse_handler()
        try:
            self._writing.add(thread)
            self._block(work, seconds)
        finally:
            self._writing.discard(thread)

    def _block(self, work: Write | Finish, seconds: float | None) -> None:
        until = None if seconds is None else time.monotonic() + seconds
        if not self.turn.acquire(timeout=-1 if seconds is None else seconds):
            raise StreamTimeoutError(
                f"another thread has been writing for {seconds:g} s; {work.progress()}"
            )
        try:
            if not self.sleep_until(lambda: self.steps.run(work.go_on), until):
                raise StreamTimeoutError(f"{seconds:g} s have passed; {work.progress()}")
        finally:
            self.turn.release()

    def sleep_until(self, step: Callable[[], bool], until: float | None) -> bool:
        """Calls `step`, which never waits, once in each IO cycle until it returns True.

        Returns False at the time `until`.
        """
        while not step():
            self.refuse_trouble()
            period_s = min(max(self._monitor.cycle_s, MIN_PERIOD_S), MAX_PERIOD_S)
            left_s = period_s if until is None else until - time.monotonic()
            if left_s <= 0:
                return False
            time.sleep(min(period_s, left_s))
        return True

    async def wait(self, work: Write | Finish, seconds: float | None) -> None:
        """Does some work in a task. The errors are those of `block`."""
        try:
            async with time_limit(seconds):
                while not self.turn.acquire(blocking=False):
                    await reached(None, over=lambda: not self.turn.locked())
                try:
                    while not self.steps.run(work.go_on):
                        self.refuse_trouble()
                        await self._room(work.wanted)
                finally:
                    self.turn.release()
        except StreamTimeoutError:
            raise
        except TimeoutError:
            raise StreamTimeoutError(f"{seconds:g} s have passed; {work.progress()}") from None

    async def _room(self, wanted: int) -> None:
        """Waits until there is room for some frames, but for a quarter of the queue at most.

        So a long chunk does not wake its task in each IO cycle.
        """
        code = self._feed.code
        wanted = min(wanted, max(1, code.capacity // 4))

        def is_over() -> bool:
            may_write = code.room >= wanted or self._feed.is_cleared
            return may_write or self.closed or self._monitor.trouble() is not None

        await reached(
            code.read_count(),
            code.written - code.capacity + wanted,
            period_s=self._monitor.cycle_s,
            over=is_over,
        )
