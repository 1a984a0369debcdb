"""`Mixer`, frame by frame: times, loops, rates, fades, groups and refusals."""

from __future__ import annotations

import asyncio
import ctypes
import gc
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import voicecoil as vc
from coded import assert_coded, coded
from rig import Rig
from voicecoil.native import ctypes_type
from voicecoil.testing import VirtualDevice, VirtualDriver

RATE = 48_000
FRAMES = 64  # of a cycle


@pytest.fixture
def mixing(rig: Rig) -> Iterator[Any]:
    with ExitStack() as closing:

        def make(**options: Any) -> vc.Mixer:
            mixer = vc.Mixer(driver=rig.driver, **options)
            closing.callback(mixer.close)
            return mixer

        yield make


def sound_of(frames: int) -> vc.Sound:
    return vc.Sound(coded(0, frames, 2), RATE)


def expected(frames: int, sounds: list[tuple[int, NDArray[np.float32]]]) -> NDArray[np.float32]:
    out = np.zeros((frames, 2), np.float32)
    for at, samples in sounds:
        end = min(at + len(samples), frames)
        out[at:end] += samples[: max(0, end - at)]
    return out


def test_sounds_begin_at_their_frame_or_host_time_and_overlap(rig: Rig, mixing: Any) -> None:
    mixer = mixing()
    sound, data = sound_of(100), coded(0, 100, 2)
    mixer.start()
    rig.step()
    now_ns = mixer.now_ns()
    frame = mixer.frame
    first = mixer.play(sound, at_frame=200)
    second = mixer.play(sound, at_frame=250, gain=0.5)
    third = mixer.play(data, in_s=0.01)  # 480 frames from now
    fourth = mixer.play(sound, at_ns=now_ns + 20_000_000)
    fifth = mixer.play(sound)
    rig.step(20)
    at = [voice.started_frame for voice in (third, fourth)]
    assert at[1] - at[0] == 480
    assert fifth.started_frame == frame
    assert third.started_ns == pytest.approx(now_ns + 10_000_000, abs=11_000)
    wanted = [(200, data), (250, data / 2), (at[0], data), (at[1], data), (frame, data)]
    heard = rig.heard[: 21 * FRAMES]
    np.testing.assert_array_equal(heard, expected(len(heard), wanted))
    assert (first.state, first.started_frame, second.late_s) == ("ended", 200, 0.0)
    assert first.position == 100
    assert first.wait(0)
    assert mixer.wait(0)


