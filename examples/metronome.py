"""Plays the beats of a metronome, which are exact to the frame however long it runs.

metronome.py [BPM [BEATS]]      default: 120, until Ctrl-C
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable
from typing import Any

import numpy as np

import voicecoil as vc

AHEAD_S = 2.0  # so much is scheduled in advance, so the program may be late by as much


def click(samplerate: float, frequency_hz: float) -> vc.Sound:
    seconds = np.arange(int(0.03 * samplerate)) / samplerate
    tone = np.sin(2 * np.pi * frequency_hz * seconds) * np.exp(-seconds * 150)
    return vc.Sound(0.5 * tone, samplerate)


def main(bpm: float, beats: int | None = None, **options: Any) -> list[vc.MixerVoice]:
    voices: list[vc.MixerVoice] = []
    numbers: Iterable[int] = itertools.count() if beats is None else range(beats)
    with vc.Mixer(**options) as mixer:
        high, low = (click(mixer.samplerate, hz) for hz in (1600, 1000))
        frames = mixer.samplerate * 60 / bpm
        begin = mixer.frame + int(0.1 * mixer.samplerate)
        for number in numbers:
            # Each beat is rounded for itself, so that no error adds up.
            at = begin + round(number * frames)
            sound = low if number % 4 else high
            voices.append(mixer.play(sound, at_frame=at, on_late="play"))
            if mixer.scheduled * frames > AHEAD_S * mixer.samplerate:
                voices.pop(0).wait()
        mixer.wait()
    return voices


if __name__ == "__main__":
    try:
        main(
            float(sys.argv[1]) if len(sys.argv) > 1 else 120.0,
            int(sys.argv[2]) if len(sys.argv) > 2 else None,
        )
    except KeyboardInterrupt:
        print()
