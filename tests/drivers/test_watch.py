"""`vc.watch`: changes of devices and defaults, on every driver."""

from __future__ import annotations

import asyncio

import pytest

import voicecoil as vc
from coreaudio import Worlds
from rig import until
from voicecoil.drivers import polling
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver


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
        while {"removed", "default output"} - kinds.keys():
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
