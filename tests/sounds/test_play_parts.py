"""`play` of parts of files and sources, from a time on: what only `play` can do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import voicecoil as vc
from coded import coded
from rig import Rig, until
from voicecoil import _core
from voicecoil.conversion import as_source, converted, read_all
from voicecoil.files import FileSink
from voicecoil.files.read_ahead import Reader

RATE = 48_000


class Endless:
    """A source that states no length, and goes to another frame if it may."""

    samplerate, channels, frames = RATE, 2, None

    def __init__(self, seekable: bool, length: int = 1000) -> None:
        self._seekable = seekable
        self._length = length
        self._at = 0

    def seekable(self) -> bool:
        return self._seekable

    def read(self, max_frames: int) -> Any:
        frames = min(max_frames, self._length - self._at)
        self._at += frames
        return coded(self._at - frames, frames, 2)

    def seek(self, frame: int) -> None:
        assert self._seekable
        self._at = frame

    def close(self) -> None:
        pass


@pytest.mark.parametrize("kind", ["array", "file"])
def test_loop_points_of_a_sound_at_another_rate(rig: Rig, tmp_path: Path, kind: str) -> None:
    """The loop is made before the conversion, so there is no click and no drift at its ends."""
    frames = np.arange(22_050)
    wave = (0.5 * np.sin(2 * np.pi * 441 * frames / 44_100)).astype(np.float32)[:, None]
    wave = wave.repeat(2, 1)
    whole = np.concatenate([wave[:5100], *[wave[1100:5100]] * 2, wave[5100:]])
    begin = round(100 * RATE / 44_100)
    wanted = read_all(converted(as_source(whole, 44_100), RATE, 2))[begin:]
    options = {"start": 100, "loop_start": 1100, "loop_end": 5100, "loops": 3}
    if kind == "array":
        playback = rig.play(wave, 44_100, **options)
    else:
        with FileSink(tmp_path / "a.wav", 44_100, 2) as sink:
            sink.write(wave)
        playback = rig.play(tmp_path / "a.wav", **options)
    assert playback.frames == len(wanted) + begin
    assert (playback.position, playback.samplerate) == (begin, RATE)
    rig.play_out(playback)
    assert playback.wait(5)
    assert playback.position == playback.frames
    np.testing.assert_allclose(rig.heard[: len(wanted)], wanted, atol=1e-5)


def test_sources_that_cannot_do_it(rig: Rig) -> None:
    for options in ({"start": 1}, {"loop_start": 1, "loop_end": 2, "loops": 2}):
        with pytest.raises(vc.SeekError, match="another frame"):
            rig.play(Endless(False), **options)
    with pytest.raises(vc.ArgumentError, match="states no length; give loop_end as well"):
        rig.play(Endless(True), loop_start=1, loops=0)
    with pytest.raises(vc.ArgumentError, match="fade_out_s=1, but this source states no length"):
        rig.play(Endless(True), fade_out_s=1)
    part = rig.play(Endless(True), start=50, loop_start=60, loop_end=70, loops=2)
    rig.play_out(part)
    assert part.wait(5)
    code = coded(0, 1000, 2)
    wanted = np.concatenate([code[50:70], code[60:]])
    np.testing.assert_array_equal(rig.heard[: len(wanted)], wanted)


def test_a_first_frame_that_the_source_refuses_is_raised_by_wait(rig: Rig) -> None:
    class Broken(Endless):
        def seek(self, frame: int) -> None:
            raise OSError("no such frame")

    playback = rig.play(Broken(True), start=5)
    rig.play_out(playback)
    with pytest.raises(OSError, match="no such frame"):
        playback.wait(5)


def test_a_sound_is_played_by_play_too(rig: Rig) -> None:
    sound = vc.Sound(coded(0, 100, 2), RATE)
    playback = vc.play(sound, driver=rig.driver, in_s=0)
    with pytest.raises(vc.ArgumentError, match="leave it out"):
        vc.play(sound, 44_100, driver=rig.driver)
    rig.step(4)
    begin = playback.started_frame
    assert begin is not None
    np.testing.assert_array_equal(rig.heard[begin : begin + 100], coded(0, 100, 2))


def test_sounds_that_follow_each_other_without_a_gap(rig: Rig) -> None:
    first = rig.play(coded(0, 100, 2), RATE)
    rig.step()
    assert (first.started_frame, first.mixer_frame, first.frames) == (0, 64, 100)
    second = rig.play(coded(100, 100, 2), RATE, at_frame=first.started_frame + first.frames)
    third = rig.play(coded(200, 50, 2), RATE, at_ns=first.started_ns + round(200e9 / RATE))
    rig.step(4)
    np.testing.assert_array_equal(rig.heard[:250], coded(0, 250, 2))
    assert (second.late_s, third.started_frame) == (0, 200)
    assert third.started_ns - first.started_ns == pytest.approx(200e9 / RATE, abs=2)
    assert first.now_ns() >= third.started_ns


def test_a_scheduled_sound_ends_at_once_when_it_is_stopped(rig: Rig) -> None:
    playback = rig.play(coded(0, 100, 2), RATE, in_s=10)
    rig.step()
    assert (playback.state, playback.playing) == ("scheduled", True)
    assert "scheduled" in repr(playback)
    playback.stop()
    rig.step()
    assert (playback.state, playback.wait(0), playback.started_frame) == ("ended", True, None)


def test_a_seek_before_the_first_frame_was_read_goes_where_it_was_asked() -> None:
    """The reader went to `start` after it had made the jump."""
    reader = Reader(Endless(True), RATE, True, 100)
    clip = _core.MixerClip.from_ring(reader.ring, None, 1.0)
    reader.seek(400, clip.ask_jump())
    reader.start(clip, lambda: True)
    try:
        until(lambda: reader.at_end)
        assert reader.ring.readable == 1000 - 400
    finally:
        reader.end()
        reader.join()
