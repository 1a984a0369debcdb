"""`pause` and `resume` of a mixer and of its groups, frame by frame."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import voicecoil as vc
from coded import assert_coded, coded
from rig import Rig

RATE = 48_000
FRAMES = 64  # of a cycle


@pytest.fixture
def mixer(rig: Rig) -> Iterator[vc.Mixer]:
    with ExitStack() as closing:
        made = vc.Mixer(driver=rig.driver)
        closing.callback(made.close)
        yield made


def sound_of(frames: int) -> vc.Sound:
    return vc.Sound(coded(0, frames, 2), RATE)


def silent(samples: NDArray[np.float32]) -> bool:
    return not samples.any()


@pytest.fixture(params=["mixer", "group"])
def paused(request: pytest.FixtureRequest, mixer: vc.Mixer) -> Any:
    """The mixer, or a group of it."""
    return mixer if request.param == "mixer" else mixer.group()


def test_every_frame_is_heard_once_and_what_is_scheduled_waits_as_long(
    rig: Rig, mixer: vc.Mixer, paused: Any
) -> None:
    playing = paused.play(sound_of(1000), at_frame=10)
    by_frame = paused.play(sound_of(5), at_frame=1200)  # its time comes in the pause
    moment = mixer.now_ns() + 30_000_000
    by_time = paused.play(sound_of(5), at_ns=moment)
    later = paused.play(sound_of(5), at_frame=4000)
    rig.step(5)  # 320 frames
    paused.pause(fade_s=0)
    assert (paused.paused, playing.state, playing.paused) == (True, "paused", False)
    rig.step(30)
    assert (playing.position, by_frame.state) == (310, "scheduled")
    paused.resume(fade_s=0)
    assert (paused.paused, playing.state) == (False, "playing")
    rig.step(70)
    heard, held = rig.heard, 30 * FRAMES
    assert_coded(heard[10:320], 0)
    assert silent(heard[320 : 320 + held])
    assert_coded(heard[320 + held : 1010 + held], 310)
    assert_coded(heard[1200 + held : 1205 + held], 0)
    assert_coded(heard[4000 + held : 4005 + held], 0)
    assert by_time.started_ns == pytest.approx(moment + held / RATE * 1e9, abs=11_000)
    lost = 0 if isinstance(paused, vc.MixerGroup) else held  # of the mixer's time line
    assert mixer.frame == 105 * FRAMES - lost
    assert by_frame.started_frame == 1200 + held - lost
    assert (later.started_frame, later.late_s) == (4000 + held - lost, 0.0)
    assert mixer.wait(0)


def test_the_fades_are_straight_lines_that_end_with_a_block(rig: Rig, paused: Any) -> None:
    paused.play(np.ones(2000, np.float32))
    second = paused.play(np.ones(2000, np.float32), at_frame=2000)  # without a gap
    paused.start() if isinstance(paused, vc.Mixer) else None
    rig.step()
    paused.pause(fade_s=100 / RATE)  # 64 frames, and then 36 that become 64
    rig.step(10)
    out = np.append(1 - np.arange(64) / 100, 0.36 * (1 - np.arange(64) / 64))
    np.testing.assert_allclose(rig.heard[64 : 3 * 64, 0], out, atol=1e-6)
    assert silent(rig.heard[3 * 64 :])
    paused.resume(fade_s=64 / RATE)
    rig.step()
    np.testing.assert_allclose(rig.heard[11 * 64 :, 0], np.arange(64) / 64, atol=1e-6)
    paused.pause(fade_s=128 / RATE)
    rig.step()
    paused.pause(fade_s=1)  # a second call does not make the fade longer
    paused.resume(fade_s=0)  # and nothing was held so far
    rig.step(70)
    once = rig.heard[13 * 64 :, 0]
    assert once[: 4000 - 5 * 64].all()
    assert silent(once[4000 - 5 * 64 :])
    assert second.state == "ended"


def test_requests_during_a_pause_are_obeyed_without_a_sound(rig: Rig, paused: Any) -> None:
    stopped, moved, halted = (paused.play(sound_of(1000), loops=0) for _ in range(3))
    parked = paused.play(sound_of(1000), at_frame=70)
    cancelled = paused.play(sound_of(1000), at_frame=100_000)
    rig.step()
    paused.pause(fade_s=0)
    rig.step(3)
    late = paused.play(sound_of(10))
    stopped.stop()
    parked.stop()
    cancelled.stop()
    moved.seek(500)
    halted.pause()
    rig.step(2)
    assert [voice.state for voice in (stopped, parked, cancelled)] == ["ended"] * 3
    assert stopped.wait(0)
    assert (moved.position, moved.state, late.state) == (500, "paused", "scheduled")
    before = len(rig.heard)
    assert silent(rig.heard[64:])
    paused.resume(fade_s=0)
    rig.step()
    moved.stop(fade_s=0)
    rig.step()
    fade = np.arange(64)[:, None] / 480  # the fade-in after a jump
    wanted = fade * coded(500, 64, 2)
    wanted[:10] += coded(0, 10, 2)
    np.testing.assert_allclose(rig.heard[before : before + 64], wanted, rtol=1e-4, atol=1e-6)
    assert silent(rig.heard[before + 64 :])
    assert (halted.state, halted.position) == ("paused", 64)


def test_changes_of_groups_and_gains_during_a_pause_are_not_heard(
    rig: Rig, mixer: vc.Mixer
) -> None:
    paused, quiet, other = mixer.group(), mixer.group(), mixer.group()
    for group in (paused, quiet, other):
        group.play(np.full(1000, 0.25, np.float32))
    rig.step()
    mixer.pause(fade_s=0)
    rig.step()
    paused.pause()
    quiet.gain = 0
    mixer.gain = 0.5
    rig.step()
    mixer.resume(fade_s=0)
    rig.step()
    np.testing.assert_array_equal(rig.heard[-64:], 0.5 * 0.25)


@pytest.mark.parametrize("which", ["voice", "group", "mixer"])
@pytest.mark.parametrize("steps", [(1, 0), (0, 1), (1, 1)])
def test_changes_of_voices_during_a_pause_are_not_heard(
    rig: Rig, mixer: vc.Mixer, which: str, steps: tuple[int, int]
) -> None:
    group = mixer.group()
    voice = group.play(np.ones((1000, 2), np.float32))
    ramp = np.arange(1, 2001, dtype=np.float32) / 4000
    fast = group.play(np.stack([np.zeros_like(ramp), ramp], 1))
    paused: tuple[Any, ...] = {"voice": (voice, fast), "group": (group,), "mixer": (mixer,)}[which]
    rig.step()
    for one in paused:
        one.pause(fade_s=0)
    rig.step(steps[0])
    voice.gain, voice.pan, fast.rate = 0.5, -1, 2
    rig.step(steps[1])
    for one in paused:
        one.resume(fade_s=0)
    rig.step()
    heard = rig.heard[-64:]
    np.testing.assert_array_equal(heard[:, 0], 0.5)
    np.testing.assert_allclose(heard[:, 1], ramp[64 : 64 + 128 : 2], atol=1e-6)


def test_a_line_that_a_pause_interrupts_goes_on_after_it(rig: Rig, mixer: vc.Mixer) -> None:
    group = mixer.group()
    voice = group.play(np.ones(1000, np.float32))
    rig.step()
    voice.set_gain(0, ramp_s=256 / RATE)
    rig.step()
    mixer.pause(fade_s=0)
    rig.step(3)
    mixer.resume(fade_s=0)
    rig.step()
    line = 1 - np.arange(256) / 256
    np.testing.assert_allclose(rig.heard[64:128, 0], line[:64], atol=1e-6)
    np.testing.assert_allclose(rig.heard[-64:, 0], line[64:128], atol=1e-6)


def test_a_stop_that_comes_with_the_end_of_a_pause(rig: Rig, mixer: vc.Mixer) -> None:
    group = mixer.group()
    voices = [group.play(sound_of(100), at_frame=100 + n) for n in range(20)]
    mixer.start()
    group.pause(fade_s=0)
    rig.step(5)
    group.resume(fade_s=0)
    group.stop()
    rig.step()
    assert {voice.state for voice in voices} == {"ended"}
    assert (mixer.scheduled, mixer.sounding) == (0, 0)
    assert silent(rig.heard)


def test_a_group_in_a_mixer_that_is_paused_too(rig: Rig, mixer: vc.Mixer) -> None:
    group, other = mixer.group(), mixer.group()
    mixer.start()
    rig.step()
    moment = mixer.now_ns() + 15_000_000
    voices = [group.play(sound_of(5), at_frame=640), group.play(sound_of(5), at_ns=moment)]
    same = other.play(sound_of(5), at_ns=moment, gain=0)
    other.play(sound_of(5), at_frame=1000)
    group.pause(fade_s=0)
    rig.step(4)
    mixer.pause(fade_s=0)
    rig.step(8)
    group.resume(fade_s=0)
    rig.step(16)
    assert {voice.state for voice in voices} == {"scheduled"}
    mixer.resume(fade_s=0)
    rig.step(30)
    by_host = (same.started_frame or 0) + 4 * 64
    assert [voice.started_frame for voice in voices] == [640 + 4 * 64, by_host]
    at = np.flatnonzero(rig.heard.any(axis=1))
    held = 24 * 64  # of the mixer
    firsts = [first + held for first in (640 + 4 * 64, by_host, 1000)]
    assert at.tolist() == sorted(first + n for first in firsts for n in range(5))


@pytest.mark.parametrize("whole", [True, False])
def test_effects_stand_still_with_the_mixer_and_go_on_with_a_paused_group(
    rig: Rig, whole: bool
) -> None:
    echo = np.zeros((128, 2), np.float32)

    def delayed(audio: NDArray[np.float32]) -> None:
        both = np.concatenate([echo, audio])
        echo[:], audio[:] = both[-128:], both[: len(audio)]

    with vc.Mixer(driver=rig.driver, latency=0.01) as mixer:
        group = mixer.group(effect=delayed)
        group.play(sound_of(4000), at_frame=0)
        rig.step(30)
        first = int(np.flatnonzero(rig.heard.any(axis=1))[0])
        paused: Any = mixer if whole else group
        paused.pause(fade_s=0)
        rig.step(40)
        assert echo.any() == whole  # the effect of a group goes on, and gets silence
        paused.resume(fade_s=0)
        rig.step(140)
        heard = rig.heard[first:]
        assert mixer.wait(0)
    sounding = heard.any(axis=1)
    pieces = np.flatnonzero(np.diff(sounding.astype(int)))
    assert len(pieces) == 3  # it ends, begins again and ends
    np.testing.assert_array_equal(heard[sounding], coded(0, 4000, 2))


def test_any_thread_pauses_and_resumes(rig: Rig, mixer: vc.Mixer) -> None:
    group = mixer.group()
    voice = group.play(sound_of(3000))
    rig.step()

    def switch(paused: Any) -> None:
        for _ in range(200):
            paused.pause(fade_s=0)
            paused.resume(fade_s=0)

    threads = [threading.Thread(target=switch, args=(one,)) for one in (mixer, group)]
    for thread in threads:
        thread.start()
    rig.step(30)
    for thread in threads:
        thread.join(60)
    rig.step(60)
    heard = rig.heard
    np.testing.assert_array_equal(heard[heard.any(axis=1)], coded(0, 3000, 2))
    assert (voice.state, mixer.paused, group.paused) == ("ended", False, False)


def test_wrong_fades_are_refused_and_nothing_is_paused(mixer: vc.Mixer) -> None:
    for paused in (mixer, mixer.group()):
        for fade_s in (-1, 500):
            says = rf"fade_s={fade_s} s; give 0 or more, and at most 120\. fade_s=0\.01 is"
            with pytest.raises(vc.ArgumentError, match=says):
                paused.pause(fade_s=fade_s)
        assert not paused.paused
