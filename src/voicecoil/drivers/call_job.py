"""The calls that a `CallThread` makes, and what it needs to make them."""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable
from typing import Any, Protocol

from voicecoil.errors import StreamTimeoutError

__all__ = [
    "AbandonedError",
    "Idle",
    "Job",
    "NotAsked",
    "NotBegunError",
    "Session",
    "check_wanted",
    "running",
]


class NotBegunError(StreamTimeoutError):
    """The call was not begun in time, because other calls took too long. It had no effect."""


class AbandonedError(Exception):
    """Another thread makes the calls now. Raised only in work that was abandoned."""


class NotAsked(enum.Enum):
    """The result of `CallThread.ask` if it has not called its work."""

    BUSY = 0


running = threading.local()  # `job`: the job that the thread is working on


def check_wanted() -> Job | None:
    """Raises `AbandonedError` on a thread that was replaced.

    It is called before each call to an audio system, or its result's `replaced` is looked at.
    Otherwise a late thread would call the audio system at the same time as the new thread.
    """
    job: Job | None = getattr(running, "job", None)
    if job is not None and job.replaced:
        raise AbandonedError(f"{job.name} did not return in time; another thread took over")
    return job


class Job:
    """One call. The lock of the `CallThread` guards all fields except `work` and `undo`."""

    def __init__(
        self,
        name: str,
        work: Callable[[], Any],
        timeout_s: float,
        undo: Callable[[Any], None] | None = None,
        unheard: bool = False,
    ) -> None:
        self.name = name
        self.work = work
        self.timeout_s = timeout_s
        self.undo = undo
        self.unheard = unheard  # no caller waits for it, so its error is reported
        self.session: Session | None = None
        self.deadline: float | None = None  # None: the call has not begun
        self.abandoned = False
        # Its byte is 1 if the call hung, and another thread makes the next calls. Code in C looks
        # at it between calls, without the GIL.
        self.mark = bytearray(1)
        self.done = False
        self.settled = False  # True: the call has no effect that must still be undone
        self.result: Any = None
        self.error: BaseException | None = None
        self.refused: BaseException | None = None  # the error if no session could be made

    def timed_out(self) -> StreamTimeoutError:
        """The error of a call that missed its deadline."""
        return StreamTimeoutError(
            f"{self.name} did not return within {self.timeout_s:g} s; the call was abandoned, and "
            "its effects are undone when it returns. Replug the device, or choose another"
        )

    def outcome(self) -> Any:
        """Returns the result of a call that has ended, or raises its error. Call it once."""
        if self.error is None:
            return self.result
        if isinstance(self.error, AbandonedError):
            raise self.timed_out()
        self.settled = True
        try:
            raise self.error
        finally:
            # The traceback of the error refers to this job. As a reference cycle, both would keep
            # the caller's objects alive until the next garbage collection.
            self.error = None

    @property
    def replaced(self) -> bool:
        """Whether the call hung, and another thread makes the next calls."""
        return self.mark[0] != 0


class Session(Protocol):
    """The objects of the audio system that one thread uses and no other thread may use."""

    def close(self) -> None:
        """Releases the session. Called after its thread was replaced and has returned."""


class Idle(Protocol):
    """Work that the thread does while it has no jobs: short requests that are handed over in C."""

    abandoned: bool  # a request was given up: it takes no other one
    over: bool  # set when a request was given up and its call has returned: it is not used again

    @property
    def pokes(self) -> int: ...

    def poke(self) -> None:
        """Lets `serve` return. Never waits."""

    def serve(self, seen: int, timeout_s: float) -> bool | None:
        """Works until `pokes` is no longer `seen`, or until there was no request for a time.

        Returns whether it was poked; None: a request that was given up has returned.
        """

    def hand_over(self, work: Callable[[], object], timeout_s: float) -> bool | None:
        """Lets the thread call `work`, and waits for it. Any thread may call this.

        Returns False if `work` was not called, because the thread is busy; None if it was given up
        at the deadline. An exception of a signal handler gives it up, too; see `abandoned`.
        """
