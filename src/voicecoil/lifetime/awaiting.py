"""Waits of asyncio tasks for streams and sounds, which never block the event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TypeVar

from voicecoil import _core
from voicecoil.lifetime import exit_and_fork
from voicecoil.lifetime.ends import unwatch, watch

__all__ = ["off_the_loop", "until_over"]

Result = TypeVar("Result")


async def until_over(thing: _core.Engine | _core.MixerClip, over: Callable[[], bool]) -> None:
    """Waits until `over` returns True, without a thread for each wait.

    Parameters
    ----------
    thing : Engine or MixerClip
    over : callable
        Called on the watching thread. It must not wait.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()

    def settle() -> None:
        if not future.done():
            future.set_result(None)

    def tell() -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed
            loop.call_soon_threadsafe(settle)

    one = watch(thing, over, tell)
    try:
        await future
    finally:
        unwatch(one)


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
