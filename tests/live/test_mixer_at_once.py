"""Several threads use one mixer while it runs: no voice is lost, and none is heard twice.

`VOICECOIL_RUNS` is the number of random uses (2; tools/test.py --long: 20).
"""

from __future__ import annotations

import contextlib
import os
import random
import threading
from typing import Any

import numpy as np
import pytest

import voicecoil as vc
from callers import Caller
from rig import Rig

RATE, FRAMES, LEAD = 48_000, 64, 256
THREADS, EACH = 4, 150
RUNS = int(os.environ.get("VOICECOIL_RUNS", "2"))


class Work:
    """What the threads share: the mixer, and voices that any of them changes and stops."""

    def __init__(self, mixer: vc.Mixer, groups: list[vc.MixerGroup]) -> None:
        self.mixer = mixer
        self.groups = groups
        self.click = vc.Sound(np.ones((1, 2), np.float32), RATE)
        self.silence = vc.Sound(np.zeros((700, 2), np.float32), RATE)
        self.clicks: list[vc.MixerVoice] = []
        self.silent: list[vc.MixerVoice] = []
        self.done = threading.Semaphore(0)

    def play(self, dice: random.Random) -> None:
        at = dice.choice([None, self.mixer.frame + dice.randrange(1, 20 * FRAMES)])
        group = dice.choice([None, *self.groups])
        self.clicks.append(self.mixer.play(self.click, at_frame=at, group=group, on_late="play"))
        loops = dice.choice([0, 1, 3])
        self.silent.append(
            self.mixer.play(self.silence, in_s=0.0, loops=loops, on_late="play", group=group)
        )

    def change(self, dice: random.Random) -> None:
        voice = dice.choice(self.silent)
        changes = [
            lambda: voice.set_gain(dice.random(), 0.001),
            lambda: voice.set_pan(dice.uniform(-1, 1), 0.001),
            lambda: voice.set_rate(dice.uniform(0.5, 2), 0.001),
            lambda: voice.pause(0.001),
            lambda: voice.resume(0.001),
            lambda: voice.seek(dice.randrange(700)),
            lambda: voice.stop(dice.choice([0, 0.001])),
            lambda: dice.choice(self.clicks).stop(dice.choice([0, 0.001])),
            lambda: self.mixer.wait(0),
            lambda: self.mixer.group(),
            lambda: dice.choice(self.groups).set_gain(1.0),
            lambda: self.silent.remove(voice),
        ]
        # The voice may have ended, or another thread may have removed it.
        with contextlib.suppress(vc.StreamStateError, ValueError):
            dice.choice(changes)()
        assert voice.state in ("scheduled", "playing", "paused", "ended")
        assert 0 <= voice.position <= 700
        assert 0 <= self.mixer.scheduled + self.mixer.sounding <= self.mixer.max_voices

    def run(self, seed: int) -> None:
        dice = random.Random(seed)
        try:
            for _ in range(EACH):
                self.play(dice)
                self.change(dice)
                self.done.release()
        finally:
            self.done.release(EACH)


def a_mixer(rig: Rig, latency: Any) -> tuple[vc.Mixer, list[vc.MixerGroup]]:
    mixer = vc.Mixer(driver=rig.driver, latency=latency, max_voices=4 * THREADS * EACH)
    groups = [mixer.group()]
    if latency != "low":
        groups.append(mixer.group(effect=lambda audio: audio.copy()))
    return mixer, groups


@pytest.mark.parametrize("latency", ["low", LEAD / RATE])
@pytest.mark.parametrize("seed", range(RUNS))
def test_each_click_is_heard_once_at_its_frame(rig: Rig, seed: int, latency: Any) -> None:
    mixer, groups = a_mixer(rig, latency)
    with mixer:
        work = Work(mixer, groups)
        work.play(random.Random(seed))
        threads = [Caller(lambda n=n: work.run(seed * THREADS + n)) for n in range(THREADS)]
        for _ in range(THREADS * EACH):  # a cycle for each step of a thread
            assert work.done.acquire(timeout=60)
            rig.step()
        assert [thread.outcome() for thread in threads] == [None] * THREADS
        for voice in work.silent:
            voice.stop()
        rig.step(60)  # more than the clicks are ahead, and than the lead
        mixer.stop(0)  # silent voices that were removed from the list
        rig.step(10)
        assert mixer.wait(20)
        assert (mixer.scheduled, mixer.sounding) == (0, 0)
        started = [voice.started_frame for voice in work.clicks]
        assert {voice.state for voice in work.clicks + work.silent} == {"ended"}
        heard = rig.heard[:, 0]
        frames = [frame for frame in started if frame is not None]
        assert len(frames) > THREADS * EACH // 2
        np.testing.assert_array_equal(heard, np.bincount(frames, minlength=len(heard)))
