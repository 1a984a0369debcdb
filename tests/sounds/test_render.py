"""`render` calls the same callbacks as a stream, as fast as the machine can."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import voicecoil as vc
from coded import assert_coded, coded
from voicecoil.conversion import as_source, converted, read_all
from voicecoil.files import FileSink


class Counter:
    """A callback that plays the coded signal."""

    def __init__(self) -> None:
        self.frames: list[int] = []

    def __call__(self, block: vc.Block) -> None:
        block.output[:] = coded(sum(self.frames), block.frames, block.output.shape[1])
        self.frames.append(block.frames)


@pytest.mark.parametrize("frames", [0, 1, 511, 512, 513, 20_000])
@pytest.mark.parametrize("blocksize", [1, 64, 512, 8192, 9000, 65_536])
def test_the_callback_makes_every_frame(frames: int, blocksize: int) -> None:
    if frames / blocksize > 1000:
        frames = 600
    callback = Counter()
    sound = vc.render(callback, frames=frames, blocksize=blocksize, channels=3)
    assert sound.shape == (frames, 3)
    assert sound.dtype == np.float32
    assert_coded(sound)
    assert callback.frames == [blocksize] * -(-frames // blocksize)


def test_the_result_depends_on_nothing_but_the_callback() -> None:
    def noise() -> Callable[[vc.Block], None]:
        random = np.random.default_rng(1)

        def callback(block: vc.Block) -> None:
            block.output[:] = random.standard_normal(block.output.shape)

        return callback

    first = vc.render(noise(), frames=5000)
    assert np.array_equal(first, vc.render(noise(), frames=5000))


def test_block_facts_are_those_that_were_asked_for() -> None:
    facts = set()

    def callback(block: vc.Block) -> None:
        facts.add((block.samplerate, block.frames, block.output.shape, block.input))

    vc.render(callback, frames=1000, samplerate=22_050, channels=1, blocksize=100)
    assert facts == {(22_050.0, 100, (100, 1), None)}


def test_an_exception_passes_through() -> None:
    def callback(block: vc.Block) -> None:
        raise ZeroDivisionError("in the callback")

    with pytest.raises(ZeroDivisionError, match="in the callback"):
        vc.render(callback, frames=10**9 // 100)


def test_stop_silences_the_rest() -> None:
    calls = []

    def callback(block: vc.Block) -> None:
        block.output[:] = 1
        calls.append(block)
        if len(calls) == 3:
            raise vc.Stop

    sound = vc.render(callback, frames=1000, blocksize=100)
    assert (sound[:300] == 1).all()
    assert not sound[300:].any()
    assert len(calls) == 3


def test_clips_begin_at_their_frames() -> None:
    sound = vc.render(
        [
            vc.Clip(coded(0, 100, 2), start_frame=37),
            vc.Clip(np.full((10, 1), 0.5, np.float32), start_frame=995),
        ],
        frames=1000,
    )
    assert not sound[:37].any()
    assert_coded(sound[37:137])
    assert not sound[137:995].any()
    assert (sound[995:] == 0.5).all()


def test_clips_overlap_loop_and_have_gains() -> None:
    ones = np.ones((50, 2), np.float32)
    sound = vc.render(
        [
            vc.Clip(ones, gain=0.5, loops=4),
            vc.Clip(ones, start_frame=100, gain=-0.25),
            vc.Clip(ones[:7], start_frame=180, loops=0),
        ],
        frames=300,
        blocksize=64,
    )
    levels = sound[:, 0]
    assert (levels[:100] == 0.5).all()
    assert (levels[100:150] == 0.25).all()
    assert (levels[150:180] == 0.5).all()
    assert (levels[180:200] == 1.5).all()
    assert (levels[200:] == 1).all()


def test_one_clip_and_no_clip() -> None:
    assert_coded(vc.render(vc.Clip(coded(0, 100, 2)), frames=100))
    assert not vc.render([], frames=100).any()


def test_a_clip_of_a_file_with_another_rate(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    wave = np.sin(np.arange(4410) * 0.05).astype(np.float32)[:, None]
    with FileSink(path, 44_100, 1) as sink:
        sink.write(wave)
    wanted = read_all(converted(as_source(path), 48_000, 2))
    for clip in (vc.Clip(path), vc.Clip(wave, samplerate=44_100)):
        assert np.array_equal(vc.render(clip, frames=len(wanted)), wanted)


@pytest.mark.parametrize("loops", [3, 0])
def test_a_looped_clip_with_another_rate_is_converted_as_one_signal(loops: int) -> None:
    wave = np.sin(2 * np.pi * np.arange(1001) / 1001).astype(np.float32)[:, None]
    clip = vc.Clip(wave, samplerate=44_100, loops=loops, start_frame=10)
    sound = vc.render(clip, frames=5000)
    many = np.tile(wave, (loops or 10, 1))
    wanted = read_all(converted(as_source(many, 44_100), 48_000, 2))[:4990]
    assert np.array_equal(sound[10 : 10 + len(wanted)], wanted)
    assert not sound[10 + len(wanted) :].any()


def test_a_slow_callback_is_waited_for() -> None:
    slow = [True]

    def callback(block: vc.Block) -> None:
        if slow:
            # This takes many times the duration of the block, but a rendering is never late.
            time.sleep(0.2)
            slow.clear()
        block.output[:] = 1

    assert (vc.render(callback, frames=2000, blocksize=64) == 1).all()


def test_channels_may_be_an_iterator() -> None:
    """Before the fix, the error was that the list of channels is empty."""

    def callback(block: vc.Block) -> None:
        block.output[:] = [0.25, 0.5]

    sound = vc.render(callback, frames=10, channels=iter([2, 0]))  # type: ignore[arg-type]
    assert (sound == [0.5, 0.0, 0.25]).all()
