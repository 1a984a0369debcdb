"""The order of events, and the search for a device by a part of its name."""

from __future__ import annotations

import pytest

import voicecoil as vc
from voicecoil.drivers.find import find_device
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver
from voicecoil.events import Event, with_overloads


def kinds(events: list[Event]) -> list[str]:
    return [event.kind for event in events]


def test_the_first_cycle_on_a_new_device_comes_after_the_news_of_it() -> None:
    """The events have this order even if a restarted server reports a time that is too early."""
    lost, back = Event("lost", 1_000, 0, 0), Event("back", 9_000, 0, 0)
    early, before = Event("xrun", 8_000, 0, 64), Event("xrun", 500, 0, 32)
    assert with_overloads([before, early], [lost, back]) == [before, lost, back, early]


def test_each_loss_has_its_own_gap() -> None:
    news = [Event(kind, ns, 0, 0) for kind, ns in zip(["lost", "back"] * 2, [10, 20, 30, 40])]  # type: ignore[arg-type]  # noqa: B905
    xruns = [Event("xrun", ns, 0, 1) for ns in (15, 25, 35)]
    told = with_overloads(xruns, news)
    assert kinds(told) == ["lost", "back", "xrun", "xrun", "lost", "back", "xrun"]


def test_a_device_that_is_still_away_changes_no_order() -> None:
    told = with_overloads([Event("xrun", 15, 0, 1)], [Event("lost", 10, 0, 0)])
    assert kinds(told) == ["lost", "xrun"]


def test_a_device_is_found_by_a_part_of_its_uid_where_no_name_has_it() -> None:
    one = VirtualDevice("Null Output", uid="virtual:null0")
    two = VirtualDevice("Null Output", uid="virtual:null1")
    driver = VirtualDriver([one, two])
    assert find_device("null1", ("output",), driver).uid == "virtual:null1"
    with pytest.raises(vc.DeviceNotFoundError, match="2 devices are called 'Null Output'"):
        find_device("Null Output", ("output",), driver)
    with pytest.raises(vc.DeviceNotFoundError, match="2 devices contain 'virtual:'"):
        find_device("virtual:", ("output",), driver)


def test_a_uid_does_not_take_the_place_of_a_name() -> None:
    """Before the fix, a new device was chosen because its uid equalled the wanted device's name."""
    usual = VirtualDevice("Headphones", uid="usb:1")
    newcomer = VirtualDevice("New", uid="Headphones")
    driver = VirtualDriver([usual])
    assert find_device("Headphones", ("output",), driver).uid == "usb:1"
    driver.virtual_devices.append(newcomer)
    with pytest.raises(vc.DeviceNotFoundError) as caught:
        find_device("Headphones", ("output",), driver)
    for text in (
        "2 devices have the name or the uid 'Headphones'",
        "usb:1",
        "'New'",
        "a Device of",
    ):
        assert text in str(caught.value)
    for device in driver.devices():
        assert find_device(device, ("output",), driver) == device
    assert find_device("phones", ("output",), driver).uid == "usb:1"
    driver.virtual_devices.remove(newcomer)
    assert find_device("Headphones", ("output",), driver).uid == "usb:1"


def test_one_device_may_have_its_name_as_its_uid() -> None:
    driver = VirtualDriver([VirtualDevice("One", uid="One"), VirtualDevice("Two", uid="Two")])
    assert find_device("Two", ("output",), driver).name == "Two"


def test_microphone_and_speakers_that_are_two_devices() -> None:
    """On a MacBook, the microphone and the speakers are separate devices. A stream uses both if no
    device is named. If one of them is named, the error says how a program can use both.
    """
    microphone = VirtualDevice("MacBook Microphone", uid="m", output_channels=0, loopback=False)
    speakers = VirtualDevice("MacBook Speakers", uid="s", input_channels=0, loopback=False)
    driver = VirtualDriver([microphone, speakers])
    with vc.Stream(lambda block: None, driver=driver) as stream:
        assert stream.device.name == "MacBook Microphone + MacBook Speakers"
    with pytest.raises(vc.DeviceNotFoundError) as caught:
        vc.Stream(print, device="MacBook Speakers", driver=driver)
    assert 'give device=("the input", "the output")' in str(caught.value)
    with pytest.raises(vc.DeviceNotFoundError) as caught:
        vc.Stream(print, driver=VirtualDriver([speakers]))
    assert "InputStream" not in str(caught.value), "there is nothing to listen to"
