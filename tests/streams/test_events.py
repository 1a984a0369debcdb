"""What happened, in order; and which device is meant by a part of what it is called."""

from __future__ import annotations

import pytest

import voicecoil as vc
from voicecoil.drivers.find import find_device
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver
from voicecoil.events import Event, with_overloads


def kinds(events: list[Event]) -> list[str]:
    return [event.kind for event in events]


def test_the_first_cycle_on_a_new_device_comes_after_the_news_of_it() -> None:
    """Also where its server, which was restarted, tells a time that is too early."""
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
