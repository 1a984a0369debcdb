"""`LoopPoints`: a part of a source that is repeated, for all blocks and jumps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import voicecoil as vc
from coded import coded
from voicecoil.files import loop_points
from voicecoil.files.arrays import ArraySource
from voicecoil.files.loop_points import LoopPoints

FRAMES = 100


def unrolled(loops: int, begin: int, end: int) -> list[int]:
    """The frames of the source in the order in which they are played; 20 passes if endless."""
    passes = loops or 20
    order = [*range(end), *list(range(begin, end)) * (passes - 1)]
    return order + ([*range(end, FRAMES)] if loops else [])


@pytest.mark.parametrize("held", [True, False])
@pytest.mark.parametrize(("loops", "begin", "end"), [(3, 10, 15), (2, 0, 100), (0, 98, 99)])
def test_every_frame_and_every_jump(
    monkeypatch: pytest.MonkeyPatch, held: bool, loops: int, begin: int, end: int
) -> None:
    if not held:
        monkeypatch.setattr(loop_points, "_MAX_HELD_SAMPLES", 0)
    source = LoopPoints(ArraySource(coded(0, FRAMES, 2), 48_000), loops, begin, end)
    order = unrolled(loops, begin, end)
    wanted = coded(0, FRAMES, 2)[order]
    assert source.frames == (len(order) if loops else None)
    for size in (1, 7, 64, 1000):
        source.seek(0)
        blocks = []
        while sum(map(len, blocks)) < len(order) and len(block := source.read(size)):
            blocks.append(block)
        np.testing.assert_array_equal(np.concatenate(blocks)[: len(order)], wanted)
    for frame in range(len(order)):
        source.seek(frame)
        np.testing.assert_array_equal(source.read(9)[: len(order) - frame], wanted[frame:][:9])
    if loops:
        source.seek(len(order))
        assert not len(source.read(9))
    source.close()
    source.close()
    with pytest.raises(vc.StreamClosedError, match="open it again"):
        source.read(1)
    with pytest.raises(vc.StreamClosedError, match="open it again"):
        source.seek(0)


def test_a_source_that_returns_short_blocks_is_repeated_whole() -> None:
    class Short(ArraySource):
        def read(self, max_frames: int) -> Any:
            return super().read(min(max_frames, 7))

    source = LoopPoints(Short(coded(0, FRAMES, 2), 48_000), 3, 10, 40)
    wanted = coded(0, FRAMES, 2)[unrolled(3, 10, 40)]
    np.testing.assert_array_equal(source.read(1000), wanted)


def test_a_file_that_is_shorter_than_it_says_ends() -> None:
    class Short(ArraySource):
        frames = 200  # type: ignore[assignment]

    source = LoopPoints(Short(coded(0, FRAMES, 2), 48_000), 0, 50, 150)
    assert len(source.read(10_000)) < 10_000
