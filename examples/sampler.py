"""Plays one recorded note at other pitches, with up to 200 voices at once.

sampler.py [SECONDS]      default: 8
"""

from __future__ import annotations

import argparse
import random
from typing import Any

import numpy as np

import voicecoil as vc

VOICES = 200


def pluck(samplerate: int = 48_000) -> vc.Sound:
    """A string of 220 Hz, as long as its loop may repeat it."""
    seconds = np.arange(samplerate) / samplerate
    parts = [np.sin(2 * np.pi * 220 * n * seconds) * np.exp(-3 * n * seconds) for n in range(1, 8)]
    tone = np.sum([part / n for n, part in enumerate(parts, 1)], axis=0)
    return vc.Sound(0.3 * tone, samplerate)


class Sampler:
    """Plays notes. If all voices are in use, the oldest one is faded out."""

    def __init__(self, mixer: vc.Mixer, sound: vc.Sound) -> None:
        self.group = mixer.group(gain=0.1)
        self.sound = sound
        self.voices: list[vc.MixerVoice] = []

    def note_on(self, key: int, velocity: float, **when: Any) -> vc.MixerVoice:
        self.voices = [voice for voice in self.voices if voice.playing]
        if len(self.voices) >= VOICES:
            self.voices.pop(0).stop(0.05)
        voice = self.group.play(
            self.sound, rate=2 ** ((key - 57) / 12), gain=velocity, pan=(key - 57) / 48, **when
        )
        self.voices.append(voice)
        return voice


def main(seconds: float = 8.0, **options: Any) -> list[vc.MixerVoice]:
    chance = random.Random(1)
    with vc.Mixer(**options) as mixer:
        sampler = Sampler(mixer, pluck())
        begin = mixer.frame + int(0.2 * mixer.samplerate)
        notes = []
        for step in range(int(seconds * 50)):
            key = 57 + chance.choice([-24, -12, -5, 0, 3, 7, 12, 15, 19, 24])
            at = begin + step * int(mixer.samplerate / 50)
            notes.append(sampler.note_on(key, chance.random(), at_frame=at, on_late="play"))
        mixer.wait()
    return notes


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("seconds", nargs="?", type=float, default=8.0)
    played = main(parser.parse_args().seconds)
    print(f"{sum(voice.started_ns is not None for voice in played)} notes")
