"""Records a spoken sentence, from half a second before it becomes loud until it is quiet again.

pre_roll.py [FILE.wav]      default: utterance.wav
"""

from __future__ import annotations

import sys

import numpy as np

import voicecoil as vc
from voicecoil.files import FileSink

LOUD, QUIET_S = 0.02, 0.3


def main(path: str) -> None:
    with vc.Recorder(samplerate=16_000, channels=1, block_s=0.02, buffer_s=5) as recorder:
        for block in recorder:
            if np.abs(block.data).max() > LOUD:
                break
        with FileSink(path, 16_000, 1, exist_ok=True) as file:
            file.write(recorder.last(0.5).data)  # the next block follows it without a gap
            quiet_s = 0.0
            while quiet_s < QUIET_S:
                block = next(recorder)
                file.write(block.data)
                quiet_s = 0.0 if np.abs(block.data).max() > LOUD else quiet_s + 0.02
    print(f"{path}; lost frames: {recorder.lost_frames}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "utterance.wav")
