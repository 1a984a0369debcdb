"""Helpers for calls that run on threads of their own and take as long as a test wants."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

SHORT_S = 0.05
LONG_S = 30.0


class Gate:
    """A function whose call returns when the test sets the event `open`."""

    def __init__(self, result: Any = "done") -> None:
        self.inside, self.open = threading.Event(), threading.Event()
        self.result = result

    def __call__(self) -> Any:
        self.inside.set()
        assert self.open.wait(LONG_S)
        return self.result


class Caller(threading.Thread):
    """Calls a function on a thread of its own and keeps the result or the exception."""

    def __init__(self, call: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self.call, self.result, self.error = call, None, None
        self.start()

    def run(self) -> None:
        try:
            self.result = self.call()
        except BaseException as error:
            self.error = error

    def outcome(self) -> Any:
        self.join(LONG_S)
        assert not self.is_alive()
        return self.error or self.result
