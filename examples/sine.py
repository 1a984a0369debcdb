"""Plays a sine for five seconds. A Python function computes it in the device's callback."""
import time

import numpy as np
import voicecoil as vc

position = 0
def tone(block: vc.Block) -> None:
    global position
    frame = position + np.arange(block.frames)
    block.output[:] = 0.2 * np.sin(2 * np.pi * 440 / block.samplerate * frame)[:, None]
    position += block.frames
if __name__ == "__main__":
    with vc.OutputStream(tone, latency="low"):
        time.sleep(5)