def test_a_metronome_is_exact_and_10_000_voices_can_wait(rig: Rig, mixing: Any) -> None:
    mixer = mixing()
    click = vc.Sound(np.ones(1, np.float32), RATE)
    for beat in range(10_000):
        mixer.play(click, at_frame=beat * 7 + 3)
    far = [mixer.play(click, at_frame=3600 * RATE * 100 + n) for n in range(2000)]
    rig.step(60)
    assert mixer.scheduled > 10_000
    for voice in far:
        voice.stop()
    rig.step(70_100 // FRAMES - 60 + 1)
    beats = np.flatnonzero(rig.heard[:, 0])
    assert beats.tolist() == [beat * 7 + 3 for beat in range(10_000)]
    assert (mixer.scheduled, mixer.sounding) == (0, 0)
    assert {voice.state for voice in far} == {"ended"}


def test_a_voice_counts_as_scheduled_as_soon_as_play_has_returned(rig: Rig, mixing: Any) -> None:
    mixer = mixing()
    sound = sound_of(FRAMES)
    mixer.start()
    rig.step()
    voices = [mixer.play(sound, at_frame=20 * FRAMES) for _ in range(1500)]  # more than in a block
    for _ in range(4):
        assert (mixer.scheduled, mixer.sounding) == (1500, 0)
        rig.step()
    mixer.play(sound, loops=0)
    assert (mixer.scheduled, mixer.sounding) == (1501, 0)
    assert not mixer.wait(0)
    rig.step()
    assert (mixer.scheduled, mixer.sounding) == (1500, 1)
    for voice in voices:
        voice.stop()
    rig.step(3)
    assert (mixer.scheduled, mixer.sounding) == (0, 1)


def test_a_time_that_has_passed_is_reported_with_how_late_it_was(rig: Rig, mixing: Any) -> None:
    mixer = mixing()
    mixer.start()
    rig.step(10)
    sound = sound_of(64)
    with pytest.raises(vc.TimePassedError, match=r"0\.0083 s; the next frame is 640") as caught:
        mixer.play(sound, at_frame=240)
    assert caught.value.late_s == pytest.approx(400 / RATE)
    with pytest.raises(vc.TimePassedError, match="at the earliest"):
        mixer.play(sound, at_ns=mixer.now_ns() - 1)
    assert mixer.wait(0)
    late = mixer.play(sound, at_frame=240, on_late="play")
    skipped = mixer.play(sound, at_ns=mixer.now_ns() - 1_000_000_000, on_late="skip")
    rig.step(2)
    assert (late.started_frame, late.late_s) == (640, pytest.approx(400 / RATE, abs=1e-8))
    assert (skipped.state, skipped.playing, skipped.started_ns) == ("skipped", False, None)
    assert skipped.late_s == pytest.approx(1.0, abs=0.01)
    assert skipped.wait(0)
    assert_coded(rig.heard[640:704], 0)


def test_loops_rates_pans_fades_and_positions(rig: Rig, mixing: Any) -> None:
    mixer = mixing()
    ramp = np.arange(1, 101, dtype=np.float32)
    looped = mixer.play(ramp, loops=3, loop_start=10, loop_end=15, start=5)
    rig.step(3)
    once = np.concatenate([ramp[5:15], ramp[10:15], ramp[10:15], ramp[15:]])
    np.testing.assert_array_equal(rig.heard[: len(once), 0], once)
    assert not rig.heard[len(once) :].any()
    assert looped.state == "ended"

    begin = len(rig.heard)
    mixer.play(ramp, rate=0.5, pan=-1.0)
    mixer.play(ramp, rate=2.0, pan=1.0)
    rig.step(4)
    half, double = rig.heard[begin:, 0], rig.heard[begin:, 1]
    np.testing.assert_allclose(half[2:196], 1.0 + 0.5 * np.arange(2, 196), rtol=1e-6)
    np.testing.assert_array_equal(double[:50], ramp[::2])
    assert not half[200:].any()
    assert not double[50:].any()

    begin = len(rig.heard)
    mixer.play(np.ones(64, np.float32), fade_in_s=16 / RATE, fade_out_s=32 / RATE)
    rig.step(2)
    wanted = np.concatenate([np.arange(16) / 16, np.ones(16), np.arange(32, 0, -1) / 32])
    np.testing.assert_allclose(rig.heard[begin : begin + 64, 0], wanted, atol=1e-6)


@pytest.mark.parametrize("samplerate", [RATE, 44_100])
def test_a_position_is_at_most_the_number_of_frames(rig: Rig, mixing: Any, samplerate: int) -> None:
    mixer = mixing()
    sound = vc.Sound(np.zeros((701, 2), np.float32), samplerate)
    voices = [mixer.play(sound, rate=rate) for rate in (0.3, 1.5, 3.0, 7.0, 99.0)]
    rig.step(60)
    assert [(voice.state, voice.position) for voice in voices] == [("ended", 701)] * 5


def test_a_voice_is_changed_while_it_sounds(rig: Rig, mixing: Any) -> None:
    mixer = mixing()
    one = mixer.play(np.ones(1000, np.float32), loops=0)
    rig.step()
    one.set_gain(0.5, ramp_s=32 / RATE)
    rig.step()
    down = 1 - 0.5 * np.minimum(np.arange(64), 32) / 32
    np.testing.assert_allclose(rig.heard[64:128, 0], down, atol=1e-6)
    one.set_pan(1.0, ramp_s=0)
    one.pause(fade_s=0)
    rig.step(2)  # what was mixed before the pause is heard until then
    assert (one.state, one.paused, one.position) == ("paused", True, 128)
    assert not rig.heard[128:].any()
    one.resume(fade_s=0)
    one.rate = 2
    rig.step()
    assert not rig.heard[256:, 0].any()
    np.testing.assert_allclose(rig.heard[256:, 1], 0.5)
    one.seek(500)
    one.set_rate(1.0, ramp_s=0)
    rig.step(16)
    one.pause(fade_s=0)
    rig.step(2)
    assert one.position == 500 + 16 * 64 - 480 - 1000 * (one.position < 500)
    one.stop(fade_s=0)
    rig.step(2)
    assert (one.state, one.playing) == ("ended", False)
    assert (one.gain, one.pan, one.rate) == (0.5, 1.0, 1.0)
    with pytest.raises(vc.StreamStateError, match="the voice has ended"):
        one.seek(0)


def test_groups_have_a_gain_an_effect_and_a_stop(rig: Rig, mixing: Any) -> None:
    mixer = mixing(gain=0.5)

    def negate(output: int, given: int, frames: int, block: int, user: int) -> int:
        count = frames * 2
        samples = (ctypes.c_float * count).from_address(given)
        (ctypes.c_float * count).from_address(output)[:] = [-one for one in samples]
        return 0

    function = ctypes_type()(negate)
    plain, turned = mixer.group(0.5), mixer.group(effect=function)
    assert turned.effect is function
    long = np.ones(1000, np.float32)
    inside = plain.play(long)
    other = turned.play(long)
    mixer.play(long, gain=2.0)
    rig.step()
    np.testing.assert_allclose(rig.heard[:, 0], 0.5 * (0.5 - 1 + 2))
    plain.set_gain(1.0, ramp_s=0)
    mixer.set_gain(1.0, ramp_s=0)
    turned.stop(fade_s=0)
    rig.step()
    np.testing.assert_allclose(rig.heard[64:, 0], 1 + 2)
    assert (inside.state, other.state, turned.error()) == ("playing", "ended", None)
    with pytest.raises(vc.ArgumentError, match="another mixer"):
        mixing().play(long, group=plain)
    with pytest.raises(vc.ArgumentTypeError, match="give a native function"):
        mixer.group(effect=print)
    for _ in range(62):
        mixer.group()
    with pytest.raises(vc.StreamStateError, match="64 groups"):
        mixer.group()


def test_sounds_are_converted_once_and_two_mixers_agree_by_host_time() -> None:
    devices = [VirtualDevice(f"D{n}", clock="stepped", frames=64 * (n + 1)) for n in range(2)]
    for device in devices:
        device.capture()
    driver = VirtualDriver(devices)
    tone = vc.Sound(np.sin(np.arange(2400) * 0.1).astype(np.float32), 24_000)
    assert (tone.frames, tone.channels, tone.duration_s) == (2400, 1, 0.1)
    with vc.Mixer(driver=driver, device="D0") as a, vc.Mixer(driver=driver, device="D1") as b:
        moment = max(a.now_ns(), b.now_ns()) + 10_000_000
        voices = [mixer.play(tone, at_ns=moment) for mixer in (a, b)]
        devices[0].step(120)
        devices[1].step(60)
        starts = [voice.started_ns or 0 for voice in voices]
        assert all(abs(start - moment) <= 0.5e9 / RATE + 1 for start in starts)
        assert [voice.state for voice in voices] == ["ended", "ended"]
        heard = [device.heard()[:, 0] for device in devices]
        sounds = [samples[np.flatnonzero(samples)[0] :][:4000] for samples in heard]
        np.testing.assert_array_equal(*sounds)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"at_frame": 1, "in_s": 1}, "at_frame and in_s are given"),
        ({"at_frame": 1.5}, r"whole number of frames, such as mixer\.frame"),
        ({"at_ns": 1.5}, r"whole number of nanoseconds, such as mixer\.now_ns"),
        ({"at_ns": 2 * 10**18}, r"Count from mixer\.now_ns\(\), which is not the clock of time\."),
        ({"in_s": -1}, "in_s=-1 s; give 0 or more"),
        ({"gain": float("nan")}, "gain=nan"),
        ({"pan": 2}, "pan=2"),
        ({"rate": 0}, "rate=0; give 0.01 to 100"),
        ({"loops": -1}, "loops=-1"),
        ({"loop_start": 50, "loop_end": 20}, "from frame 50 to 20 is empty"),
        ({"loop_end": 1000}, "loop_end=1000, but the sound has 100 frames"),
        ({"fade_in_s": float("inf")}, "fade_in_s"),
        ({"group": 3}, "one that group"),
        ({"on_late": "never"}, "on_late='never'"),
        ({"samplerate": 44_100}, "leave it out"),
    ],
)
def test_wrong_arguments_are_refused_at_once(
    mixing: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises((vc.ArgumentError, vc.ArgumentTypeError), match=message):
        mixing().play(sound_of(100), **options)


def test_a_prepared_sound_is_not_converted_again(rig: Rig, mixing: Any) -> None:
    mixer = mixing()
    tone = np.sin(np.arange(2400) * 0.1).astype(np.float32)
    sound = mixer.prepare(tone, 24_000)
    (data,) = sound._ready.values()
    assert (sound.samplerate, len(data), mixer.state) == (24_000, 4800, "idle")
    assert mixer.prepare(sound) is sound
    for _ in range(100):
        mixer.play(sound, gain=0.01)
    assert next(iter(sound._ready.values())) is data  # the same memory, and no second one
    assert len(sound._ready) == 1
    same = mixer.prepare(sound_of(10))
    assert not same._ready  # its rate is that of the mixer
    with pytest.raises(vc.ArgumentError, match="leave it out"):
        mixer.prepare(sound, 48_000)
    mixer.close()
    with pytest.raises(vc.StreamClosedError, match="the mixer is closed"):
        mixer.prepare(sound)


def test_a_loop_without_frames_is_refused_and_nothing_is_played(mixing: Any) -> None:
    mixer = mixing()
    fast = vc.Sound(np.ones(400, np.float32), 384_000)  # 8 frames are one of the mixer
    for loops in (0, 2):
        for first, end in ((0, 3), (101, 102)):
            with pytest.raises(vc.ArgumentError, match=rf"from frame {first} to {end} .* 48000 Hz"):
                mixer.play(fast, loops=loops, loop_start=first, loop_end=end)
    assert (mixer.scheduled, mixer.state) == (0, "idle")
    mixer.play(fast, loop_end=3)  # without passes it does not matter
    mixer.play(fast, loops=0, loop_start=100, loop_end=108)


def test_a_sound_that_is_less_than_1_ms_late_is_not_skipped(rig: Rig, mixing: Any) -> None:
    mixer = mixing()
    mixer.start()
    rig.step(10)
    sound = sound_of(5)
    by_frame = [mixer.play(sound, at_frame=640 - n, on_late="skip") for n in (47, 48)]
    next_ns = mixer._code.next_ns
    by_host = [mixer.play(sound, at_ns=next_ns - n, on_late="skip") for n in (900_000, 1_000_000)]
    rig.step(2)
    for kept, skipped in (by_frame, by_host):
        assert (kept.state, kept.started_frame, skipped.state) == ("ended", 640, "skipped")
        assert 0 < kept.late_s < 0.001 <= skipped.late_s


def test_a_closed_mixer_counts_no_voices(rig: Rig, mixing: Any) -> None:
    mixer = mixing()
    for _ in range(5):
        mixer.play(sound_of(100), loops=0)
    for _ in range(3):
        mixer.play(sound_of(100), at_frame=100_000)
    rig.step(20)
    assert (mixer.scheduled, mixer.sounding) == (3, 5)
    mixer.close()
    assert (mixer.scheduled, mixer.sounding) == (0, 0)
    assert "closed, 0 scheduled, 0 sounding" in repr(mixer)


def test_wrong_sounds_a_full_mixer_and_a_closed_one(rig: Rig, mixing: Any) -> None:
    mixer = mixing(max_voices=2)
    with pytest.raises(vc.ArgumentError, match="1 sample of the sound are NaN"):
        mixer.play(np.array([0, np.nan], np.float32))
    with pytest.raises(vc.ArgumentError, match=r"the shape \(2, 2, 2\)"):
        mixer.play(np.zeros((2, 2, 2), np.float32))
    with pytest.raises(vc.ArgumentTypeError, match="not a sound"):
        mixer.play(3)
    with pytest.raises(vc.ArgumentError, match="samplerate is missing"):
        vc.Sound(np.zeros(3, np.float32))
    with pytest.raises(vc.ArgumentError, match="device_rate='set'"):
        mixing(samplerate=44_100)
    with pytest.raises(vc.ArgumentError, match="max_voices"):
        mixing(max_voices=0)
    voices = [mixer.play(sound_of(100), at_frame=1000) for _ in range(2)]
    with pytest.raises(vc.StreamStateError, match="2 voices are scheduled or sounding"):
        mixer.play(sound_of(100))
    voices[0].stop()
    rig.step(2)
    mixer.play(sound_of(10))
    mixer.close()
    mixer.close()
    assert voices[1].state == "ended"
    assert (mixer.scheduled, mixer.sounding) == (0, 0)
    with pytest.raises(vc.StreamStateError, match="closed before the voice ended"):
        voices[1].wait()
    for call in (mixer.start, lambda: mixer.play(sound_of(1)), mixer.group, mixer.wait):
        with pytest.raises(vc.StreamClosedError, match="the mixer is closed"):
            call()


def test_changes_of_a_closed_mixer_are_refused_and_those_of_its_voices_do_nothing(
    rig: Rig, mixing: Any
) -> None:
    mixer = mixing()
    group = mixer.group()
    voice = group.play(sound_of(1000))
    rig.step()
    mixer.close()
    for one in (mixer, group):
        for change in (lambda one=one: setattr(one, "gain", 0.5), one.pause, one.resume):
            with pytest.raises(vc.StreamClosedError, match="the mixer is closed"):
                change()
        assert (one.gain, one.paused) == (1.0, False)
        one.stop()
    voice.gain = voice.rate = 0.5
    voice.pan = -1
    voice.pause()
    voice.resume()
    voice.stop()
    assert voice.state == "ended"


def test_a_lost_device_ends_the_voices(rig: Rig, mixing: Any) -> None:
    mixer = mixing()
    voice = mixer.play(sound_of(1000))
    rig.step()
    rig.device.inject("unplug")
    rig.step()
    with pytest.raises(vc.DeviceLostError):
        voice.wait()
    assert (voice.state, voice.playing) == ("ended", False)
    with pytest.raises(vc.DeviceLostError):
        mixer.play(sound_of(10))


def test_a_task_waits_for_a_voice(rig: Rig) -> None:
    async def main() -> None:
        async with vc.Mixer(driver=rig.driver) as mixer:
            voice = mixer.play(sound_of(100))
            task = asyncio.ensure_future(wait_for(voice))
            for _ in range(10):
                await asyncio.sleep(0)
            assert not task.done()
            rig.step(10)
            await task
            assert voice.state == "ended"
            cancelled = asyncio.ensure_future(wait_for(mixer.play(sound_of(100), at_frame=10**9)))
            await asyncio.sleep(0)
            cancelled.cancel()
            with pytest.raises(asyncio.CancelledError):
                await cancelled

    async def wait_for(voice: vc.MixerVoice) -> None:
        await voice

    asyncio.run(asyncio.wait_for(main(), 60))


def test_a_dropped_voice_sounds_to_its_end_and_a_kept_one_keeps_the_device(rig: Rig) -> None:
    mixer = vc.Mixer(driver=rig.driver)
    mixer.play(sound_of(100))
    gc.collect()
    rig.step(2)
    assert_coded(rig.heard[:100], 0)
    voice = mixer.play(sound_of(100))
    stream = mixer.stream
    del mixer
    gc.collect()
    rig.step(2)
    assert (voice.state, stream.state) == ("ended", "running")
    stream.close()


def test_nothing_waits_for_a_stream_that_the_program_has_stopped(rig: Rig, mixing: Any) -> None:
    mixer, sound = mixing(), sound_of(500)
    voice = mixer.play(sound)
    rig.step(2)
    mixer.stream.abort()
    assert voice.state == "ended"
    with pytest.raises(vc.StreamStateError, match=r"stop\(\) or abort\(\)"):
        voice.wait(20)
    with pytest.raises(vc.StreamStateError, match="before the voice ended"):
        asyncio.run(asyncio.wait_for(voice, 20))
    for refused in (lambda: mixer.play(sound), mixer.start, lambda: mixer.wait(20)):
        with pytest.raises(vc.StreamClosedError, match="the stream of the mixer has ended"):
            refused()
    mixer.stream.start()  # the program may start it again, and the voices go on
    rig.step(20)
    assert voice.wait(20)
    assert mixer.wait(20)


def test_a_signal_handler_that_interrupts_the_start_learns_what_to_do(mixing: Any) -> None:
    mixer = mixing()
    says = "interrupted the start of this mixer, .* Call start"
    with pytest.raises(vc.StreamStateError, match=says):
        mixer._first_start._steps.run(mixer.start)  # as a handler does in the same thread
    assert mixer.state == "idle"
    mixer.start()
    assert mixer.state == "running"
    mixer.close()
