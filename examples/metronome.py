"""Plays the beats of a metronome, which are exact to the frame however long it runs.

metronome.py [BPM [BEATS]]      default: 120, until Ctrl-C
"""

from __future__ import annotations

import argparse
import itertools
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
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bpm", metavar="BPM", nargs="?", type=float, default=120.0)
    parser.add_argument("beats", metavar="BEATS", nargs="?", type=int)
    given = parser.parse_args()
    if not 1 <= given.bpm <= 1000:
        parser.error(f"BPM is {given.bpm:g}; give 1 to 1000")
    try:
        main(given.bpm, given.beats)
    except KeyboardInterrupt:
        print()
