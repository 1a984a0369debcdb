"""Renders a short piece of music with a synthesizer that is written as a Python callback.

    python examples/music.py music.wav

Twelve bars of an arpeggio over a bass line. Each note is a struck string: a handful of partials,
of which the higher ones fade sooner. The callback adds up the notes that sound in its block.
"""

import sys

import numpy as np
from numpy.typing import NDArray

import voicecoil as vc

SAMPLERATE = 48_000
BEAT_S = 0.26
LENGTH_S = 13.0
CHORDS = [(57, 60, 64, 69), (53, 57, 60, 65), (48, 55, 60, 64), (55, 59, 62, 67)]  # Am F C G
PATTERN = (0, 1, 2, 3, 2, 1, 2, 1)
PARTIALS = np.arange(1, 8)[:, None]


class Note:
    """One struck string."""

    def __init__(self, start_s: float, midi: int, level: float, pan: float, fade_s: float) -> None:
        self.start = round(start_s * SAMPLERATE)
        self.end = self.start + round(7 * fade_s * SAMPLERATE)
        self.frequency = 440.0 * 2 ** ((midi - 69) / 12)
        self.gains = level * np.array([np.cos(pan), np.sin(pan)], np.float32)
        self.fade_s = fade_s

    def wave(self, frame: NDArray[np.int64]) -> NDArray[np.float64]:
        seconds = (frame - self.start) / SAMPLERATE
        tone = np.sin(2 * np.pi * self.frequency * PARTIALS * seconds)
        fading = np.exp(-seconds * (1 + 0.6 * PARTIALS) / self.fade_s) / PARTIALS**1.5
        struck = np.clip(seconds / 0.004, 0, 1) * (seconds >= 0)
        sound: NDArray[np.float64] = (tone * fading).sum(axis=0) * struck
        return sound


def score() -> list[Note]:
    notes = []
    for bar in range(6):
        chord = CHORDS[bar % 4]
        for beat, step in enumerate(PATTERN):
            start_s = (bar * len(PATTERN) + beat) * BEAT_S
            pan = np.pi / 4 + 0.35 * np.sin(beat)
            notes.append(Note(start_s, chord[step] + 12 * (bar >= 4), 0.16, pan, 0.5))
            if beat in (0, 3, 6):
                notes.append(Note(start_s, chord[0] - 12, 0.2, np.pi / 4, 0.7))
    return notes


class Synthesizer:
    """Plays a score. The method `block` is a callback."""

    def __init__(self, notes: list[Note]) -> None:
        self.notes = notes
        self.position = 0

    def block(self, block: vc.Block) -> None:
        frame = self.position + np.arange(block.frames)
        for note in self.notes:
            if note.start < frame[-1] + 1 and note.end > frame[0]:
                block.output[:] += note.wave(frame)[:, None] * note.gains
        left_s = LENGTH_S - frame / SAMPLERATE
        block.output[:] *= np.clip(left_s / 0.5, 0, 1)[:, None]  # the last half second fades out
        self.position += block.frames
        if left_s[-1] <= 0:
            raise vc.Stop


if __name__ == "__main__":
    from voicecoil.files import FileSink

    file = sys.argv[1] if len(sys.argv) > 1 else "music.wav"
    frames = round(LENGTH_S * SAMPLERATE)
    try:
        with FileSink(file, SAMPLERATE, 2, whole=True) as sink:
            synthesizer = Synthesizer(score())
            sink.write(vc.render(synthesizer.block, frames=frames, samplerate=SAMPLERATE))
    except (OSError, vc.VoicecoilError) as error:
        sys.exit(f"music.py: {error}")
