"""Gain and pan of a sound of `play`: the same names and lines as those of a mixer's voice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import voicecoil as vc
from coded import coded
from rig import Rig

RATE = 48_000
ONES = np.ones((4000, 2), np.float32)


def started(rig: Rig, **options: Any) -> tuple[vc.Playback, int]:
    """Starts a sound of ones. Returns it and the number of frames that were heard before it."""
    playback = rig.play(ONES, RATE, loops=0, **options)
    rig.step(2)
    return playback, len(rig.heard)


def test_gain_and_pan_move_along_lines(rig: Rig) -> None:
    playback, at = started(rig)
    np.testing.assert_array_equal(rig.heard[at - 64 :], 1)
    playback.set_gain(0.5, ramp_s=32 / RATE)
    rig.step()
    down = 1 - 0.5 * np.minimum(np.arange(64), 32) / 32
    np.testing.assert_allclose(rig.heard[at:], np.stack([down, down], 1), atol=1e-6)
    playback.set_pan(1.0, ramp_s=128 / RATE)
    rig.step(3)
    left = 0.5 - 0.5 * np.minimum(np.arange(192), 128) / 128
    right = np.full(192, 0.5)
    np.testing.assert_allclose(rig.heard[at + 64 :], np.stack([left, right], 1), atol=1e-6)
    playback.pan = -0.5  # both sides move within 10 ms
    rig.step(8)
    np.testing.assert_allclose(rig.heard[-1], [0.5, 0.25])
    line = rig.heard[at + 256 : at + 256 + 480]
    np.testing.assert_allclose(line[:, 0], 0.5 * np.arange(480) / 480, atol=1e-6)
    assert (playback.gain, playback.pan) == (0.5, -0.5)
    playback.pause(fade_s=0)
    rig.step()
    playback.set_pan(0)  # a line that begins in a pause ends at once
    playback.resume(fade_s=0)
    rig.step()
    np.testing.assert_allclose(rig.heard[-64:], 0.5)
    assert not rig.heard[-128:-64].any()
    playback.stop(0)


def test_a_second_line_to_the_same_gain_takes_its_own_time(rig: Rig) -> None:
    playback, at = started(rig)
    playback.set_gain(0, ramp_s=10.0)
    rig.step()
    playback.set_gain(0, ramp_s=0)
    rig.step()
    assert rig.heard[at : at + 64].all()
    assert not rig.heard[at + 64 :].any()


def test_a_line_goes_on_over_the_ends_of_loops_and_blocks(rig: Rig) -> None:
    playback = rig.play(coded(0, 100, 2), RATE, loops=0, pan=-1.0)
    rig.step(2)
    assert not rig.heard[:, 1].any()
    at = np.flatnonzero(rig.heard[:, 0])[0] if rig.heard.any() else 0
    heard = rig.heard[at:]
    np.testing.assert_array_equal(heard[:, 0], np.resize(coded(0, 100, 2)[:, 0], len(heard)))
    before = len(rig.heard)
    playback.set_pan(1.0, ramp_s=400 / RATE)
    rig.step(10)
    whole = np.resize(coded(0, 100, 2), (before + 640, 2))[before - at :][:640]
    passed = np.minimum(np.arange(640), 400) / 400
    np.testing.assert_allclose(
        rig.heard[before:, 0], whole[:, 0] * (1 - passed), rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(rig.heard[before:, 1], whole[:, 1] * passed, rtol=1e-4, atol=1e-5)
    playback.stop(0)


@pytest.mark.parametrize("pan", [2, -1.1, "left", True, float("nan"), None])
def test_a_wrong_pan_is_refused(rig: Rig, pan: Any) -> None:
    says = r"pan=.*; give -1 \(left\) to 1 \(right\)"
    is_number = isinstance(pan, (int, float)) and not isinstance(pan, bool)
    kind = vc.ArgumentError if is_number else vc.ArgumentTypeError
    with pytest.raises(kind, match=says):
        vc.play(ONES, RATE, driver=rig.driver, pan=pan)
    playback = vc.play(ONES, RATE, driver=rig.driver)
    with pytest.raises(kind, match=says):
        playback.pan = pan
    with pytest.raises(vc.ArgumentError, match="ramp_s=-1"):
        playback.set_pan(0, ramp_s=-1)
    assert playback.pan == 0
    playback.stop(0)
