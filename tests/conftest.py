"""What all tests share."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import pytest

from rig import Rig
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver


@pytest.fixture
def stepped() -> VirtualDevice:
    """A duplex device whose clock the test moves, with poisoned buffers and a cable."""
    return VirtualDevice("Stepped", clock="stepped", frames=64, poison=True)


@pytest.fixture
def driver(stepped: VirtualDevice) -> VirtualDriver:
    return VirtualDriver([stepped])


@pytest.fixture(autouse=True)
def _no_driver_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VOICECOIL_DRIVER", raising=False)


@pytest.fixture(autouse=True)
def _nothing_left_open() -> Iterator[None]:
    """What one test plays is not heard in the next, and no thread outlives its test."""
    yield
    output = sys.modules.get("voicecoil.output")
    if output is not None:
        output.close_outputs()
    names = ("voicecoil reader", "voicecoil recorder")
    for thread in threading.enumerate():
        if thread.name in names:
            thread.join(10)
            assert not thread.is_alive(), f"a test left its {thread.name!r} behind"


@pytest.fixture
def rig() -> Rig:
    return Rig()
