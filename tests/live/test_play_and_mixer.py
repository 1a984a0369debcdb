"""`vc.play` and `Mixer.play`: the same words have the same meaning, frame by frame."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import voicecoil as vc
from coded import coded
from rig import Rig, until
from voicecoil.files import FileSink

RATE = 48_000
FRAMES = 64  # of a cycle
RAMP = 480


class Kind:
    """One of the ways to play a sound. The device runs, and its time line is at frame 0."""

    def __init__(self, name: str, rig: Rig, folder: Path) -> None:
        self.name = name
        self.rig = rig
        self._folder = folder
        self._files = 0
        if name == "mixer":
            self.clock: Any = vc.Mixer(driver=rig.driver)
            self.clock.start()
        else:  # a silent sound keeps the device open
            self.clock = rig.play(np.zeros((64, 2), np.float32), RATE, loops=0)

    @property
    def frame(self) -> int:
        return int(self.clock.frame if self.name == "mixer" else self.clock.mixer_frame)

    def play(self, sound: NDArray[np.float32], **options: Any) -> Any:
        if self.name == "mixer":
            return self.clock.play(sound, **options)
        if self.name == "array":
            return self.rig.play(sound, RATE, **options)
        self._files += 1
        path = self._folder / f"{self._files}.wav"
        with FileSink(path, RATE, sound.shape[1]) as sink:
            sink.write(sound)
        return self.rig.play(path, **options)

    def heard(self, first: int, frames: int) -> NDArray[np.float32]:
        """Advances the clock as far as needed."""
        self.rig.step(max(0, -(-(first + frames - len(self.rig.heard)) // FRAMES)))
        return self.rig.heard[first : first + frames]

    def jump(self, playback: Any, frame: float) -> None:
        """Goes to a later frame. Returns when it was reached, and a file was read from there."""
        playback.seek(frame)
        reader = getattr(playback, "_reader", None)
        if reader is not None:
            until(lambda: not reader._seeks)
        while playback.position < frame:
            self.rig.step()
        if reader is not None:
            until(lambda: reader.at_end or reader.ring.readable >= reader.prefill_frames)


@pytest.fixture(params=["array", "file", "mixer"])
def kind(request: Any, rig: Rig, tmp_path: Path) -> Iterator[Kind]:
    kind = Kind(request.param, rig, tmp_path)
    yield kind
    if kind.name == "mixer":
        kind.clock.close()


def ones(frames: int) -> NDArray[np.float32]:
    return np.ones((frames, 2), np.float32)


def ramp(frames: int) -> NDArray[np.float32]:
    return (np.arange(frames, dtype=np.float32)[:, None] / 4096).repeat(2, 1)


def close(heard: NDArray[np.float32], wanted: NDArray[Any], atol: float = 1e-6) -> None:
    assert heard.shape == wanted.shape
    np.testing.assert_allclose(heard, wanted, atol=atol)


def test_times(kind: Kind) -> None:
    kind.rig.step(2)
    data = coded(0, 100, 2)
    now_ns = kind.clock.now_ns()
    by_frame = kind.play(data, at_frame=300, gain=0.5)
    assert (by_frame.state, by_frame.playing, by_frame.position) == ("scheduled", True, 0)
    assert (by_frame.started_frame, by_frame.started_ns) == (None, None)
    by_host = kind.play(data, at_ns=now_ns + 20_000_000)
    by_delay = kind.play(data, in_s=0.01)
    at_once = kind.play(data)
    begin = kind.frame
    kind.rig.step(20)
    by_host_frame, by_delay_frame = by_host.started_frame, by_delay.started_frame
    assert by_host_frame - by_delay_frame == 480
    assert by_host.started_ns == pytest.approx(now_ns + 20_000_000, abs=11_000)
    assert (by_frame.started_frame, at_once.started_frame) == (300, begin)
    wanted = np.zeros((1400, 2))
    for at, gain in ((300, 0.5), (begin, 1), (by_host_frame, 1), (by_delay_frame, 1)):
        wanted[at : at + 100] += gain * data
    close(kind.heard(0, 1400), wanted)
    assert {(one.state, one.late_s) for one in (by_frame, by_host, at_once)} == {("ended", 0.0)}


def test_a_time_that_has_passed(kind: Kind) -> None:
    kind.rig.step(10)
    data = coded(0, 64, 2)
    with pytest.raises(vc.TimePassedError, match=r"0\.0083 s; the next frame is 640") as caught:
        kind.play(data, at_frame=240)
    assert caught.value.late_s == pytest.approx(400 / RATE)
    with pytest.raises(vc.TimePassedError, match="at the earliest"):
        kind.play(data, at_ns=kind.clock.now_ns() - 1)
    late = kind.play(data, at_frame=240, on_late="play")
    skipped = kind.play(data, at_ns=kind.clock.now_ns() - 1_000_000_000, on_late="skip")
    close(kind.heard(640, 64), data)
    kind.rig.step(2)
    assert (late.started_frame, late.late_s) == (640, pytest.approx(400 / RATE, abs=1e-8))
    assert (skipped.state, skipped.playing, skipped.started_ns) == ("skipped", False, None)
    assert skipped.late_s == pytest.approx(1.0, abs=0.01)
    assert skipped.wait(0)
    assert (late.state, late.wait(0)) == ("ended", True)


def test_loops_and_their_points(kind: Kind) -> None:
    data = ramp(100)
    begin = kind.frame
    kind.play(data, loops=3, loop_start=10, loop_end=15, start=5)
    once = np.concatenate([data[5:15], data[10:15], data[10:15], data[15:], np.zeros((30, 2))])
    close(kind.heard(begin, len(once)), once)
    begin = kind.frame
    endless = kind.play(data, loops=0, loop_start=90)
    wanted = np.concatenate([data, *[data[90:]] * 50])
    close(kind.heard(begin, len(wanted)), wanted)
    assert endless.state == "playing"
    endless.stop(fade_s=0)
    kind.rig.step(2)
    assert (endless.state, endless.playing, endless.wait(0)) == ("ended", False, True)
    begin = kind.frame
    past = kind.play(data, loops=0, loop_start=10, loop_end=20, start=50)  # behind the loop
    close(kind.heard(begin, 64), np.concatenate([data[50:], np.zeros((14, 2))]))
    kind.rig.step(2)
    assert past.state == "ended"


def test_rates_and_their_ramps(kind: Kind) -> None:
    data = ramp(4000)
    begin = kind.frame
    kind.play(data[:100], rate=0.5, pan=-1.0)
    kind.play(data[:100], rate=2.0, pan=1.0)
    half, double = kind.heard(begin, 256).T
    np.testing.assert_allclose(half[4:196], np.arange(4, 196) / 8192, atol=1e-6)
    close(double[:50], data[:100:2, 0])
    assert not half[200:].any()
    assert not double[50:].any()

    begin = kind.frame
    moving = kind.play(data)
    kind.rig.step()
    moving.set_rate(3.0, ramp_s=RAMP / RATE)
    assert moving.rate == 3.0
    n = np.arange(RAMP + 100)
    rising = 64 + n + 2 * np.minimum(n, RAMP) * (np.minimum(n, RAMP) - 1) / 2 / RAMP
    rising += 2 * np.maximum(n - RAMP, 0)
    close(kind.heard(begin + 64, len(n))[2:, 0], rising[2:] / 4096, atol=2e-5)
    moving.rate = 1  # over 10 ms
    kind.rig.step(10)
    moving.stop(0)
    kind.rig.step(2)
    assert moving.state == "ended"


def test_a_rate_of_a_loop_has_no_seam(kind: Kind) -> None:
    period = 96
    wave = 0.5 * np.sin(2 * np.pi * np.arange(period) / period)
    data = wave.astype(np.float32)[:, None].repeat(2, 1)
    begin = kind.frame
    looped = kind.play(data, loops=0, rate=1.37)
    wanted = 0.5 * np.sin(2 * np.pi * 1.37 * np.arange(3000) / period)
    close(kind.heard(begin, 3000)[8:, 0], wanted[8:], atol=2e-5)
    looped.stop(0)


def test_fades_at_the_begin_and_the_end(kind: Kind) -> None:
    begin = kind.frame
    kind.play(ones(64), fade_in_s=16 / RATE, fade_out_s=32 / RATE)
    wanted = np.concatenate([np.arange(16) / 16, np.ones(16), np.arange(32, 0, -1) / 32])
    close(kind.heard(begin, 64)[:, 0], wanted)
    begin = kind.frame
    kind.play(ones(64), fade_out_s=32 / RATE, rate=2.0, loops=2)
    wanted = np.concatenate([np.ones(48), np.arange(32, 0, -2) / 32])
    close(kind.heard(begin, 64)[:, 1], wanted)


def test_gain_pan_and_pause_while_it_sounds(kind: Kind) -> None:
    begin = kind.frame
    one = kind.play(ones(20_000), gain=0.5, rate=1.0)
    kind.rig.step()
    one.set_gain(1.0, ramp_s=32 / RATE)
    one.set_pan(1.0, ramp_s=64 / RATE)
    up = 0.5 + 0.5 * np.minimum(np.arange(64), 32) / 32
    heard = kind.heard(begin + 64, 64)
    close(heard[:, 1], up)
    close(heard[:, 0], up * (1 - np.arange(64) / 64))
    one.pause(fade_s=32 / RATE)
    assert (one.gain, one.pan, one.rate, one.paused) == (1.0, 1.0, 1.0, True)
    heard = kind.heard(begin + 128, 128)
    close(heard[:, 1], np.maximum(0, 1 - np.arange(128) / 32))
    kind.rig.step(2)
    assert (one.state, one.playing, one.position, one.position_s) == (
        "paused",
        True,
        160,
        160 / RATE,
    )
    assert not one.wait(0)
    one.pan = 0.0  # at once, because nothing is heard
    at = kind.frame
    one.resume(fade_s=0)
    close(kind.heard(at, 64), ones(64))
    assert (one.state, one.paused) == ("playing", False)
    one.stop(fade_s=64 / RATE)
    close(kind.heard(at + 64, 128)[:, 0], np.maximum(0, 1 - np.arange(128) / 64))
    kind.rig.step(2)
    assert (one.state, one.wait(0), one.position) == ("ended", True, 160 + 64 + 64)


def test_seek_and_position(kind: Kind) -> None:
    data = ramp(20_000) / 8
    one = kind.play(data)
    kind.rig.step(10)
    kind.jump(one, 5000.0)
    kind.rig.step(12)
    heard = kind.heard(len(kind.rig.heard), 64)
    frame = round(float(heard[0, 0]) * 8 * 4096)
    assert frame > 5000 + RAMP
    close(heard, data[frame : frame + 64])
    kind.rig.step(2)
    assert frame + 64 <= one.position <= frame + 64 + 128
    with pytest.raises(vc.ArgumentError, match="use 0 to 20000"):
        one.seek(20_001)
    one.stop(0)
    kind.rig.step(3)
    with pytest.raises(vc.StreamStateError, match="has ended"):
        one.seek(0)


def heard_frames(mixer: Any, playback: Any) -> float:
    """Frames since the beginning of a sound, by the clock."""
    if playback.started_ns is None:
        return 0.0
    return max(0.0, (mixer.now_ns() - playback.started_ns) * RATE / 1e9)


@pytest.mark.parametrize("rate", [1.0, 0.7, 3.0])
def test_a_position_is_what_is_heard(kind: Kind, rate: float) -> None:
    one = kind.play(ones(5000), rate=rate, start=40)
    for _ in range(20):
        kind.rig.step()
        wanted = 40 + rate * heard_frames(kind.clock, one)
        assert one.position == pytest.approx(wanted, abs=1)
        assert one.position_s == one.position / RATE
    assert 40 < one.position < 40 + rate * 20 * FRAMES  # the newest cycle is not heard yet
    one.pause(fade_s=0)
    kind.rig.step(10)
    assert one.position == pytest.approx(40 + rate * 20 * FRAMES, abs=1)


@pytest.mark.parametrize("rate", [1.0, 0.7])
def test_a_position_of_a_mixer_ahead_of_the_device(rig: Rig, rate: float) -> None:
    """What was mixed is heard later, also across the ends of a loop."""
    with vc.Mixer(driver=rig.driver, latency=0.02) as mixer:
        data = np.zeros((300, 2), np.float32)
        looped = mixer.play(data, rate=rate, loops=0, loop_start=100, loop_end=180, start=10)
        marker = mixer.play(ones(100_000))
        ahead = 0
        for _ in range(40):
            rig.step()
            heard = heard_frames(mixer, marker)
            assert marker.position == pytest.approx(heard, abs=1)
            ahead = max(ahead, mixer.frame - len(rig.heard))
            passed = int(10 + rate * heard)
            wanted = passed if passed < 180 else 100 + (passed - 100) % 80
            assert abs(looped.position - wanted) in (0, 1, 79, 80)
        assert ahead >= 3 * FRAMES


REFUSALS: list[tuple[dict[str, Any], str]] = [
    ({"at_frame": 1.5}, r"at_frame=1\.5; give a whole number of frames, such as "),
    ({"at_ns": 1.5}, r"at_ns=1\.5; give a whole number of nanoseconds, such as "),
    ({"at_ns": 2 * 10**18}, r"which is not the clock of time\.time_ns"),
    ({"at_frame": 1, "in_s": 0.1}, "at_frame and in_s are given; give one of them"),
    ({"in_s": -1}, "in_s=-1"),
    ({"on_late": "never"}, "on_late='never'; give 'raise', 'play' or 'skip'"),
    ({"gain": float("nan")}, "gain="),
    ({"pan": 2}, "pan=2; give -1"),
    ({"rate": 0}, r"rate=0; give 0\.01 to 100"),
    ({"loops": -1}, "loops=-1"),
    ({"loop_start": 9, "loop_end": 9}, "the loop from frame 9 to 9 is empty"),
    ({"loop_end": 101}, "loop_end=101, but the sound has 100 frames"),
    ({"start": 101}, "start=101, but the sound has 100 frames"),
    ({"fade_in_s": -1}, "fade_in_s=-1"),
    ({"fade_out_s": "x"}, "fade_out_s='x'"),
]


def test_refusals(kind: Kind) -> None:
    for options, message in REFUSALS:
        with pytest.raises((vc.ArgumentError, vc.ArgumentTypeError), match=message):
            kind.play(coded(0, 100, 2), **options)


def test_changes_that_are_refused_change_nothing(kind: Kind) -> None:
    one = kind.play(ones(1000), loops=0)
    for name, value in (("gain", "x"), ("pan", 2), ("rate", 0)):
        with pytest.raises((vc.ArgumentError, vc.ArgumentTypeError), match=name):
            setattr(one, name, value)
        with pytest.raises((vc.ArgumentError, vc.ArgumentTypeError), match="ramp_s"):
            getattr(one, f"set_{name}")(0.5, ramp_s=-1)
    for call in (one.pause, one.resume, one.stop):
        with pytest.raises((vc.ArgumentError, vc.ArgumentTypeError), match="fade_s"):
            call(fade_s=-1)
    assert (one.gain, one.pan, one.rate, one.paused) == (1.0, 0.0, 1.0, False)
    one.stop(0)


def test_await(kind: Kind) -> None:
    one = kind.play(ones(100), rate=2.0, at_frame=640)

    async def main() -> None:
        task = asyncio.ensure_future(wait())
        await asyncio.sleep(0)
        kind.rig.step(14)
        await asyncio.wait_for(task, 60)

    async def wait() -> None:
        await one

    asyncio.run(main())
    assert (one.state, one.started_frame) == ("ended", 640)
