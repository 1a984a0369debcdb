"""The callable of isolated.py, which an isolated interpreter imports from this module."""

import math

import voicecoil as vc

# relative pitch, level, and decay per s
PARTIALS = ((1.0, 1.0, 1.2), (2.76, 0.5, 2.9), (5.4, 0.25, 5.6))
struck = 0  # number of the stroke that is sounding
age_s = 0.0


def bell(block: vc.Block) -> None:
    """Strikes the bell again at `pitch_hz` when `stroke` has changed."""
    global struck, age_s
    wanted = block.parameters
    if wanted.stroke != struck:
        struck, age_s = wanted.stroke, 0.0
    turn = 2 * math.pi * wanted.pitch_hz
    for frame in range(block.frames):
        sample = 0.0
        if struck:
            for pitch, level, decay in PARTIALS:
                sample += level * math.exp(-decay * age_s) * math.sin(turn * pitch * age_s)
        block.output[frame, 0] = block.output[frame, 1] = 0.2 * sample
        age_s += 1 / block.samplerate
    block.results.struck = struck
