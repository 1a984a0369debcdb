"""Waits of a task: with a future of asyncio, or with the scheduler of trio.

trio is not imported here. A task can only be one of trio's if the program has imported trio.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, NoReturn

from voicecoil.errors import StreamStateError

__all__ = ["Waiter", "running_loop", "time_limit", "waiter"]


class Waiter:
    """One wait of the task that has made it. See `waiter`."""

    def wake(self) -> None:
        """Ends the wait. Any thread may call it, any number of times, also when no task waits."""
        raise NotImplementedError

    async def wait(self) -> None:
        """Waits for `wake`, also if it was called before. A cancellation ends the wait."""
        raise NotImplementedError

    async def wait_out(self, hurry: Callable[[], object] | None) -> BaseException | None:
        """Waits for `wake` even if the task is cancelled; then `hurry` is called.

        Returns the cancellation, which the task must raise, or None.
        """
        raise NotImplementedError


class _AsyncioWaiter(Waiter):
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._future: asyncio.Future[None] = loop.create_future()

    def wake(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed
            self._loop.call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        if not self._future.done():
            self._future.set_result(None)

    async def wait(self) -> None:
        await self._future

    async def wait_out(self, hurry: Callable[[], object] | None) -> BaseException | None:
        cancelled: asyncio.CancelledError | None = None
        while not self._future.done():
            try:
                await asyncio.wait({self._future})
            except asyncio.CancelledError as error:
                cancelled = error
                if hurry is not None:
                    hurry()
        return cancelled


class _TrioWaiter(Waiter):
    def __init__(self, trio: Any) -> None:
        self._trio = trio
        self._token = trio.lowlevel.current_trio_token()
        self._task = trio.lowlevel.current_task()
        self._woken = self._waits = False  # changed by trio's thread only

    def wake(self) -> None:
        with contextlib.suppress(self._trio.RunFinishedError):
            self._token.run_sync_soon(self._settle)

    def _settle(self) -> None:
        self._woken = True
        if self._waits:
            self._waits = False
            self._trio.lowlevel.reschedule(self._task)

    async def wait(self) -> None:
        await self._sleep(self._give_up)

    def _give_up(self, _raise_cancel: object) -> Any:
        self._waits = False
        return self._trio.lowlevel.Abort.SUCCEEDED

    async def wait_out(self, hurry: Callable[[], object] | None) -> BaseException | None:
        cancellations: list[Callable[[], NoReturn]] = []

        def go_on(raise_cancel: Callable[[], NoReturn]) -> Any:
            cancellations.append(raise_cancel)
            if hurry is not None:
                hurry()
            return self._trio.lowlevel.Abort.FAILED

        await self._sleep(go_on)
        if not cancellations:
            return None
        try:
            cancellations[0]()
        except BaseException as cancelled:
            return cancelled

    async def _sleep(self, abort: Callable[[Any], Any]) -> None:
        if self._woken:
            await self._trio.lowlevel.checkpoint()
            return
        self._waits = True
        await self._trio.lowlevel.wait_task_rescheduled(abort)


def waiter() -> Waiter:
    """Returns a wait of the calling task.

    Raises
    ------
    StreamStateError
        The caller is no task of asyncio or trio.
    """
    trio = _trio()
    return _TrioWaiter(trio) if trio is not None else _AsyncioWaiter(_asyncio_loop())


def running_loop() -> object:
    """Returns what runs the calling task: asyncio's loop, or the token of trio's run.

    Raises
    ------
    StreamStateError
        The caller is no task of asyncio or trio.
    """
    trio = _trio()
    return trio.lowlevel.current_trio_token() if trio is not None else _asyncio_loop()


def time_limit(seconds: float | None) -> AbstractAsyncContextManager[object]:
    """Cancels its block after some seconds, and then raises TimeoutError. None: never."""
    trio = _trio()
    return asyncio.timeout(seconds) if trio is None else _trio_limit(trio, seconds)


@asynccontextmanager
async def _trio_limit(trio: Any, seconds: float | None) -> AsyncIterator[None]:
    with trio.CancelScope() as scope:
        if seconds is not None:
            scope.deadline = trio.current_time() + seconds
        yield
    if scope.cancelled_caught:
        raise TimeoutError


def _asyncio_loop() -> asyncio.AbstractEventLoop:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise StreamStateError(
            "only a task of asyncio or trio can await this; call the method that blocks, such as "
            "wait(), read() or close(), or use asyncio.run() or trio.run()"
        ) from None


def _trio() -> Any:
    """Returns the module trio if the caller is a task of trio's."""
    trio = sys.modules.get("trio")
    if trio is None:
        return None
    # One of the two may run inside the other. sniffio, which trio needs, tells them apart.
    import sniffio

    try:
        return trio if sniffio.current_async_library() == "trio" else None
    except sniffio.AsyncLibraryNotFoundError:
        return None
