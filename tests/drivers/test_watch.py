"""`vc.watch`: changes of devices and defaults, on every driver."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from typing import Any

import pytest

import voicecoil as vc
from coreaudio import Worlds
from rig import until
from voicecoil.drivers import polling
from voicecoil.drivers.change_queue import ChangeQueue
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver
from voicecoil.lifetime import exit_and_fork


def test_devices_and_defaults_on_coreaudio(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    with vc.watch(world.driver) as changes:
        first = world.driver.devices()[0]
        world.add_device("uid=new; name=New; out=2")
        world.advance(0.01)
        change = changes.wait(10)
        assert change is not None
        assert (change.kind, change.old, change.device.name) == ("added", None, "New")
        world.set_default("output", world.device("new"))
        world.advance(0.01)
        change = changes.wait(10)
        assert change is not None
        assert (change.kind, change.old.uid, change.new.uid) == ("default output", first.uid, "new")
        world.device(first.uid).change_rate(96_000)
        world.device("new").remove()
        world.advance(0.2)
        kinds = {}
        while {"changed", "removed", "default output"} - kinds.keys():
            change = changes.wait(10)
            assert change is not None
            kinds[change.kind] = change
        assert kinds["removed"].device.name == "New"
    assert changes.ended
    assert list(changes) == []


def test_a_virtual_device_is_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polling, "LOOK_S", 0.01)
    one, two = VirtualDevice("one"), VirtualDevice("two")
    driver = VirtualDriver([one])

    async def main() -> list[tuple[str, str]]:
        found = []
        with vc.watch(driver) as changes:
            driver.virtual_devices.append(two)
            async for change in changes:
                found.append((change.kind, change.device.name))
                if len(found) == 2:
                    changes.close()
                else:
                    driver.virtual_devices.remove(two)
        return found

    assert asyncio.run(main()) == [("added", "two"), ("removed", "two")]


def test_a_callback_may_end_the_watch(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    told: list[str] = []

    def callback(change: vc.DeviceChange) -> None:
        told.append(change.kind)
        changes.close()

    changes = vc.watch(world.driver, callback=callback)
    world.add_device("uid=new; out=2; default=none")
    world.advance(0.01)
    until(lambda: changes.ended)
    assert told == ["added"]


def test_a_watch_that_the_program_drops_ends(
    coreaudio: Worlds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "LOOK_S", 0.01)
    world, told = coreaudio(3), list[vc.DeviceChange]()
    one, two = VirtualDevice("one"), VirtualDevice("two")
    virtual = VirtualDriver([one])
    watches = [vc.watch(driver, callback=told.append) for driver in (world.driver, virtual)]
    virtual.virtual_devices.append(two)
    world.add_device("uid=new; out=2; default=none")
    world.advance(0.01)
    until(lambda: len(told) == 2)

    def is_watching() -> bool:
        return any(thread.name == "voicecoil watching" for thread in threading.enumerate())

    assert is_watching()
    gone = [weakref.ref(watch) for watch in watches]
    watches.clear()
    gc.collect()
    assert [ref() for ref in gone] == [None, None]
    until(lambda: not is_watching() and world.driver.notifier._looks == {})
    virtual.virtual_devices.remove(two)
    world.device("new").remove()
    world.advance(0.01)
    assert len(told) == 2


def put(changes: ChangeQueue[int], *keys: int) -> None:
    for key in keys:
        changes._put(key, key, lambda earlier, later: later)


class Reader:
    """A thread that loops over a queue."""

    def __init__(self, changes: ChangeQueue[int]) -> None:
        self.found: list[int] = []
        self._changes = changes
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        for item in self._changes:
            self.found.append(item)

    def has_ended(self) -> bool:
        return not self._thread.is_alive()


def test_the_end_wakes_all_readers() -> None:
    changes: ChangeQueue[int] = ChangeQueue()
    readers = [Reader(changes) for _ in range(5)]
    put(changes, *range(100))
    until(lambda: sum(len(one.found) for one in readers) == 100)
    changes.close()
    until(lambda: all(one.has_ended() for one in readers))
    assert sorted(item for one in readers for item in one.found) == list(range(100))


def test_a_change_that_was_put_before_the_end_is_read_after_it() -> None:
    changes: ChangeQueue[int] = ChangeQueue()
    put(changes, 1, 2)
    changes.close()
    assert list(changes) == [1, 2]
    assert changes.wait(0) is changes.wait(0) is None


def test_nothing_grows_with_the_number_of_changes() -> None:
    changes: ChangeQueue[int] = ChangeQueue()

    async def main() -> None:
        for _ in range(100):
            put(changes, 1)
            assert await anext(changes) == 1

    asyncio.run(main())
    assert changes._signal.qsize() <= 1
    with pytest.raises(vc.StreamTimeoutError):
        changes.wait(0.01)
    changes.close()

    begun, may_go_on, calls = threading.Event(), threading.Event(), list[Any]()

    def callback(item: int) -> None:
        calls.append(item)
        begun.set()
        may_go_on.wait(20)

    slow: ChangeQueue[int] = ChangeQueue(callback)
    put(slow, 1)
    assert begun.wait(20)
    put(slow, *[2] * 100)
    assert exit_and_fork._listeners._tasks.qsize() <= 1
    may_go_on.set()
    until(lambda: calls == [1, 2])
    slow.close()
