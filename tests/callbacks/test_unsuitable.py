"""Callables that cannot be callbacks are refused when the stream is opened, and not in the first
block.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest

import voicecoil as vc
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver


async def coroutine(block: vc.Block) -> None: ...


def generator(block: vc.Block) -> Any:
    yield block


async def async_generator(block: vc.Block) -> Any:
    yield block


class Player:
    async def method(self, block: vc.Block) -> None: ...

    def generates(self, block: vc.Block) -> Any:
        yield block

    @classmethod
    async def of_class(cls, block: vc.Block) -> None: ...

    @staticmethod
    async def static(block: vc.Block) -> None: ...


class Called:
    async def __call__(self, block: vc.Block) -> None: ...


def function(block: vc.Block) -> None: ...


REFUSED: dict[str, tuple[Any, str]] = {
    "async function": (coroutine, "async function"),
    "generator": (generator, "generator function"),
    "async generator": (async_generator, "generator function"),
    "async method": (Player().method, "async function"),
    "generator method": (Player().generates, "generator function"),
    "async class method": (Player.of_class, "async function"),
    "async static method": (Player.static, "async function"),
    "async __call__": (Called(), "async function"),
    "partial": (functools.partial(functools.partial(coroutine)), "async function"),
    "partial of a method": (functools.partial(Player().method), "async function"),
    "partial method": (functools.partial(Called()), "async function"),
    "Mock": (mock.Mock(), "return_value=None"),
    "MagicMock": (mock.MagicMock(), "return_value=None"),
    "AsyncMock": (mock.AsyncMock(), "async function"),
    "Mock that returns": (mock.Mock(return_value=5), "return_value=None"),
}
TAKEN: dict[str, Callable[[], Any]] = {
    "function": lambda: function,
    "partial": lambda: functools.partial(function),
    "Mock": lambda: mock.Mock(return_value=None),
    "Mock with an effect": lambda: mock.Mock(side_effect=function),
    "Mock that wraps": lambda: mock.Mock(wraps=function),
    "autospec": lambda: mock.create_autospec(function, return_value=None),
    "builtin": lambda: [].append,
}


@pytest.mark.parametrize("name", REFUSED)
def test_callables_that_do_not_return_none(name: str) -> None:
    callback, text = REFUSED[name]
    with pytest.raises(vc.ArgumentTypeError, match=text):
        vc.OutputStream(callback, driver=VirtualDriver([VirtualDevice(clock="stepped")]))
    with pytest.raises(vc.ArgumentTypeError, match=text):
        vc.render(callback, frames=64)


@pytest.mark.parametrize("name", TAKEN)
def test_callables_that_return_none(name: str) -> None:
    callback = TAKEN[name]()
    assert vc.render(callback, frames=128, blocksize=64).shape == (128, 2)
    if isinstance(callback, mock.Mock):
        assert callback.call_count == 2


@pytest.mark.parametrize("listener", [coroutine, generator, functools.partial(coroutine), 3])
@pytest.mark.parametrize("name", ["on_end", "on_mark", "callback", "callback of hal.watch"])
def test_listeners_that_run_no_code_are_refused(name: str, listener: Any, coreaudio: Any) -> None:
    """Before the fix, an async `on_mark` and an async listener of a watch were never run."""
    driver = VirtualDriver([VirtualDevice(clock="stepped")])
    text = "cannot be called" if listener == 3 else r"an async function|a generator function"
    with pytest.raises(vc.ArgumentTypeError, match=f"{name.split()[0]}=.*({text})"):
        if name == "on_end":
            vc.OutputStream(function, driver=driver, on_end=listener)
        elif name == "on_mark":
            vc.Player(driver=driver, on_mark=listener)
        elif name == "callback":
            vc.watch(driver, callback=listener)
        else:
            system = vc.hal.connect(coreaudio(1).driver)
            vc.hal.watch(system, "devices", callback=listener)
