"""The CoreAudio driver passes the contract, on simulated devices of every shape."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

import voicecoil as vc
from coreaudio import simulator_path
from driver_contract import DriverContract, marked_for_each_python
from failure_contract import FailureContract, RemovableContract
from voicecoil.testing import SimulatedCoreAudio

NOPE = int.from_bytes(b"nope", "big")  # an error code (OSStatus)


@dataclass(frozen=True)
class Shape:
    uid: str
    channels: tuple[int, int]
    fixtures: tuple[int, ...] = ()
    devices: tuple[str, ...] = ()
    loopback: bool = True  # the rig connects the output of the device to its input


SHAPES = {
    "stereo": Shape("Loopback", (0, 1), (8,), loopback=False),
    "usb": Shape("USBDuplex:1", (0, 1), (3,)),
    "one stream of 2+2+8": Shape("MultiStream:2+2+8", (6, 9), (4,)),
    "across the streams of 2+2+8": Shape("MultiStream:2+2+8", (1, 5), (4,)),
    "mono streams": Shape("MonoStreams:8", (3, 4), (5,)),
    "two mono streams": Shape("two", (0, 1), devices=("uid=two; in=1,1; out=1,1; ppm=50",)),
    "24-bit integers, across streams": Shape(
        "int24",
        (0, 3),
        devices=("uid=int24; in=2,2; out=2,2; ppm=50; formats=i24/32!,i24/32",),
    ),
    "varying": Shape("VariableFrames", (0, 1), (11,)),
    "far": Shape(
        "far",
        (0, 1),
        devices=(
            "uid=far; in=2; out=2; latency_in=1037; latency_out=501; safety_in=300; safety_out=7; "
            "stream_latency_in=11; stream_latency_out=13",
        ),
    ),
}


class SimulatedRig:
    stepped = True
    cycle_frames = 512
    another_device = "other"

    def __init__(self, shape: Shape, world: SimulatedCoreAudio) -> None:
        self.world = world
        self.channels = list(shape.channels)
        self.simulated = world.device(shape.uid)
        if shape.loopback:
            self.simulated.set_input("loopback")
        world.add_device("uid=other; out=2")
        self.driver = world.driver
        self.device = next(d for d in self.driver.devices() if d.uid == shape.uid)

    def advance(self, cycles: int) -> None:
        self.simulated.run_cycles(cycles)

    def heard(self) -> NDArray[np.float32]:
        return self.simulated.heard()[:, self.channels]

    def unplug(self) -> None:
        self.simulated.remove()
        self.world.advance(0.01)  # until the notification has arrived

    def starts_fail(self, stream: vc.OutputStream) -> AbstractContextManager[None]:
        self.world.fail_call("AudioDeviceStart", NOPE, times=1)
        return nullcontext()

    def replug(self) -> None:
        self.simulated.replug()


# The streams, formats and latencies of a device differ only for the C code and for the code that
# reads properties.
EACH_PYTHON = ("stereo", "across the streams of 2+2+8")


@pytest.fixture(params=marked_for_each_python(SHAPES, EACH_PYTHON))
def rig(request: pytest.FixtureRequest) -> Iterator[SimulatedRig]:
    shape = SHAPES[request.param]
    with SimulatedCoreAudio(
        simulator_path(), fixtures=shape.fixtures, devices=shape.devices
    ) as world:
        yield SimulatedRig(shape, world)


class TestCoreAudioDriver(DriverContract, FailureContract, RemovableContract):
    pass
