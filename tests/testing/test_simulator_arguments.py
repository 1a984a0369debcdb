"""The simulated CoreAudio refuses impossible arguments, and says what is possible."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from coreaudio import simulator_path
from voicecoil.errors import ArgumentError, ArgumentTypeError, DriverError, StreamStateError
from voicecoil.testing import SimulatedCoreAudio

DEVICE = "uid=u; in=2; out=2; rates=44100,48000"


def make(**options: Any) -> SimulatedCoreAudio:
    return SimulatedCoreAudio(simulator_path(), **options)


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"seed": -1}, ArgumentError, "seed=-1; give a whole number from 0"),
        ({"seed": "a"}, ArgumentTypeError, "seed='a' is a str"),
        ({"fixtures": 3}, ArgumentTypeError, r"give a list of numbers, such as fixtures=\[3\]"),
        ({"fixtures": [99]}, ArgumentError, "there is no fixture 99"),
        ({"devices": DEVICE}, ArgumentTypeError, "is a str; give a list of texts"),
        ({"devices": [3]}, ArgumentTypeError, "description=3 is an int; give a text such as"),
        ({"switches": 3}, ArgumentTypeError, "give a mapping"),
        ({"switches": {"nope": 1}}, ArgumentError, "no switch nope"),
        ({"clock": "running", "speed": float("nan")}, ArgumentError, "speed=nan; give a number"),
        ({"timebase": 3}, ArgumentTypeError, r"two numbers, such as \(125, 3\)"),
        ({"timebase": (1, 2, 3)}, ArgumentError, r"give two numbers, such as \(125, 3\)"),
        ({"timebase": (0, 1)}, ArgumentError, "a whole number from 1"),
        ({"timeouts": 3}, ArgumentTypeError, "timeouts=3; give a Timeouts"),
    ],
)
def test_the_constructor_refuses(options: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        make(**options)
    make().close()  # the refused one does not count as open


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("in=x", "'x' is no value of 'in'"),
        ("in=-1", "'-1' is no value of 'in'"),
        ("out=2,,2", "'2,,2' is no value of 'out'"),
        ("out=4000000000", "'4000000000' is no value of 'out'"),
        ("rates=0", "'0' is no value of 'rates'"),
        ("rates=48000-44100", "'48000-44100' is no value of 'rates'"),
        ("rate=fast", "'fast' is no value of 'rate'"),
        ("ppm=nan", "'nan' is no value of 'ppm'"),
        ("buffer=", "'' is no value of 'buffer'"),
        ("buffer_range=64", "'64' is no value of 'buffer_range'"),
        ("transport=pigeon", "'pigeon' is no value of 'transport'"),
        ("hang_start=long", "'long' is no value of 'hang_start'"),
        ("colour=red", "cannot read ' colour'"),
    ],
)
def test_a_description_is_refused(pair: str, message: str) -> None:
    with make() as world, pytest.raises(ArgumentError, match=message) as refused:
        world.add_device(f"uid=u; {pair}")
    assert "[" not in str(refused.value)


CALLS: list[tuple[Callable[[Any, Any], object], type[Exception], str]] = [
    (lambda world, _: world.advance(-1), ArgumentError, "seconds=-1 s; give 0 or more"),
    (lambda world, _: world.advance("a"), ArgumentTypeError, "seconds='a' is a str"),
    (lambda world, _: world.advance(float("nan")), ArgumentError, "seconds=nan"),
    (lambda world, _: world.advance_ns(-5), ArgumentError, "ns=-5"),
    (lambda world, _: world.advance_ns(1.5), ArgumentTypeError, "ns=1.5 is a float"),
    (lambda world, _: world.spend_ns(-1), ArgumentError, "ns=-1"),
    (lambda world, _: world.device(3), ArgumentTypeError, "uid=3 is an int"),
    (lambda world, _: world.device("u\0"), ArgumentError, "has a null character"),
    (lambda world, _: world.set("auto_advance", "x"), ArgumentTypeError, "is a str"),
    (lambda world, _: world.get("nope"), ArgumentError, "give the name of a switch"),
    (lambda world, _: world.counter(3), ArgumentTypeError, "name=3 is an int"),
    (lambda world, _: world.load_fixture("a"), ArgumentTypeError, "number='a' is a str"),
    (lambda world, one: world.set_default("x", one), ArgumentError, '"input" or "output"'),
    (lambda world, _: world.set_default("input", "u"), ArgumentTypeError, "a SimulatedDevice"),
    (lambda world, _: world.fail_call("AudioDeviceStart", "x"), ArgumentTypeError, "status='x'"),
    (lambda world, _: world.fail_call("AudioDeviceStart", 1, -1), ArgumentError, "skip=-1"),
    (lambda _, one: one.change_rate(123), ArgumentError, "'u' cannot run at 123 Hz now"),
    (lambda _, one: one.change_rate("a"), ArgumentTypeError, "samplerate='a' is a str"),
    (lambda _, one: one.overload(-1), ArgumentError, "cycles=-1"),
    (lambda _, one: one.hang(-1), ArgumentError, "duration_ns=-1"),
    (lambda _, one: one.hang(what="nope!"), ArgumentError, "what='nope!'; give four characters"),
    (lambda _, one: one.hog("a"), ArgumentTypeError, "pid='a' is a str"),
    (lambda _, one: one.notify("ä"), ArgumentError, "give four characters"),
    (lambda _, one: one.override(3), ArgumentTypeError, "what=3 is an int"),
    (lambda _, one: one.run_cycles(-1), ArgumentError, "cycles=-1"),
    (lambda _, one: one.captured(0), StreamStateError, "'u' never ran"),
]


@pytest.mark.parametrize(("call", "kind", "message"), CALLS)
def test_a_call_refuses(call: Any, kind: type[Exception], message: str) -> None:
    with make(devices=[DEVICE]) as world:
        one = world.device("u")
        with pytest.raises(kind, match=message):
            call(world, one)


def test_there_is_no_run_of_that_number() -> None:
    import voicecoil as vc

    with make(devices=[DEVICE]) as world:
        one = world.device("u")
        with vc.OutputStream(lambda block: None, driver=world.driver):
            one.run_cycles(2)
        for run in (1, -2, "a"):
            with pytest.raises((ArgumentError, ArgumentTypeError), match="give -1 to 0"):
                one.captured(run)
        assert len(one.captured(0)[0]) == len(one.captured(-1)[0]) > 0


def test_the_reason_of_an_earlier_refusal_is_not_given_again() -> None:
    with make() as world:
        with pytest.raises(ArgumentError, match="no switch nope"):
            world.set("nope", 1)
        with pytest.raises(ArgumentError, match="the simulator refused: it gave no reason"):
            world.check(-1)


def test_a_closed_simulation_says_so() -> None:
    world = make()
    world.close()
    with pytest.raises(StreamStateError, match="is closed; make another one"):
        world.advance(1.0)


@pytest.mark.skipif(sys.platform == "darwin", reason="hal.system is that of macOS")
def test_hal_system_says_how_to_use_the_simulated_one(monkeypatch: pytest.MonkeyPatch) -> None:
    from voicecoil import hal

    monkeypatch.delenv("VOICECOIL_DRIVER")
    with make() as world:
        with pytest.raises(DriverError, match=r"use hal\.connect\(simulated\.driver\)") as refused:
            _ = hal.system
        assert refused.value.call == "dlopen"
        assert hal.connect(world.driver).devices == []
