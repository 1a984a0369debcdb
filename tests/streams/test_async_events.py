"""``async for event in stream.events()``: events as they come, in a task."""

from __future__ import annotations

import asyncio
import pickle

import voicecoil as vc
from rig import Rig
from voicecoil.lifetime import waking


def silent(block: vc.Block) -> None:
    pass


def test_events_are_given_as_they_come_and_the_iteration_ends_with_the_stream() -> None:
    rig = Rig()

    async def run() -> list[str]:
        kinds: list[str] = []
        with vc.OutputStream(silent, driver=rig.driver, latency="low") as stream:

            async def read() -> None:
                async for event in stream.events():
                    kinds.append(event.kind)

            reading = asyncio.create_task(read())
            rig.step(2)
            for number in (1, 2):
                rig.device.inject("xrun", 64)
                rig.step(2)
                while len(kinds) < number:
                    await asyncio.sleep(0.001)
            stream.abort()  # no cycle comes in which the stream could finish
            await asyncio.wait_for(reading, 10)
        return kinds

    assert asyncio.run(run()) == ["xrun", "xrun"]


def test_a_cancelled_reader_loses_no_event_and_leaves_no_wait() -> None:
    rig = Rig()

    async def run() -> list[vc.Event]:
        with vc.OutputStream(silent, driver=rig.driver, latency="low") as stream:

            async def read() -> None:
                async for _ in stream.events():
                    raise AssertionError("an event came before the cancellation")

            reading = asyncio.create_task(read())
            await asyncio.sleep(0.01)
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            assert reading.cancelled()
            assert waking._waker is not None
            assert not waking._waker._watches
            rig.step(2)
            rig.device.inject("xrun", 64)
            rig.step(2)
            stream._has_events()  # as a task does that waits
            return stream.events()

    events = asyncio.run(run())
    assert [event.kind for event in events] == ["xrun"]
    assert pickle.loads(pickle.dumps(events)) == events == list(events)
