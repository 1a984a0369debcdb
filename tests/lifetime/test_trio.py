"""Everything that can be awaited, in tasks of trio, and in neither asyncio nor trio."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import numpy as np
import pytest

import voicecoil as vc
from coded import assert_coded, coded
from rig import until
from voicecoil.drivers import polling
from voicecoil.lifetime import waking
from voicecoil.lifetime.awaiting import off_the_loop
from voicecoil.sounds.mixing import close_outputs
from voicecoil.testing import VirtualDevice, VirtualDriver

trio = pytest.importorskip("trio", reason="NOT TESTED: trio is not installed")

HANG_S = 60.0


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    """Other tests count the threads."""
    yield
    close_outputs()
    until(lambda: "voicecoil task" not in [thread.name for thread in threading.enumerate()])


def run(main: Callable[[], Awaitable[Any]]) -> Any:
    async def limited() -> Any:
        with trio.fail_after(HANG_S):
            return await main()

    return trio.run(limited)


def device_and_driver(clock: Any = "stepped") -> tuple[VirtualDevice, VirtualDriver]:
    device = VirtualDevice("Rig", clock=clock, frames=64)
    device.capture()
    return device, VirtualDriver([device])


def test_a_player_takes_chunks_reports_marks_and_is_drained() -> None:
    device, driver = device_and_driver("free")
    names: list[str] = []

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            async with vc.Player(driver=driver, channels=2, buffer_s=0.01) as player:

                async def listen() -> None:
                    async for mark in player.marks():
                        names.append(mark.name)

                nursery.start_soon(listen)
                with pytest.raises(vc.StreamTimeoutError, match="were taken"):
                    await player.write(coded(0, 2000, 2), timeout=0.0)
                player.clear(0)
                player.mark("begin")
                assert await player.write(coded(0, 2000, 2)) == 2000  # waits for room
                player.mark("end")
                assert await player.drain(0.0) is False
                assert await player.drain() is True
            assert player.cleared_frames + player.heard_frames == player.written_frames

    run(main)
    assert names == ["begin", "end"]
    heard = device.heard()
    assert_coded(heard[heard.any(axis=1)][-2000:])


def test_blocks_sounds_and_voices_are_awaited() -> None:
    _, driver = device_and_driver("free")
    done: list[str] = []

    async def main() -> None:
        async def record() -> None:
            async with vc.Recorder(driver=driver, blocksize=256) as recorder:
                async for block in recorder:
                    assert block.frames == 256
                    if block.time.frames > 1000:
                        break
            done.append("record")

        async def play() -> None:
            await vc.play(np.full((300, 2), 0.1, np.float32), 48_000, driver=driver)
            done.append("play")

        async def mix() -> None:
            async with vc.Mixer(driver=driver) as mixer:
                await mixer.play(np.full((300, 2), 0.1, np.float32), samplerate=48_000)
            done.append("mix")

        async with trio.open_nursery() as nursery:
            for task in (record, play, mix):
                nursery.start_soon(task)

    run(main)
    assert sorted(done) == ["mix", "play", "record"]


def test_the_events_and_the_end_of_a_stream_are_awaited() -> None:
    device, driver = device_and_driver()
    kinds: list[str] = []

    async def main() -> None:
        async with vc.OutputStream(lambda block: None, driver=driver, latency="low") as stream:

            async def read() -> None:
                async for event in stream.events():
                    kinds.append(event.kind)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(read)
                nursery.start_soon(stream.ended)
                device.step(2)
                device.inject("xrun", 64)
                device.step(2)
                while not kinds:
                    await trio.sleep(0.001)
                stream.abort()
        assert stream.state == "closed"

    run(main)
    assert kinds[:1] == ["xrun"]


def test_a_cancelled_wait_loses_no_frame_and_leaves_nothing_behind() -> None:
    device, driver = device_and_driver()

    async def main() -> None:
        async with vc.Recorder(driver=driver) as recorder:
            with trio.move_on_after(0.01) as scope:
                await recorder.read_async(128)
            assert scope.cancelled_caught
            assert waking._waker is not None
            assert not waking._waker._watches
            device.step(4)
            first, second = [await recorder.read_async(128) for _ in range(2)]
            assert second.time.frames - first.time.frames == 128
            assert recorder.buffered_s == recorder.lost_frames == 0

    run(main)


def test_a_call_on_a_thread_ends_before_its_task_is_cancelled() -> None:
    gate, ended = threading.Event(), threading.Event()

    def call() -> None:
        assert gate.wait(20)
        ended.set()

    async def main() -> None:
        with trio.move_on_after(0.01) as scope:
            await off_the_loop(call, gate.set)
        assert scope.cancelled_caught
        assert ended.is_set()
        assert await off_the_loop(lambda: 3) == 3
        with pytest.raises(ZeroDivisionError):
            await off_the_loop(lambda: 1 // 0)

    run(main)


def test_a_player_is_closed_in_a_scope_that_is_cancelled() -> None:
    _, driver = device_and_driver()

    async def main() -> None:
        with trio.CancelScope() as scope:
            async with vc.Player(driver=driver, channels=2) as player:
                await player.write(coded(0, 100, 2))
                scope.cancel()
                await player.drain()
        assert scope.cancelled_caught
        with pytest.raises(vc.StreamClosedError):
            player.write(coded(0, 100, 2))

    run(main)


def test_asyncio_and_trio_wait_for_one_watch_at_the_same_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(polling, "LOOK_S", 0.01)
    driver = VirtualDriver([VirtualDevice("one")])
    with vc.watch(driver) as mine, vc.watch(driver) as other:

        async def first(changes: Any, ready: threading.Event) -> str:
            ready.set()
            return (await anext(changes)).device.name

        found: list[str] = []
        ready = [threading.Event(), threading.Event()]
        threads = [
            threading.Thread(target=lambda: found.append(asyncio.run(first(mine, ready[0])))),
            threading.Thread(target=lambda: found.append(trio.run(first, other, ready[1]))),
        ]
        for thread in threads:
            thread.start()
        for one in ready:
            assert one.wait(20)
        driver.virtual_devices.append(VirtualDevice("two"))
        for thread in threads:
            thread.join(20)
        assert found == ["two", "two"]


def test_neither_asyncio_nor_trio_is_told_with_one_error() -> None:
    _, driver = device_and_driver()
    with vc.Player(driver=driver) as player, vc.Recorder(driver=driver) as recorder:
        for awaited in (recorder.read_async(64), recorder.aclose(), player.aclose()):
            with pytest.raises(vc.StreamStateError, match=r"only a task of asyncio or trio"):
                awaited.send(None)
        player.clear(0)
