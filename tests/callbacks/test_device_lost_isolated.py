"""An isolated stream whose device is lost keeps its interpreter and the modules in it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

import voicecoil as vc
from coded import assert_coded
from losing import came_back, is_away, is_on, kinds, no_thread_stays, two_devices, unplug
from voicecoil.drivers.protocol import Driver
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver

pytestmark = pytest.mark.skipif(
    sys.version_info < (3, 12), reason="isolated=True needs Python 3.12"
)
CYCLES, LOSSES = 5, 3


@pytest.fixture(autouse=True)
def _no_thread_stays() -> Iterator[None]:
    yield
    no_thread_stays()


def opened(name: str, driver: Driver, policy: Any = "wait", **wanted: Any) -> vc.OutputStream:
    return vc.OutputStream(
        f"isolated_callables:{name}",
        isolated=True,
        driver=driver,
        on_device_lost=policy,
        **wanted,
    )


def test_it_goes_on_where_it_was_and_remembers(stepped: Any, driver: Driver) -> None:
    with opened("count", driver, results={"blocks": 0}) as stream:
        for loss in range(LOSSES):
            stepped.step(CYCLES)
            assert stream.results.blocks == CYCLES * (loss + 1)
            unplug(stepped)
            is_away(stream)
            assert not stream.wait(0)
            stepped.replug()
            is_on(stream)
        stepped.step(CYCLES)
        assert stream.results.blocks == CYCLES * (LOSSES + 1)
        stream.abort()
        told = [kind for kind in kinds(stream.events()) if kind != "xrun"]
        assert told == ["lost", "back"] * LOSSES


@pytest.mark.parametrize("stepped", ["virtual"], indirect=True)
@pytest.mark.parametrize("blocksize", [None, 48])
def test_no_frame_is_missing_and_none_comes_twice(
    stepped: VirtualDevice, driver: VirtualDriver, blocksize: int | None
) -> None:
    stepped.capture()
    with opened("coded", driver, blocksize=blocksize) as stream:
        for _ in range(LOSSES):
            stepped.step(CYCLES)
            unplug(stepped)
            is_away(stream)
            stepped.replug(away_s=0.01)
            is_on(stream)
        stepped.step(CYCLES)
        stream.abort()
    assert stream.statistics().lost_frames == LOSSES * 480
    assert len(stepped.heard()) == (LOSSES + 1) * CYCLES * 64
    assert_coded(stepped.heard())


def test_it_goes_on_with_the_default_device() -> None:
    one, two, driver = two_devices(frames=48)
    with opened("coded", driver, "default") as stream:
        one.step(CYCLES)
        unplug(one)
        came_back(stream)
        assert stream.device.name == "Two"
        two.step(CYCLES)
        stream.abort()
    assert_coded(one.heard())
    assert_coded(two.heard()[: CYCLES * 48], CYCLES * 64)


@pytest.mark.parametrize("end", ["abort", "close"])
def test_it_ends_while_it_waits(stepped: Any, driver: Driver, end: str) -> None:
    stream = opened("count", driver, results={"blocks": 0})
    stream.start()
    stepped.step(1)
    unplug(stepped)
    is_away(stream)
    getattr(stream, end)()
    stream.close()
    assert stream.results.blocks == 1


def test_an_exception_after_a_loss_is_raised(stepped: Any, driver: Driver) -> None:
    parameters = {"gain": 0.5, "on": True}
    stream = opened("reads", driver, parameters=parameters, results={"on": False})
    stream.start()
    stepped.step(1)
    assert stream.results.on
    unplug(stepped)
    is_away(stream)
    stream.parameters.gain = 0.25  # makes an assertion of the callable fail
    stepped.replug()
    is_on(stream)
    stepped.step(2)
    with pytest.raises(vc.IsolatedCallbackError, match="AssertionError"):
        stream.wait(10)
    stream.close()
