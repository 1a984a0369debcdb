"""Streams and sounds in asyncio programs: ends, cancellation, and a loop that is never blocked."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any

import numpy as np
import pytest

import voicecoil as vc
from rig import until
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver
from voicecoil.sounds.mixing import close_outputs


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(main, 60))


def free() -> VirtualDriver:
    return VirtualDriver([VirtualDevice("Free", clock="free")])


def tasks_of_the_library() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "voicecoil task"]


def ending_after(blocks: int, error: type[Exception]) -> Any:
    left = [blocks]

    def callback(block: vc.Block) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise error

    return callback


def test_ended_returns_when_the_stream_ends_by_itself(home: str) -> None:
    async def main() -> None:
        stream = vc.OutputStream(ending_after(20, vc.Stop), driver=free())
        with pytest.raises(vc.StreamStateError, match="never started"):
            await stream.ended()
        stream.start()
        await asyncio.gather(stream.ended(), stream.ended())
        assert stream.state == "finished"
        await stream.ended()  # it has ended already
        await stream.aclose()
        await stream.aclose()

    run(main())


def test_ended_raises_the_exception_once(home: str) -> None:
    async def main() -> None:
        stream = vc.OutputStream(ending_after(20, ZeroDivisionError), driver=free())
        stream.start()
        with pytest.raises(ZeroDivisionError):
            await stream.ended()
        await stream.ended()
        await stream.aclose()

    run(main())


def test_a_lost_device_ends_the_wait() -> None:
    async def main() -> None:
        device = VirtualDevice("Stepped", clock="stepped", frames=64)
        stream = vc.OutputStream(lambda block: None, driver=VirtualDriver([device]))
        stream.start()
        device.step(1)
        waiting = asyncio.create_task(stream.ended())
        await asyncio.sleep(0)
        device.inject("unplug")
        device.step(1)
        with pytest.raises(vc.DeviceLostError):
            await waiting
        await stream.aclose()

    run(main())


def test_a_cancelled_wait_leaves_the_stream_running_and_no_thread() -> None:
    async def main() -> None:
        stream = vc.OutputStream(lambda block: None, driver=free())
        stream.start()
        waiting = [asyncio.create_task(stream.ended()) for _ in range(5)]
        await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        ended = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(error, asyncio.CancelledError) for error in ended)
        assert stream.active
        await stream.stop_async()
        assert stream.state == "finished"
        await stream.aclose()

    run(main())
    until(lambda: not tasks_of_the_library())


def test_stop_and_close_do_not_block_the_loop_while_a_callback_does(home: str) -> None:
    async def main() -> None:
        inside, gate = threading.Event(), threading.Event()

        def callback(block: vc.Block) -> None:
            inside.set()
            assert gate.wait(20)

        stream = vc.OutputStream(callback, driver=free())
        stream.start()
        until(inside.is_set)
        stopping = asyncio.create_task(stream.stop_async())
        for _ in range(20):
            await asyncio.sleep(0.001)  # the loop runs meanwhile
        assert not stopping.done()
        gate.set()
        await stopping
        await stream.aclose()
        assert stream.state == "closed"

    run(main())


def test_a_cancelled_stop_takes_effect_when_the_stream_has_ended() -> None:
    async def main() -> None:
        inside, gate = threading.Event(), threading.Event()

        def callback(block: vc.Block) -> None:
            inside.set()
            assert gate.wait(20)

        stream = vc.OutputStream(callback, driver=free(), latency="low")
        stream.start()
        until(inside.is_set)
        stopping = asyncio.create_task(stream.stop_async(fade_s=3.0))
        await asyncio.sleep(0.01)
        stopping.cancel()
        await asyncio.sleep(0.01)
        assert not stopping.done(), "the callback is still running"
        stopping.cancel()  # a second cancellation changes nothing
        gate.set()
        with pytest.raises(asyncio.CancelledError):
            await stopping
        assert stream.state == "finished"
        await stream.aclose()

    run(main())
    until(lambda: not tasks_of_the_library())


def test_async_with_starts_and_ends_the_stream(home: str) -> None:
    async def main() -> None:
        async with vc.OutputStream(lambda block: None, driver=free()) as stream:
            assert stream.active
        assert stream.state == "closed"
        with pytest.raises(ZeroDivisionError):
            async with vc.OutputStream(ending_after(1, ZeroDivisionError), driver=free()) as one:
                while one.active:
                    await asyncio.sleep(0.001)
        with pytest.raises(LookupError, match="in the block") as caught:
            async with vc.OutputStream(ending_after(1, ZeroDivisionError), driver=free()) as one:
                while one.active:
                    await asyncio.sleep(0.001)
                raise LookupError("in the block")
        assert "ZeroDivisionError" in caught.value.__notes__[0]

        streams = []

        async def play_for_ever() -> None:
            async with vc.OutputStream(lambda block: None, driver=free()) as one:
                streams.append(one)
                await asyncio.sleep(1000)

        task = asyncio.create_task(play_for_ever())
        while not streams:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert streams[0].state == "closed"

    run(main())


def test_a_cancelled_start_closes_the_stream() -> None:
    async def main() -> None:
        stream = vc.OutputStream(lambda block: None, driver=free())

        async def use() -> None:
            async with stream:
                raise AssertionError("the block is not entered")

        task = asyncio.create_task(use())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert stream.state == "closed"

    run(main())
    until(lambda: not tasks_of_the_library())


def test_a_sound_is_awaited_and_a_cancelled_wait_lets_it_play() -> None:
    async def main() -> None:
        driver = free()
        await vc.play(np.zeros((1_000, 2), np.float32), 48_000, driver=driver)
        endless = vc.play(np.zeros((10, 2), np.float32), 48_000, loops=0, driver=driver)
        waiting = asyncio.ensure_future(endless)
        await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert endless.playing
        vc.stop_all()
        await endless
        assert not endless.playing

    run(main())
    close_outputs()
