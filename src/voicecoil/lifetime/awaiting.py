"""Calls that may block, made by tasks without blocking the event loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from voicecoil.lifetime import exit_and_fork
from voicecoil.lifetime.tasks import waiter

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
    one = waiter()
    results: list[Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(call())
        except BaseException as error:
            errors.append(error)
        one.wake()

    exit_and_fork.submit(run)
    cancelled = await one.wait_out(hurry)
    try:
        if cancelled is not None:
            if errors:
                exit_and_fork.report(errors[0], call)
            raise cancelled
        if errors:
            raise errors[0]
        return results[0]
    finally:
        del cancelled  # its traceback refers to this frame
        errors.clear()
