"""Plays the sine of sine.py in plain Python, without NumPy."""
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
if __name__ == "__main__":
    with vc.OutputStream(tone, latency="low", arrays="memoryview"):
        time.sleep(5)
