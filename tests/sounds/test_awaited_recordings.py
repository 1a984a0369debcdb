"""Recordings and measurements are awaited in tasks of asyncio and trio."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import voicecoil as vc
from coded import assert_coded, coded
from rig import Rig
from voicecoil.files import open_source

RATE = 48_000
ROUND_TRIP = 128  # frames; output and input each take one buffer of 64
LIMIT_S = 60.0


def with_asyncio(main: Callable[[], Awaitable[Any]]) -> Any:
    async def limited() -> Any:
        return await asyncio.wait_for(main(), LIMIT_S)

    return asyncio.run(limited())


def with_trio(main: Callable[[], Awaitable[Any]]) -> Any:
    import trio

    async def limited() -> Any:
        with trio.fail_after(LIMIT_S):
            return await main()

    return trio.run(limited)


needs_trio = pytest.mark.skipif(
    importlib.util.find_spec("trio") is None, reason="NOT TESTED: trio is not installed"
)
LOOPS = [with_asyncio, pytest.param(with_trio, marks=needs_trio)]


@pytest.mark.parametrize("run", LOOPS)
def test_a_measurement_is_awaited(rig: Rig, run: Any) -> None:
    measurement = vc.playrec(coded(0, 1000, 2), RATE, input_channels=2, driver=rig.driver)

    async def main() -> Any:
        rig.step(-(-(1000 + ROUND_TRIP) // 64) + 1)
        return await measurement

    result = run(main)
    assert len(result) == 1000
    assert_coded(result)
    assert measurement.wait() is result


@pytest.mark.parametrize("run", LOOPS)
@pytest.mark.parametrize("into_file", [False, True])
def test_a_recording_is_awaited(rig: Rig, tmp_path: Path, run: Any, into_file: bool) -> None:
    path = tmp_path / "a.wav" if into_file else None
    take = rig.record(path, frames=1000 + ROUND_TRIP)
    rig.play(coded(0, 2000, 2), RATE)

    async def main() -> Any:
        rig.step(40)
        return await take

    result = run(main)
    assert not take.recording
    assert take.wait(0) is result
    if into_file:
        assert result == str(path)
        with open_source(path) as source:
            result = source.read(10_000)
    assert len(result) == 1000 + ROUND_TRIP
    assert_coded(result[ROUND_TRIP:])


def test_a_cancelled_task_leaves_the_recording_running(rig: Rig) -> None:
    take = rig.record()

    async def awaited() -> None:
        await take

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(awaited(), 0.01)

    asyncio.run(main())
    assert take.recording
    rig.step(3)
    assert len(take.stop()) == 3 * 64


def test_the_loop_runs_while_a_recording_is_awaited(rig: Rig) -> None:
    """The task that moves the clock and the task that awaits are tasks of one loop."""
    take = rig.record(frames=640)

    async def main() -> Any:
        async def move() -> None:
            while take.recording:
                rig.step(1)
                await asyncio.sleep(0)

        moving = asyncio.create_task(move())
        result = await take
        await moving
        return result

    assert len(with_asyncio(main)) == 640


@pytest.mark.parametrize("what", ["recording", "measurement"])
def test_a_lost_device_is_an_error_and_the_frames_before_it_are_kept(rig: Rig, what: str) -> None:
    if what == "recording":
        one: Any = rig.record()
    else:
        one = vc.playrec(coded(0, 10_000, 2), RATE, input_channels=2, driver=rig.driver)
    rig.step(10)
    rig.device.inject("unplug")
    rig.step(1)

    async def main() -> Any:
        return await one

    with pytest.raises(vc.DeviceLostError):
        with_asyncio(main)
    assert len(with_asyncio(main)) > 0
