"""Random uses of a player: each frame is heard once and in order, or reported as cleared.

The counts and the times that the player reports are those of what the device has captured.
"""

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


FADES_S = st.sampled_from([0.0, 0.0, 0.001, 0.01])
ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(1, 600)),
        st.tuples(st.just("write"), st.integers(1, 600)),
        st.tuples(st.just("step"), st.integers(1, 8)),
        st.tuples(st.just("step"), st.integers(1, 8)),
        st.tuples(st.sampled_from(["clear", "pause", "resume"]), FADES_S),
        st.tuples(st.sampled_from(["finish", "mark"]), st.none()),
    ),
    max_size=40,
)
LEVEL = np.float32(0.5)


def numbered(first: int, frames: int) -> Any:
    """Frames whose number is known also if they are faded: from the ratio of the two channels."""
    chunk = np.full((frames, 2), LEVEL, np.float32)
    chunk[:, 0] *= (np.arange(first, first + frames) + 1) * SCALE
    return chunk


def numbers(heard: Any) -> Any:
    """The numbers of captured frames; -1 for silence."""
    loud = heard[:, 1] != 0
    ratios = np.divide(heard[:, 0], heard[:, 1], out=np.zeros(len(heard)), where=loud)
    return np.where(loud, np.rint(ratios / SCALE).astype(int) - 1, -1)


class Watched:
    """A player, and everything that its device plays from the first cycle on."""

    def __init__(self, latency: int, prebuffer_s: float) -> None:
        self.device = VirtualDevice(
            "Any", clock="stepped", frames=FRAMES, latency_frames=(0, latency), output_channels=3
        )
        self.latency = latency
        self.captured = np.zeros((60_000, 3), np.float32)
        driver = VirtualDriver([self.device])
        self.player = vc.Player(driver=driver, channels=2, buffer_s=1.0, prebuffer_s=prebuffer_s)
        self.device.capture_into(self.captured)
        self.player.start()
        # The capture begins with the first sample that is not 0, which is in the third channel.
        self.began = vc.OutputStream(ones, driver=driver, channels=[2], latency="low")
        self.began.start()
        self.unheard = 0  # frames with a gain of 0, the first of a fade, which count as heard

    def numbers(self, until: int) -> Any:
        return numbers(self.captured[: max(0, until), :2])

    @property
    def at_connector(self) -> int:
        """Frames of the capture that were heard by now: one cycle and the latency are not yet."""
        return self.device.frame - FRAMES - self.latency

    def check_heard(self) -> None:
        """The player has heard what the device has played."""
        heard = self.numbers(self.at_connector)
        distinct = len(np.unique(heard[heard >= 0]))
        extra = self.player.heard_frames - distinct
        assert 0 <= extra <= self.unheard + self.player.underruns

    def check_mark(self, mark: vc.Mark) -> None:
        """No frame before the mark is heard after it, and none behind the mark before it."""
        assert mark.host_ns is not None
        at = self.at_connector + (mark.host_ns - self.device.now_ns()) * RATE / 1e9
        assert abs(at - round(at)) < 0.02
        played = self.numbers(self.device.frame)
        before, after = played[: round(at)], played[round(at) :]
        assert (before < mark.frame).all()
        again = after[(after >= 0) & (after < mark.frame)]  # an underrun fades the last frame out
        assert np.isin(again, before).all()


def ones(block: vc.Block) -> None:
    block.output[:] = 1.0


@settings(max_examples=RUNS, deadline=None)
@given(LATENCY, st.sampled_from([0.0, 0.005]), ACTIONS)
def test_heard_frames_and_marks_are_those_of_the_capture(
    latency: int, prebuffer_s: float, actions: list[tuple[str, Any]]
) -> None:
    it = Watched(latency, prebuffer_s)
    player, written = it.player, 0
    for what, value in [*actions, ("resume", 0.0), ("finish", None), ("step", 40)]:
        if what == "write":
            written += player.write_nowait(numbered(written, value))
        elif what == "step":
            it.device.step(value)
        elif what in ("finish", "mark"):
            player.finish() if what == "finish" else player.mark(written)
        else:
            it.unheard += what == "resume"
            getattr(player, what)(value)
        it.check_heard()
        assert player.heard_frames + player.cleared_frames <= written
    it.device.step((written + latency) // FRAMES + 3)
    it.check_heard()
    assert player.heard_frames + player.cleared_frames == written
    for mark in player.marks_heard:
        it.check_mark(mark)
    player.close()
    it.began.close()


@settings(max_examples=RUNS, deadline=None)
@given(st.sampled_from([16_000, 24_000, 44_100, 96_000]), LATENCY, ACTIONS)
def test_frames_of_another_rate_are_heard_or_cleared(
    samplerate: int, latency: int, actions: list[tuple[str, Any]]
) -> None:
    device = VirtualDevice("Any", clock="stepped", frames=FRAMES, latency_frames=(0, latency))
    player = vc.Player(driver=VirtualDriver([device]), samplerate=samplerate, channels=2)
    player.start()
    written = heard = marks = 0
    for what, value in [*actions, ("resume", 0.0), ("finish", None), ("step", 40)]:
        if what == "write":
            written += player.write_nowait(numbered(written, value))
        elif what == "step":
            device.step(value)
        elif what == "mark":
            player.mark(written)
            marks += 1
        elif what == "finish":
            player.finish()
        else:
            getattr(player, what)(value)
        assert heard <= player.heard_frames <= written - player.cleared_frames
        heard = player.heard_frames
    device.step((written * RATE // samplerate + latency) // FRAMES + 3)
    assert player.heard_frames + player.cleared_frames == written
    assert player.drain(0)
    times = [mark.host_ns or 0 for mark in player.marks_heard]
    assert times == sorted(times)
    player.close()  # clears the marks of an utterance that has not begun
    assert len(times) + len(player.marks_cleared) == marks
