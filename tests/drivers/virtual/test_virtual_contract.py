"""The virtual driver passes the contract with devices of every shape."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import voicecoil as vc
from driver_contract import DriverContract, TimedOutput, marked_for_each_python
from failure_contract import FailureContract, RemovableContract
from rig import until
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver

SHAPES: dict[str, dict[str, Any]] = {
    "interleaved": {"layout": "interleaved"},
    "planar": {"layout": "planar"},
    "split": {"layout": "split"},
    "varying": {"pattern": [64, 1, 63, 17, 64, 33]},
    "far": {"latency_frames": (37, 101)},
}


class VirtualRig:
    stepped = True
    cycle_frames = 64
    another_device = "virtual:Contract"  # clients of one device do not wait for each other
    channels = [0, 1]  # noqa: RUF012

    def __init__(self, shape: dict[str, Any]) -> None:
        self.virtual = VirtualDevice("Contract", clock="stepped", frames=64, poison=True, **shape)
        self.virtual.capture()
        other = VirtualDevice("Other", input_channels=0)
        self.driver = VirtualDriver([self.virtual, other])
        self.device = self.driver.devices()[0]

    def advance(self, cycles: int) -> None:
        with contextlib.suppress(vc.StreamStateError):  # ignored if no stream runs
            self.virtual.step(cycles)

    def heard(self) -> NDArray[np.float32]:
        return self.virtual.heard()

    def unplug(self) -> None:
        self.virtual.inject("unplug")
        self.virtual.step(1)

    @contextlib.contextmanager
    def starts_fail(self, stream: vc.OutputStream) -> Iterator[None]:
        """Attaches clients until the device has its largest number of clients, 64."""
        core, engine = self.virtual._core, stream._connection.engine
        assert core is not None
        clients = 0
        while core.attach(engine, [], [0] * stream.channels):
            clients += 1
        assert clients == 64
        yield
        for _ in range(clients):
            assert core.detach(engine, 10**10)

    def replug(self) -> None:
        self.virtual.replug(away_s=0.01)


# The memory layouts and latencies differ only for the C code.
EACH_PYTHON = ("interleaved", "varying")


@pytest.fixture(params=marked_for_each_python(SHAPES, EACH_PYTHON))
def rig(request: pytest.FixtureRequest) -> VirtualRig:
    return VirtualRig(SHAPES[request.param])


class TestVirtualDriver(DriverContract, FailureContract, RemovableContract):
    pass


@pytest.mark.interpreter
@pytest.mark.parametrize("clock", ["real", "free"])
def test_sample_time_goes_on_by_host_time_on_clocks_that_run(clock: str) -> None:
    virtual = VirtualDevice("Running", clock=clock, frames=64)
    callback = TimedOutput()
    stream = vc.OutputStream(callback, driver=VirtualDriver([virtual]))
    firsts = []
    for _ in range(3):
        firsts.append(len(callback.frames))
        stream.start()
        until(lambda wanted=firsts[-1] + 4: len(callback.frames) >= wanted)
        stream.abort()
    stream.close()
    for first in firsts[1:]:
        callback.assert_one_time_line(first, stream.samplerate, slack_frames=1)
