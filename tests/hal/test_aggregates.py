"""Aggregate devices: created, changed, played and recorded, destroyed, and what remains at exit."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from types import FrameType
from typing import Any

import numpy as np
import pytest

import voicecoil as vc
from coreaudio import Worlds, simulator_path
from voicecoil import hal
from voicecoil.errors import ArgumentError, ArgumentTypeError, ChangeTimeoutError, DriverError
from voicecoil.hal import aggregates
from voicecoil.testing import SimulatedCoreAudio

PAIR = ("Aggregated:a", "Aggregated:b")


@pytest.fixture
def world(coreaudio: Worlds) -> SimulatedCoreAudio:
    made = coreaudio(1)
    made.add_device("uid=Aggregated:a; name=First; in=2; out=2; rates=44100,48000; rate=48000")
    made.add_device("uid=Aggregated:b; name=Second; in=1; out=2; rates=44100,48000; rate=48000")
    return made


def parts(system: hal.System) -> list[hal.Device]:
    return [system.device(uid) for uid in PAIR]


def test_an_aggregate_is_a_device_with_all_channels(world: SimulatedCoreAudio) -> None:
    system = hal.connect(world.driver)
    first, second = parts(system)
    with system.create_aggregate("Both", [first, second]) as both:
        assert isinstance(both, hal.AggregateDevice)
        assert both.name == "Both"
        assert (both.input_channels, both.output_channels) == (3, 4)
        assert both.full_sub_device_list == list(PAIR)
        assert both.main_sub_device == PAIR[0]
        subs = both.active_sub_device_list
        assert [one.uid for one in subs] == list(PAIR)
        assert [one.drift_compensation for one in subs] == [False, True]
        assert world.counters()["live_aggregates"] == 1
        uid = both.uid
    assert world.counters()["live_aggregates"] == 0
    assert system.translate_uid_to_device(uid) is None
    both.destroy()  # a second time


def test_settings_of_the_devices_in_it(world: SimulatedCoreAudio) -> None:
    system = hal.connect(world.driver)
    first, second = parts(system)
    plans = [
        hal.SubDevicePlan(first, drift_correction=True, quality=hal.DriftQuality.MAX),
        hal.SubDevicePlan(second, output_latency_frames=12),
    ]
    with system.create_aggregate("Both", plans, uid="my.both", main=second) as both:
        assert both.uid == "my.both"
        assert both.main_sub_device == second.uid
        subs = both.active_sub_device_list
        assert [one.drift_compensation for one in subs] == [True, False]
        assert subs[0].drift_compensation_quality is hal.DriftQuality.MAX


def test_a_part_of_a_device_stands_for_the_device(world: SimulatedCoreAudio) -> None:
    """The main device has its own clock, so it needs no drift correction."""
    system = hal.connect(world.driver)
    first, second = parts(system)
    plans = [hal.SubDevicePlan(first.output), second.input]
    with system.create_aggregate("Both", plans, main=first.input) as both:
        drift = [one.drift_compensation for one in both.active_sub_device_list]
    assert drift == [False, True]


def test_an_error_of_the_block_is_told_if_the_destruction_fails(world: SimulatedCoreAudio) -> None:
    system = hal.connect(world.driver)
    with (
        pytest.raises(ValueError, match="of the block") as told,
        system.create_aggregate("One", parts(system)[:1]) as made,
    ):
        world.fail_call("AudioObjectGetPropertyData", int.from_bytes(b"nope", "big"))
        raise ValueError("of the block")
    world.fail_call("AudioObjectGetPropertyData", 0, times=0)
    assert "CoreAudio has no plug-in" in str(told.value.__notes__)
    made.destroy()


def test_the_devices_in_it_can_be_replaced(world: SimulatedCoreAudio) -> None:
    system = hal.connect(world.driver)
    first, second = parts(system)
    with system.create_aggregate("One", [first]) as made:
        assert made.set_devices([second, first]) == [second.uid, first.uid]
        assert (made.input_channels, made.output_channels) == (3, 4)


def test_a_stream_plays_on_both_devices(world: SimulatedCoreAudio) -> None:
    system = hal.connect(world.driver)
    with system.create_aggregate("Both", parts(system)) as both:

        def callback(block: vc.Block) -> None:
            block.output[:] = np.arange(1, 5) / 8

        options = {"device": both.uid, "driver": world.driver, "latency": "low"}
        with vc.OutputStream(callback, channels=[0, 1, 2, 3], **options):
            world.device(both.uid).run_cycles(20)
        heard = world.device(both.uid).heard()
    assert heard.shape[0] > 1_000
    assert np.array_equal(np.unique(heard, axis=0), [[0.125, 0.25, 0.375, 0.5]])


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (lambda s, a, b: s.create_aggregate("", [a]), ArgumentError, "give the aggregate"),
        (lambda s, a, b: s.create_aggregate("x"), ArgumentError, "at least one device or tap"),
        (lambda s, a, b: s.create_aggregate("x", [a, a]), ArgumentError, "is there twice"),
        (lambda s, a, b: s.create_aggregate("x", [a], main=b), ArgumentError, "none of the dev"),
        (lambda s, a, b: s.create_aggregate("x", ["a"]), ArgumentTypeError, "objects of hal.De"),
        (lambda s, a, b: s.create_aggregate("x", a), ArgumentTypeError, "devices=.*give a list"),
        (lambda s, a, b: s.create_aggregate("x", None), ArgumentTypeError, "give a list"),
        (lambda s, a, b: s.create_aggregate("x", [a], main="b"), ArgumentTypeError, "main='b'"),
        (lambda s, a, b: s.create_aggregate("x", [a], taps=[b]), ArgumentTypeError, "of hal.Tap"),
        (lambda s, a, b: s.create_aggregate("x", [a], taps=b), ArgumentTypeError, "give a list"),
        (lambda s, a, b: s.create_aggregate("x", [a], uid=5), ArgumentTypeError, "uid=5: give"),
        (lambda s, a, b: s.create_aggregate("x", [a], clock=b), ArgumentTypeError, "clock=.*UID"),
        (lambda s, a, b: hal.SubDevicePlan("a"), ArgumentTypeError, "device='a': give objects"),
        (lambda s, a, b: hal.SubDevicePlan(a, quality="high"), ArgumentTypeError, "a DriftQuality"),
        (
            lambda s, a, b: hal.SubDevicePlan(a, input_latency_frames=-1),
            ArgumentError,
            "input_latency_frames=-1",
        ),
        (
            lambda s, a, b: s.create_aggregate("x", [a], tap_auto_start=True),
            ArgumentError,
            "needs taps",
        ),
    ],
)
def test_what_cannot_be_combined(
    world: SimulatedCoreAudio, wrong: object, error: type[Exception], message: str
) -> None:
    system = hal.connect(world.driver)
    with pytest.raises(error, match=message):
        wrong(system, *parts(system))  # type: ignore[operator]
    assert world.counters()["live_aggregates"] == 0


def test_an_aggregate_in_an_aggregate_and_a_uid_in_use(world: SimulatedCoreAudio) -> None:
    system = hal.connect(world.driver)
    first, second = parts(system)
    with system.create_aggregate("One", [first], uid="used") as one:
        with pytest.raises(ArgumentError, match="give the devices in it"):
            system.create_aggregate("x", [one, second])
        with pytest.raises(DriverError, match="a device has this UID already; give another uid"):
            system.create_aggregate("x", [second], uid="used")


def test_an_aggregate_that_is_not_published_in_time_is_destroyed(
    world: SimulatedCoreAudio,
) -> None:
    world.set("aggregate_delay_ns", 5_000_000_000)
    system = hal.connect(world.driver)
    with pytest.raises(ChangeTimeoutError, match="not done after 1 s"):
        system.create_aggregate("Late", [system.device(PAIR[0])], timeout_s=1.0)
    world.advance(10.0)
    assert world.counters()["live_aggregates"] == 0


def test_private_aggregates_are_destroyed_at_exit() -> None:
    program = textwrap.dedent("""
        from voicecoil import hal
        from voicecoil.testing import SimulatedCoreAudio

        world = SimulatedCoreAudio()
        world.load_fixture(3)
        system = hal.connect(world.driver)
        system.create_aggregate("Left", system.devices)
        assert world.counters()["live_aggregates"] == 1
        import voicecoil.lifetime.exit_and_fork as ends

        @ends.at_the_end
        def look() -> None:
            world.advance(1.0)
            print("left:", world.counters()["live_aggregates"])
    """)
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "VOICECOIL_COREAUDIO_SIMULATOR": simulator_path()},
    )
    assert done.returncode == 0, done.stderr
    assert "left: 0" in done.stdout


def test_ctrl_c_at_each_line_of_creation_and_destruction_leaves_no_aggregate(
    world: SimulatedCoreAudio,
) -> None:
    """What is left is destroyed at exit."""
    system = hal.connect(world.driver)
    devices = parts(system)

    def is_interrupted_at(number: int) -> bool:
        count = 0

        def trace(frame: FrameType, event: str, argument: object) -> Any:
            nonlocal count
            if frame.f_code.co_filename != aggregates.__file__:
                return None
            count += event in ("call", "line")
            if count == number:
                sys.settrace(None)
                raise KeyboardInterrupt
            return trace

        tracer = sys.gettrace()
        sys.settrace(trace)
        try:
            system.create_aggregate("Both", devices).destroy()
        except KeyboardInterrupt:
            return True
        finally:
            sys.settrace(tracer)
        return False

    lines = 0
    while is_interrupted_at(lines + 1):
        lines += 1
        aggregates._leftovers._destroy_all()
        world.advance(1.0)
        assert world.counters()["live_aggregates"] == 0, lines
    assert lines > 40
    assert not aggregates._leftovers._mine()
