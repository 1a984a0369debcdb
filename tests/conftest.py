"""What all tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from coreaudio import Worlds
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


@pytest.fixture
def coreaudio() -> Iterator[Worlds]:
    """Makes simulated CoreAudios; each must be left clean."""
    with Worlds() as worlds:
        yield worlds
