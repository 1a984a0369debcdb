"""The library checks libpulse's answers before miniaudio gets them."""

from __future__ import annotations

import ctypes
import threading
from typing import Any

from voicecoil.drivers.miniaudio import pulse

Answer = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
LAST, FAILED = 1, -1


class Server:
    """Replaces libpulse. An answer arrives when the test calls `answer`."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, int]] = []
        self._function = pulse._Ask(self._ask)
        self.address = ctypes.cast(self._function, ctypes.c_void_p).value or 0

    def _ask(self, context: int, name: int, answer: int, user: int) -> int:
        self.asked.append((Answer(answer), user))
        return 1

    def answer(self, number: int, info: int | None, end: int) -> None:
        function, user = self.asked[number]
        function(None, info, end, user)


def test_each_answer_reaches_its_own_request() -> None:
    server = Server()
    guarded = pulse._guarded(server.address)
    heard: list[list[tuple[int | None, int]]] = [[] for _ in range(400)]
    asking: list[Any] = []

    def ask(first: int) -> None:
        for number in range(first, first + 100):

            def hear(context: int, info: int, end: int, user: int, number: int = number) -> None:
                heard[number].append((info, end))

            function = Answer(hear)
            asking.append(function)
            guarded(None, None, ctypes.cast(function, ctypes.c_void_p), number)

    pending = len(pulse._pending)
    threads = [threading.Thread(target=ask, args=(first,)) for first in range(0, 400, 100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(pulse._pending) == pending + 400
    for index in reversed(range(400)):
        number = server.asked[index][1] or 0
        server.answer(index, number + 1, 0)
        server.answer(index, None, LAST)
    assert heard == [[(number + 1, 0), (None, LAST)] for number in range(400)]
    assert len(pulse._pending) == pending


def test_a_failed_lookup_is_not_reported_and_not_kept() -> None:
    server = Server()
    heard: list[int] = []
    hear = Answer(lambda context, info, end, user: heard.append(end))
    pending = len(pulse._pending)
    pulse._guarded(server.address)(None, None, ctypes.cast(hear, ctypes.c_void_p), None)
    server.answer(0, None, FAILED)
    assert heard == []
    assert len(pulse._pending) == pending
