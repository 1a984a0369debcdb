"""Transport managers, end points and devices of them, and rare selectors, on the simulator."""

from __future__ import annotations

import os

import pytest

import voicecoil as vc
from coreaudio import Worlds
from voicecoil import hal
from voicecoil.errors import ArgumentTypeError, DeviceLostError, DriverError, PropertyMissingError

BUNDLE = "org.voicecoil.simulated.transport"


def rooms(*uids: str, **more: object) -> dict[str, object]:
    return {"uid": "Rooms", "name": "Rooms", "endpoints": [{"uid": uid} for uid in uids], **more}


def test_a_transport_manager_and_its_end_points(coreaudio: Worlds) -> None:
    system = hal.connect(coreaudio(3, 24).driver)
    (manager,) = system.transport_manager_list
    assert type(manager) is hal.TransportManager
    assert manager.bundle_id == BUNDLE
    assert manager == system.translate_bundle_id_to_transport_manager(BUNDLE)
    assert manager.transport_type is hal.TransportType.AIR_PLAY
    assert manager.device_list == manager.box_list == []
    kitchen, garden, door = manager.end_point_list
    assert type(kitchen) is hal.EndPoint
    assert [one.uid for one in (kitchen, garden, door)] == [
        "EndPoint:kitchen",
        "EndPoint:garden",
        "EndPoint:door",
    ]
    assert manager.translate_uid_to_end_point("EndPoint:garden") == garden
    assert manager.translate_uid_to_end_point("nothing") is None
    assert garden.owner == manager
    assert garden.name == "Simulated Garden"
    assert garden not in system.devices
    with pytest.raises(PropertyMissingError):
        _ = garden.nominal_sample_rate


def test_no_transport_manager_without_the_fixture(coreaudio: Worlds) -> None:
    system = hal.connect(coreaudio(3).driver)
    assert system.transport_manager_list == []
    assert system.translate_bundle_id_to_transport_manager(BUNDLE) is None


def test_a_device_of_end_points_is_made_and_destroyed(coreaudio: Worlds) -> None:
    world = coreaudio(3, 24)
    system = hal.connect(world.driver)
    (manager,) = system.transport_manager_list
    device = manager.create_end_point_device(rooms("EndPoint:kitchen", "EndPoint:garden"))
    assert type(device) is hal.EndPointDevice
    assert device.is_private == 0
    assert device.end_point_list == manager.end_point_list[:2]
    assert device.composition["main"] == "EndPoint:kitchen"
    assert [part["channels-out"] for part in device.composition["endpoints"]] == [2, 2]
    assert device in system.devices
    assert manager.device_list == [device]
    with vc.OutputStream(
        lambda block: block.output.fill(0.5), device="Rooms", channels=4, driver=world.driver
    ):
        world.advance(0.5)
    assert (world.device("Rooms").heard() == 0.5).all()
    assert manager.destroy_end_point_device(device) is None
    assert manager.device_list == []
    with pytest.raises(DeviceLostError):
        _ = device.composition


def test_a_private_device_and_what_is_refused(coreaudio: Worlds) -> None:
    world = coreaudio(3, 24)
    system = hal.connect(world.driver)
    (manager,) = system.transport_manager_list
    device = manager.create_end_point_device(rooms("EndPoint:door", private=1))
    assert device is not None
    assert device.is_private == os.getpid()
    for wrong in (rooms(), rooms("nothing"), rooms("EndPoint:door")):  # the last one has its UID
        with pytest.raises(DriverError, match="nope"):
            manager.create_end_point_device(wrong)
    with pytest.raises(DriverError, match="nope"):
        manager.destroy_end_point_device(system.device("USBDuplex:1"))
    manager.destroy_end_point_device(device)


def test_an_end_point_that_comes_back_is_the_same_object(coreaudio: Worlds) -> None:
    world = coreaudio(24)
    (manager,) = hal.connect(world.driver).transport_manager_list
    garden = manager.end_point_list[1]
    world.check(world.library.sim_remove_end_point(garden.object_id))
    with pytest.raises(DeviceLostError):
        _ = garden.name
    assert world.library.sim_add_end_point(
        manager.object_id, b"EndPoint:garden", b"New Garden", 0, 2
    )
    assert garden.name == "New Garden"
    assert garden == manager.end_point_list[2]


def test_selectors_of_the_hal_itself(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    device = hal.connect(world.driver).device("USBDuplex:1")
    assert not any(device.has(name, "input") for name in ("lisa", "lisr", "rbuf"))
    world.set("internal_selectors", 1)
    with hal.watch(device, "clock_domain"):
        assert device["lisa"][:4] == b"dklc"
    assert not device.settable("lisa")
    assert [one.channels for one in device.get("rbuf", "input")] == [2]
    with pytest.raises(ArgumentTypeError, match=r"voicecoil\.raw has the functions"):
        device.set("rbuf", b"", "input")  # it would hold a pointer to the client's memory
