"""For the tests of programs that use voicecoil, and of voicecoil itself.

`VirtualDevice` is a device that is made of a clock, `SimulatedCoreAudio` a CoreAudio that is not
there: devices, time and misbehaviour are what a test says, and all that a program played or should
have recorded can be checked, frame by frame. docs/testing.md shows how.
"""

from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver
from voicecoil.testing.simulated_coreaudio import SimulatedCoreAudio
from voicecoil.testing.simulated_device import DecodedInput, SimulatedDevice, decode_input
from voicecoil.testing.simulator_library import find_simulator

__all__ = [
    "DecodedInput",
    "SimulatedCoreAudio",
    "SimulatedDevice",
    "VirtualDevice",
    "VirtualDriver",
    "decode_input",
    "find_simulator",
]
