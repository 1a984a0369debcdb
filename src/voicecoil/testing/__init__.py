"""For the tests of programs that use voicecoil, and of voicecoil itself.

`SimulatedCoreAudio` is a CoreAudio that is not there: devices, clocks and misbehaviour are what a
test says, and everything that a program played or should have recorded can be checked, frame by
frame, on any Unix.
"""

from voicecoil.testing.simulated_coreaudio import SimulatedCoreAudio
from voicecoil.testing.simulated_device import DecodedInput, SimulatedDevice, decode_input
from voicecoil.testing.simulator_library import find_simulator

__all__ = [
    "DecodedInput",
    "SimulatedCoreAudio",
    "SimulatedDevice",
    "decode_input",
    "find_simulator",
]
