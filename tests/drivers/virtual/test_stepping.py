"""Tests of the clock that a test moves."""

from __future__ import annotations

import threading

import pytest

import voicecoil as vc
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver


def test_a_device_that_stands_still_is_reported_with_the_cycles_that_are_left() -> None:
    device = VirtualDevice("Stepped", clock="stepped", frames=64)
    blocks: list[None] = []
    goes_on = threading.Event()

    def callback(block: vc.Block) -> None:
        blocks.append(None)
        if len(blocks) == 2:
            assert goes_on.wait(60)

    with vc.OutputStream(callback, driver=VirtualDriver([device]), latency="low") as stream:
        with pytest.raises(vc.StreamTimeoutError, match=r"^3 of 5 cycles .* still for 0\.3 s$"):
            device.step(5, timeout_s=0.3)
        goes_on.set()
        stream.abort()
