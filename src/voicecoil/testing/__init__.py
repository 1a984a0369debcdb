"""Devices for the tests of programs that use voicecoil, and of voicecoil itself.

`VirtualDevice` is a device without hardware, and `SimulatedCoreAudio` simulates macOS's CoreAudio.
The test controls devices, time and faults, and can check each frame that a program played or
recorded. docs/testing.md shows how.
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
