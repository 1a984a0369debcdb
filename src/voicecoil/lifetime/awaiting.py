"""Calls that may block, made by asyncio tasks without blocking the event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TypeVar

from voicecoil.lifetime import exit_and_fork

__all__ = ["off_the_loop"]

Result = TypeVar("Result")


async def off_the_loop(
    call: Callable[[], Result], hurry: Callable[[], object] | None = None
) -> Result:
    """Runs `call`, which may block, on a thread, and waits for it.

    If the task is cancelled, `hurry` is called, and the cancellation takes effect when `call` has
    returned. So nothing is left running. An error of `call` is reported then.

    Parameters
    ----------
    call : callable
    hurry : callable or None
        Makes `call` return soon. It must not wait.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Result] = loop.create_future()

    def run() -> None:
        try:
            result = call()
        except BaseException as error:
            settle, argument = future.set_exception, error
        else:
            settle, argument = future.set_result, result  # type: ignore[assignment]
        with contextlib.suppress(RuntimeError):  # the loop was closed
            loop.call_soon_threadsafe(settle, argument)

    exit_and_fork.submit(run)
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.wait({future})
        except asyncio.CancelledError as error:
            cancelled = error
            if hurry is not None:
                hurry()
    if cancelled is None:
        return future.result()
    if (unseen := future.exception()) is not None:
        exit_and_fork.report(unseen, call)
    raise cancelled
