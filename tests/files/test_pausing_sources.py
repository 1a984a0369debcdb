"""Conversion of sources that pause, such as pipes."""

from __future__ import annotations

from typing import Any

import numpy as np

from voicecoil.conversion import ArraySource, converted


class Pausing:
    """A source like a pipe: a read returns what there is, and none may be read in a pause."""

    samplerate, channels, frames = 44_100, 2, None

    def __init__(self, sound: np.ndarray[Any, np.dtype[np.float32]], parts: list[int]) -> None:
        self.parts = [part for part in np.split(sound, np.cumsum(parts)[:-1]) if len(part)]
        self.pauses = False

    def read(self, max_frames: int) -> np.ndarray[Any, np.dtype[np.float32]]:
        assert not self.pauses, "this read would wait for the program that fills the pipe"
        part = self.parts.pop(0) if self.parts else np.zeros((0, 2), np.float32)
        part, rest = part[:max_frames], part[max_frames:]
        if len(rest):
            self.parts.insert(0, rest)
        self.pauses = bool(len(part)) and not len(rest)
        return part

    def seek(self, frame: int) -> None: ...

    def close(self) -> None: ...


def test_a_pause_of_the_source_delays_no_converted_frame() -> None:
    """Before the fix, the end of a sentence of up to 0.17 s was played with the next one."""
    sound, parts = (
        np.random.default_rng(1).uniform(-0.5, 0.5, (60_000, 2)).astype(np.float32),
        [30_000, 4_000, 10_000, 3_000, 13_000],
    )
    wanted = converted(ArraySource(sound, 44_100), 48_000, 2).read(100_000)
    source = Pausing(sound, parts)
    reader = converted(source, 48_000, 2)
    have, came = np.zeros((0, 2), np.float32), 0
    while True:
        source.pauses = False  # the program that fills the pipe goes on
        block = reader.read(8_192)
        if not len(block):
            break
        have = np.concatenate([have, block])
        if source.pauses:
            came = len(sound) - sum(map(len, source.parts))
            assert len(have) >= came * 48_000 // 44_100 - 2_400, "soxr holds at most 50 ms"
    assert came == len(sound)
    assert len(have) == len(wanted)
    assert np.abs(have - wanted).max() < 1e-6, "and nothing is lost at the end"
