"""Random uses of a player: each frame is heard once and in order, or reported as cleared."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import voicecoil as vc
from coded import SCALE, coded
from voicecoil.testing import VirtualDevice, VirtualDriver

RATE, FRAMES = 48_000, 64
RUNS = int(os.environ.get("VOICECOIL_RUNS", "25"))
LATENCY = st.integers(0, 200)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(1, 300)),
        st.tuples(st.just("step"), st.integers(1, 8)),
        st.tuples(st.just("clear"), st.integers(0, 0)),
        st.tuples(st.just("pause"), st.integers(0, 1)),
        st.tuples(st.just("finish"), st.integers(0, 0)),
        st.tuples(st.just("mark"), st.integers(0, 0)),
        st.tuples(st.just("xrun"), st.integers(1, 100)),
    ),
    max_size=40,
)


def whole_frames(heard: Any) -> Any:
    """The frames that were played without a fade, as their numbers."""
    codes = heard[:, 0].astype(np.float64) / SCALE
    numbers = (codes - 1) / 8
    whole = (codes > 0) & (numbers == np.round(numbers))
    second = np.isclose(heard[:, 1].astype(np.float64) / SCALE, codes + 1, atol=1e-3)
    return numbers[whole & second].astype(int)


@settings(max_examples=RUNS, deadline=None)
@given(LATENCY, STEPS)
def test_each_frame_is_heard_once_or_cleared(latency: int, steps: list[tuple[str, int]]) -> None:
    device = VirtualDevice("Any", clock="stepped", frames=FRAMES, latency_frames=(0, latency))
    device.capture()
    player = vc.Player(driver=VirtualDriver([device]), channels=2, buffer_s=1.0)
    player.start()
    written = marks = 0
    for what, value in steps:
        if what == "write":
            written += player.write_nowait(coded(written, value, 2))
        elif what == "step":
            device.step(value)
        elif what == "clear":
            player.clear(0)
        elif what == "pause":
            player.pause(0) if value else player.resume(0)
        elif what == "finish":
            player.finish()
        elif what == "mark":
            player.mark(written)
            marks += 1
        elif what == "xrun" and device.frame > 0:
            device.inject("xrun", value)
        heard, cleared = player.heard_frames, player.cleared_frames
        assert heard + cleared <= written
        assert player.written_frames == written
    player.resume(0)
    player.finish()
    device.step(written // FRAMES + 10)
    device.step(latency // FRAMES + 3)
    assert player.drain(0)
    assert player.heard_frames + player.cleared_frames == written
    numbers = whole_frames(device.heard())
    # Underruns fade a few frames in, which are heard, but are not exact.
    assert (np.diff(numbers) > 0).all()
    if player.underruns == 0:
        assert len(numbers) == player.heard_frames
        for mark in player.marks_heard:
            assert mark.frame == mark.name
    reported = len(player.marks_heard) + len(player.marks_cleared)
    player.close()
    assert len(player.marks_heard) + len(player.marks_cleared) == marks
    assert reported <= marks
