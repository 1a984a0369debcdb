"""Waits for what IO threads count: one thread for all, and nothing left behind."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import numpy as np
import pytest

from rig import until
from voicecoil import _core
from voicecoil.lifetime import waking
from voicecoil.lifetime.waking import reached

FRAMES = np.zeros((10, 1), np.float32)


def awaited() -> dict[int, Any]:
    return waking._waker._watches if waking._waker is not None else {}


@pytest.fixture(autouse=True)
def _nothing_is_awaited() -> None:
    until(lambda: not awaited())  # a run that an earlier test has ended may not be noticed yet


def test_a_hundred_tasks_wait_on_one_thread_and_each_ends_with_its_own_count() -> None:
    async def run() -> list[int]:
        rings = [_core.Ring(64, 1) for _ in range(100)]
        ended: list[int] = []

        async def wait_for(number: int) -> None:
            await reached(rings[number].written_count(), 20)
            ended.append(number)

        tasks = [asyncio.create_task(wait_for(number)) for number in range(100)]
        await asyncio.sleep(0)
        before = set(threading.enumerate())
        for ring in rings:
            ring.write(FRAMES)  # half of what each task waits for
        for number in (7, 70, 0):
            rings[number].write(FRAMES)
            await tasks[number]
        assert ended == [7, 70, 0]
        # Threads of earlier tests may end meanwhile.
        assert not set(threading.enumerate()) - before
        assert len(awaited()) == 97
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert not awaited()
        return ended

    assert asyncio.run(run()) == [7, 70, 0]


def test_a_condition_without_a_count_and_a_condition_after_a_count() -> None:
    async def run() -> None:
        ring, flag = _core.Ring(64, 1), threading.Event()
        either = asyncio.create_task(reached(None, over=flag.is_set))
        both = asyncio.create_task(reached(ring.read_count(), 5, over=flag.is_set))
        ring.write(FRAMES)
        ring.read(FRAMES.copy())
        done, _ = await asyncio.wait({either, both}, timeout=0.05)
        assert not done  # the count alone does not end the wait
        flag.set()
        await asyncio.gather(either, both)

    asyncio.run(run())


def test_a_count_that_is_reached_needs_no_thread() -> None:
    async def run() -> None:
        ring = _core.Ring(64, 1)
        ring.write(FRAMES)
        await reached(ring.written_count(), 10)

    asyncio.run(run())
    assert not awaited()


def test_an_error_of_a_condition_is_reported_and_ends_its_wait_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reported = []
    monkeypatch.setattr(waking.exit_and_fork, "report", lambda error, _: reported.append(error))

    def wrong() -> bool:
        raise ValueError("a wrong condition")

    gone = threading.Event()
    one = waking.watch(None, 0, wrong, lambda: None)
    waking.watch(None, 0, lambda: bool(reported), gone.set)
    assert gone.wait(10)
    assert [str(error) for error in reported] == ["a wrong condition"]
    assert id(one) not in awaited()


def test_an_error_of_a_condition_is_raised_in_the_task_that_waits() -> None:
    """Before the fix, the task waited for ever."""

    def wrong() -> bool:
        raise ValueError("a wrong condition")

    async def run() -> None:
        with pytest.raises(ValueError, match="a wrong condition"):
            async with asyncio.timeout(20):
                await reached(None, over=wrong)

    asyncio.run(run())
    assert not awaited()


def test_each_wait_leaves_nothing_in_the_queue_of_the_thread() -> None:
    """Before the fix, each wait left an item while any other wait went on."""
    over = threading.Event()
    told = [threading.Event() for _ in range(50)]
    waking.watch(None, 0, over.is_set, over.set)
    assert waking._waker is not None
    for event in told:
        waking.watch(None, 0, lambda: True, event.set)
        assert event.wait(10)
    left = waking._waker._wake.qsize()
    over.set()
    until(lambda: not awaited())
    assert left <= 2  # of the newest waits, which the thread may not have taken yet
    woken = threading.Event()
    waking.watch(None, 0, lambda: True, woken.set)
    assert woken.wait(10)
