"""Numbers that the call thread gets without a hand-over through Python."""

from __future__ import annotations

import ctypes
import signal
import threading
import time
from types import SimpleNamespace

from callers import LONG_S
from coreaudio import Worlds
from rig import until
from voicecoil import hal
from voicecoil.drivers.coreaudio import _hal


class SignalAndNoTime(int):
    """A signal that is raised when `call_s` is read, which is 0.

    `raise` is a C function, so that Python handles the signal only when the client has waited.
    """

    call_s = property(ctypes.CDLL(None)["raise"])


def test_an_answer_that_comes_at_the_deadline_is_returned(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    device = world.device("USBDuplex:1")
    row = hal.connect(world.driver).device("USBDuplex:1")._row("fsiz")
    quick = _hal.Quick()
    given_up: list[object] = []
    driver = SimpleNamespace(
        timeouts=SimpleNamespace(call_s=LONG_S), gave_up=lambda *args: given_up.append(args)
    )
    shortcut = _hal.Shortcut(world.driver.library, SimpleNamespace(idle=quick), driver)
    thing = SimpleNamespace(
        _id=device.id, _checked=time.monotonic(), _scope=None, _element=None, _shortcut=shortcut
    )
    number = _hal.Number(row, None, 10 * LONG_S)
    answered: list[bool] = []

    def let_it_answer(*_: object) -> None:
        answered.append(quick.answered)
        until(lambda: world.release_hung() or quick.answered)

    serving = threading.Thread(target=quick.serve, args=(quick.pokes, 10 * LONG_S))
    serving.start()
    before = signal.signal(signal.SIGUSR1, let_it_answer)
    try:
        until(lambda: number.of(thing) is not None)
        expected = number.of(thing)
        device.hang(what="fsiz")
        driver.timeouts = SignalAndNoTime(signal.SIGUSR1)
        assert number.of(thing) == expected > 0
        assert (answered, given_up, quick.abandoned) == ([False], [], False)
        driver.timeouts = SimpleNamespace(call_s=LONG_S)
        assert number.of(thing) == expected, "the thread serves on"
    finally:
        signal.signal(signal.SIGUSR1, before)
        world.release_hung()
        quick.poke()
        serving.join(LONG_S)
