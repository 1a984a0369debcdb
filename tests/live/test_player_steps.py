"""Marks and signal handlers while a player is written to: nothing waits for what it interrupts."""

from __future__ import annotations

import _thread
import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import voicecoil as vc
from coded import assert_coded, coded
from rig import Rig, until
from voicecoil.live.steps import Steps

RATE = 48_000


@contextmanager
def on_interrupt(call: Callable[[], object]) -> Iterator[None]:
    before = signal.signal(signal.SIGINT, lambda *_: call())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_mark_does_not_wait_for_a_task_that_waits_for_room() -> None:
    """Before the fix, it stopped the event loop for ever."""
    rig = Rig()

    async def run() -> list[tuple[Any, int, bool]]:
        async with vc.Player(driver=rig.driver, channels=2, buffer_s=0.01) as player:
            task = asyncio.create_task(player.write(coded(0, 2000, 2)))
            while player.written_frames < 480:
                await asyncio.sleep(0)
            player.mark("inside")
            while not task.done():
                before = player.written_frames
                rig.step(2)
                while player.written_frames == before and not task.done():
                    await asyncio.sleep(0)
            assert await task == 2000
            player.mark("end")
            rig.step(10)
            assert await player.drain(10)
            assert_coded(rig.heard[:2000])
            return [(mark.name, mark.frame, mark.heard) for mark in player.marks_heard]

    assert asyncio.run(run()) == [("inside", 480, True), ("end", 2000, True)]


def test_a_signal_handler_sets_marks_while_the_write_that_it_interrupted_waits() -> None:
    """Before the fix, both waited for ever."""
    rig = Rig()
    refused: list[str] = []

    def handler() -> None:
        player.mark("inside")
        for call in (lambda: player.write(coded(0, 1, 2)), player.finish, player.drain):
            with pytest.raises(vc.StreamStateError, match="signal handler") as error:
                call()
            refused.append(str(error.value))
        assert player.write_nowait(coded(0, 1, 2)) == 0

    def interrupt() -> None:
        until(lambda: player.written_frames == 480)
        _thread.interrupt_main()
        until(lambda: len(refused) == 3)
        while player.written_frames < 1000:
            before = player.written_frames
            rig.step()
            until(lambda: player.written_frames > before)  # noqa: B023
        rig.step(10)

    with vc.Player(driver=rig.driver, channels=2, buffer_s=0.01) as player:
        thread = threading.Thread(target=interrupt)
        thread.start()
        with on_interrupt(handler):
            player.write(coded(0, 1000, 2), more=False)
            thread.join()
        assert [(mark.name, mark.frame) for mark in player.marks_heard] == [("inside", 480)]
    assert_coded(rig.heard[:1000])


class Interrupting(bytes):
    """A chunk at which SIGINT arrives while the player reads it."""

    def __getattr__(self, name: str) -> Any:
        signal.raise_signal(signal.SIGINT)
        raise AttributeError(name)


def test_a_mark_of_a_handler_inside_a_step_is_set_after_the_step() -> None:
    rig = Rig()
    calls: list[str] = []

    def handler() -> None:
        for name in ("a", "b"):
            player.mark(name)
        with pytest.raises(vc.StreamStateError, match="signal handler"):
            player.write(coded(0, 1, 2))
        calls.append("handled")

    with vc.Player(driver=rig.driver, channels=2) as player:
        with on_interrupt(handler):
            assert player.write(Interrupting(coded(0, 100, 2).tobytes())) == 100
        assert calls == ["handled"]
        player.finish()
        rig.step(5)
        assert [(mark.name, mark.frame) for mark in player.marks_heard] == [("a", 100), ("b", 100)]


def test_steps_run_one_at_a_time_and_later_steps_in_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps, done = Steps(), []
    reported: list[str] = []
    monkeypatch.setattr(
        "voicecoil.lifetime.exit_and_fork.report", lambda error, _: reported.append(str(error))
    )

    def wrong() -> None:
        raise ValueError("a wrong step")

    def step() -> str:
        steps.run_or_defer(wrong)
        steps.run_or_defer(lambda: done.append("second"))
        with pytest.raises(vc.StreamStateError):
            steps.run(lambda: None)
        done.append("first")
        return "result"

    assert steps.run(step) == "result"
    assert done == ["first", "second"]
    assert reported == ["a wrong step"]
    with pytest.raises(ValueError, match="wrong"):
        steps.run_or_defer(wrong)
