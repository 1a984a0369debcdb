"""Parameters of a callback, and its results."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import voicecoil as vc
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver

HOMES = [False, True] if sys.version_info >= (3, 12) else [False]


def a_device(clock: Any = "stepped") -> tuple[VirtualDevice, VirtualDriver]:
    virtual = VirtualDevice("Values", clock=clock, frames=64)
    return virtual, VirtualDriver([virtual])


def quiet(block: vc.Block) -> None:
    pass


def compare(block: vc.Block) -> None:
    """Counts parameters that do not belong together, as `compare` in isolated_callables.py does."""
    values = block.parameters
    if values.first != values.second or values.text != b"%d" % values.first:
        block.results.torn += 1
    block.results.first = values.first
    block.results.second = values.first


def opened(driver: VirtualDriver, isolated: bool = False) -> vc.OutputStream:
    return vc.OutputStream(
        "isolated_callables:compare" if isolated else compare,
        driver=driver,
        isolated=isolated,
        parameters={"first": 0, "second": 0, "text": bytes(6)},
        results={"first": 0, "second": 0, "torn": 0},
    )


def stream_with(**values: Any) -> vc.OutputStream:
    return vc.OutputStream(quiet, driver=a_device()[1], **values)


@pytest.mark.parametrize("isolated", HOMES)
def test_values_set_together_arrive_together(isolated: bool) -> None:
    """While a stream plays, the program changes three parameters together and reads two results
    together.
    """
    _, driver = a_device("free")
    stream = opened(driver, isolated)
    stream.parameters.text = b"0"
    with stream:
        for number in range(20_000):
            stream.parameters.update(first=number, second=number, text=b"%d" % number)
            results = stream.results.read()
            assert results["first"] == results["second"] <= number
        stream.abort()
    assert stream.results.torn == 0


@pytest.mark.parametrize("isolated", HOMES)
def test_a_change_is_there_in_the_next_block(isolated: bool) -> None:
    virtual, driver = a_device()
    with opened(driver, isolated) as stream:
        stream.parameters.text = b"0"
        for number in range(1, 5):
            stream.parameters.update(first=number, second=number, text=b"%d" % number)
            assert stream.results.first == number - 1
            virtual.step(1)
            assert stream.results.first == number
        stream.abort()
        assert stream.results.read() == {"first": 4, "second": 4, "torn": 0}


def test_a_block_sees_one_record() -> None:
    virtual, driver = a_device()

    def callback(block: vc.Block) -> None:
        before = block.parameters.gain
        stream.parameters.gain = before + 1.0
        assert block.parameters.gain == before
        block.results.gain = before

    stream = vc.OutputStream(
        callback, driver=driver, parameters={"gain": 0.0}, results={"gain": -1.0}
    )
    with stream:
        virtual.step(3)
        stream.abort()
    assert (stream.parameters.gain, stream.results.gain) == (3.0, 2.0)


def test_every_kind() -> None:
    first = {"real": 0.1, "whole": -(2**63), "on": True, "data": b"abcdefgh"}
    stream = stream_with(parameters=first)
    values = stream.parameters
    assert values.read() == first
    values.real, values.whole, values.on, values.data = 3, 2**63 - 1, 0, bytearray(b"xyz")
    assert values.read() == {"real": 3.0, "whole": 2**63 - 1, "on": False, "data": b"xyz"}
    assert type(values.real) is float
    assert type(values.on) is bool
    assert repr(values).startswith("<Values {'real': 3.0")
    stream.close()
    assert values.whole == 2**63 - 1, "the results stay readable"


class Decimals(str):
    """Its repr is computed in Python, which must not happen with an exception set."""

    def __repr__(self) -> str:
        return f"Decimals({str(self)!r})"


def test_a_refused_change_leaves_a_record_as_it_was() -> None:
    with stream_with(parameters={"gain": 0.5, "data": b"abc"}, results={"level": 0.0}) as stream:
        values = stream.parameters
        with pytest.raises(TypeError, match="gain = 'loud'; it was opened as a float"):
            values.update(data=b"x", gain="loud")
        with pytest.raises(TypeError, match=r"gain = \[0\.5\]; it was opened as a float"):
            values.gain = [0.5]
        with pytest.raises(TypeError, match=r"gain = Decimals\('0\.5'\); it was opened"):
            values.gain = Decimals("0.5")
        with pytest.raises(OverflowError):
            stream_with(parameters={"n": 1}).parameters.n = 2**64
        with pytest.raises(ValueError, match="data has room for 3 bytes, and these are 4"):
            values.update(gain=0.1, data=b"abcd")
        with pytest.raises(AttributeError, match=r"no 'gian'; .* \['gain', 'data'\]"):
            values.gian = 0.1
        with pytest.raises(AttributeError, match="no 'gian'"):
            values.gian  # noqa: B018
        with pytest.raises(AttributeError, match="cannot be deleted"):
            del values.gain
        with pytest.raises(AttributeError, match="only be read here"):
            stream.results.level = 1.0
        with pytest.raises(TypeError):
            type(values)()
        assert values.read() == {"gain": 0.5, "data": b"abc"}
        stream.abort()


class Calls:
    """A number that runs code when it is converted."""

    def __init__(self, number: float, call: Callable[[], Any]) -> None:
        self._number = number
        self._call = call

    def __float__(self) -> float:
        self._call()
        return float(self._number)

    def __index__(self) -> int:
        self._call()
        return int(self._number)


def test_nested_changes_of_values_are_both_complete() -> None:
    """Before the fix, a change that began during another one wrote its values into that one."""
    with stream_with(parameters={"a": 0.0, "b": 0, "c": 0.0, "data": b"1234"}) as stream:
        values = stream.parameters
        seen = []

        def inside() -> None:
            seen.append(values.read())
            values.update(a=10.0, c=10.0)
            seen.append(values.read())

        values.update(a=1.0, data=b"x", b=Calls(1, inside))
        assert seen == [
            {"a": 0.0, "b": 0, "c": 0.0, "data": b"1234"},
            {"a": 10.0, "b": 0, "c": 10.0, "data": b"1234"},
        ]
        assert values.read() == {"a": 1.0, "b": 1, "c": 10.0, "data": b"x"}

        def fails() -> None:
            values.update(c=20.0)
            raise KeyError("meant")

        with pytest.raises(KeyError):
            values.update(a=2.0, b=Calls(2, fails))
        assert values.read() == {"a": 1.0, "b": 1, "c": 20.0, "data": b"x"}
        stream.abort()


def test_numbers_of_numpy() -> None:
    first = {"real": np.float32(0.5), "whole": np.int16(-3), "on": np.bool_(True)}
    with stream_with(parameters={**first, "array": np.array(1.5)}) as stream:
        values = stream.parameters
        assert values.read() == {"real": 0.5, "whole": -3, "on": True, "array": 1.5}
        assert [type(value) for value in values.read().values()] == [float, int, bool, float]
        values.update(real=np.float32(0.25), whole=np.uint8(200), on=np.bool_(False))
        assert values.read() == {"real": 0.25, "whole": 200, "on": False, "array": 1.5}
        stream.abort()


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        ({"parameters": [1]}, vc.ArgumentTypeError, "a dict of names and first values"),
        ({"parameters": {"a b": 1}}, vc.ArgumentError, "'a b'; a name must be an identifier"),
        ({"results": {"_x": 1}}, vc.ArgumentError, "results has the name '_x'"),
        ({"results": {"update": 1}}, vc.ArgumentError, "the name of a method"),
        ({"parameters": {"x": np.zeros(2)}}, vc.ArgumentTypeError, "a float, an int, a bool"),
        ({"parameters": {"x": np.complex64(1)}}, vc.ArgumentTypeError, "a float, an int, a bool"),
        ({"parameters": {"x": "text"}}, vc.ArgumentTypeError, "a float, an int, a bool or bytes"),
        ({"parameters": {"x": 2**63}}, vc.ArgumentError, "64 bits"),
    ],
)
def test_values_that_cannot_be_a_record(given: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        stream_with(**given)


def test_a_stream_without_says_how_to_have_them() -> None:
    stream = stream_with()
    for name in ("parameters", "results"):
        with pytest.raises(AttributeError, match=name + r"=\{"):
            getattr(stream, name)
    stream.close()


def test_the_callbacks_side_outlives_the_stream() -> None:
    virtual, driver = a_device()
    kept: list[vc.Block] = []
    stream = vc.OutputStream(
        kept.append, driver=driver, parameters={"gain": 0.25}, results={"level": 0.0}
    )
    with stream:
        virtual.step(1)
        stream.abort()
    del stream
    gc.collect()
    kept[0].results.level = 1.0
    assert kept[0].parameters.gain == 0.25
