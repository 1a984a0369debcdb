"""The same sine in plain Python on the device's buffer, without NumPy."""
import math
import time

import voicecoil as vc

position = 0
def tone(block: vc.Block) -> None:
    global position
    for frame in range(block.frames):
        sample = 0.2 * math.sin(2 * math.pi * 440 / block.samplerate * (position + frame))
        block.output[frame, 0] = block.output[frame, 1] = sample
    position += block.frames
with vc.OutputStream(tone, arrays="memoryview"):
    time.sleep(5)
