"""Delays Ctrl-C and other signals while the live display is drawn."""

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
    """Delays signals that end the process during operations that must complete.

    A drawing that is interrupted leaves the terminal in an unknown state. Blocking the signals is
    not enough, because the system may deliver them to any other thread.
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
                if number is not None and callable(handler):  # not callable: SIG_IGN or SIG_DFL
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
        """Delay a signal until the end of the ``with`` block."""
        self._holding = True
        try:
            yield
        finally:
            self._holding = False
        number, self._waiting = self._waiting, None
        if number is not None:
            self._before[number](number, None)
