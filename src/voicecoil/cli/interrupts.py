"""Ctrl-C between two pictures, never inside one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

__all__ = ["Interrupts"]

ENDINGS = ("SIGINT", "SIGTERM", "SIGHUP")


class Interrupts:
    """Puts off signals that end the process while something must not be left half done.

    A picture that is cut off in its middle leaves a terminal in a state that nobody knows. To block
    the signals would not do: the system may deliver them to any other thread.
    """

    def __init__(self) -> None:
        self._before: dict[int, Callable[[int, FrameType | None], Any]] = {}
        self._holding = False
        self._waiting: int | None = None

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for name in ENDINGS:
                number = getattr(signal, name, None)
                handler = signal.getsignal(number) if number is not None else None
                if number is not None and callable(handler):  # an ignored one stays ignored
                    self._before[number] = handler
                    signal.signal(number, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._holding:
            self._waiting = number
        else:
            self._before[number](number, frame)

    @contextmanager
    def held(self) -> Iterator[None]:
        """What is inside is not interrupted; the signal comes right behind it."""
        self._holding = True
        try:
            yield
        finally:
            self._holding = False
        number, self._waiting = self._waiting, None
        if number is not None:
            self._before[number](number, None)
