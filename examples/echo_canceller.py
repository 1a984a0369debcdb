"""Removes the program's own voice from the sound of the microphone.

It needs WebRTC's echo canceller: pip install "voicecoil[aec]".

    echo_canceller.py           the default microphone and loudspeaker
    echo_canceller.py --cable   a virtual cable with a simulated room, and no hardware

It plays a synthetic voice, and prints by how many dB its echo is reduced.
"""

from __future__ import annotations

import math
import sys

import numpy as np
from numpy.typing import NDArray
from pywebrtc_audio import EchoCanceller

import voicecoil as vc

RATE, BLOCK = 16_000, 160  # the canceller works with blocks of 10 ms
SECONDS, SETTLED_S = 9, 4.5  # the canceller adapts itself before SETTLED_S


def voice() -> NDArray[np.float32]:
    """Returns syllables of a synthetic voice, at 48 kHz: 1 s of speech, 0.5 s of silence, ..."""
    t = np.arange(SECONDS * 48_000) / 48_000
    pitch = np.cumsum(120 + 20 * np.sin(2 * np.pi * 0.7 * t)) / 48_000
    tone = sum(np.sin(2 * np.pi * n * pitch) / n for n in range(1, 30))
    syllables = (0.5 - 0.5 * np.cos(2 * np.pi * 4 * t)) ** 2
    # The canceller replaces the echo by noise as loud as the room, which it hears in the pauses.
    return (0.1 * tone * syllables * (t % 1.5 < 1)).astype(np.float32)


class Room:
    """Adds the reflections of a room to a signal in blocks."""

    def __init__(self, seconds: float = 0.08) -> None:
        decay = np.exp(-np.arange(seconds * RATE) / (0.015 * RATE))
        self.response = 0.2 * np.random.default_rng(1).standard_normal(len(decay)) * decay
        self.before = np.zeros(len(decay) - 1)

    def __call__(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        signal = np.concatenate([self.before, block])
        self.before = signal[len(block) :]
        return np.convolve(signal, self.response, "valid").astype(np.float32)


def main(cable: bool) -> None:
    canceller = EchoCanceller(RATE)
    room, speech = Room(), voice()
    driver = "virtual" if cable else None
    heard = left = 0.0
    with vc.Recorder(
        driver=driver, samplerate=RATE, channels=1, blocksize=BLOCK, reference=True
    ) as recorder:
        playback = vc.play(speech, 48_000, driver=driver)
        for block in recorder:
            near = room(block.data[:, 0]) if cable else block.data[:, 0]
            assert block.reference is not None
            far = np.ascontiguousarray(block.reference.mean(axis=1))
            clean = np.asarray(canceller.process(near, far))
            if playback.position_s > SETTLED_S:
                heard, left = heard + float(near @ near), left + float(clean @ clean)
            if not playback.playing:
                break
    print(f"the echo is {10 * math.log10((heard + 1e-12) / (left + 1e-12)):.1f} dB lower")


if __name__ == "__main__":
    main("--cable" in sys.argv)
