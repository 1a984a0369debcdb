"""The program ends while play() plays. Argument: an array or a file."""

import sys

import numpy as np
from life import devices

import voicecoil as vc

sound = np.zeros((480_000, 2), np.float32) if sys.argv[1] == "array" else sys.argv[1]
playback = vc.play(sound, 48_000 if sys.argv[1] == "array" else None, driver=devices())
while playback.position == 0:
    playback.wait(0.001)
