"""Sources that are arrays, conversion of the rate, and channel mapping."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from voicecoil.conversion import ArraySource, as_source, converted
from voicecoil.errors import (
    ArgumentError,
    ArgumentTypeError,
    FileTruncatedError,
    StreamClosedError,
)
from voicecoil.files import Source
from voicecoil.files.loop import LoopedSource

SIZES = st.lists(st.integers(1, 3000), min_size=1, max_size=5)
RATES = st.sampled_from([8000, 11025, 22050, 44100, 48000, 96000])


def noise(frames: int, channels: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    random = np.random.default_rng(frames)
    return random.uniform(-0.5, 0.5, (frames, channels)).astype(np.float32)


def read_all(source: Source, sizes: list[int]) -> np.ndarray[Any, np.dtype[np.float32]]:
    blocks = []
    for turn in range(1_000_000):
        size = sizes[turn % len(sizes)]
        block = source.read(size)
        assert block.dtype == np.float32
        assert block.shape[1] == source.channels
        assert block.flags.c_contiguous
        blocks.append(block)
        if len(block) < size:
            break
    assert len(source.read(1)) == 0
    return np.concatenate(blocks)


@pytest.mark.parametrize(
    ("dtype", "values", "expected"),
    [
        ("float32", [0.1, -2.0], [np.float32(0.1), -2.0]),
        ("float64", [0.1, -2.0], [np.float32(0.1), -2.0]),
        ("int16", [-32768, 1, 32767], [-1.0, 2**-15, 32767 / 32768]),
        ("int32", [-(2**31), 1, 2**30 + 1], [-1.0, 2**-31, 0.5]),
        ("uint8", [0, 128, 255], [-1.0, 0.0, 127 / 128]),
        (">i2", [-32768, 16384], [-1.0, 0.5]),
        (">f4", [0.25], [0.25]),
    ],
)
def test_array_scaling(dtype: str, values: list[float], expected: list[float]) -> None:
    got = ArraySource(np.array(values, dtype=dtype), 48000).read(10)
    assert got[:, 0].tolist() == expected
    assert got.dtype == np.dtype("=f4")


def test_int16_is_exact_for_every_value() -> None:
    every = np.arange(-32768, 32768).astype(np.int16)
    got = ArraySource(every, 48000).read(65536)
    assert np.array_equal(got[:, 0] * 32768, every)


@given(sizes=SIZES, layout=st.sampled_from(["C", "F", "reversed", "strided"]))
def test_array_chunks_equal_the_array(sizes: list[int], layout: str) -> None:
    array = noise(1000, 3)
    if layout == "F":
        array = np.asfortranarray(array)
    elif layout == "reversed":
        array = array[::-1]
    elif layout == "strided":
        array = array[::3, ::2]
    source = ArraySource(array, 48000)
    assert source.frames == len(array)
    assert np.array_equal(read_all(source, sizes), array)


def test_nan_and_infinity_stay_and_the_block_is_the_callers_own() -> None:
    array = np.array([np.nan, np.inf, -np.inf, 1.0], dtype=np.float32)
    block = ArraySource(array, 48000).read(4)
    assert np.array_equal(block[:, 0], array, equal_nan=True)
    block[:] = 0
    assert array[3] == 1.0


@pytest.mark.parametrize(
    ("array", "error", "words"),
    [
        ([0.0, 1.0], ArgumentTypeError, "list"),
        (np.zeros(3, bool), ArgumentTypeError, "bool"),
        (np.zeros(3, complex), ArgumentTypeError, "complex"),
        (np.zeros(3, object), ArgumentTypeError, "object"),
        (np.array(["a"]), ArgumentTypeError, "<U1"),
        (np.zeros(3, np.int64), ArgumentTypeError, "int64; possible are float32"),
        (np.zeros(3, np.float16), ArgumentTypeError, "float16"),
        (np.float32(1.0), ArgumentTypeError, "float32"),
        (np.zeros((), np.float32), ArgumentError, r"shape \(\)"),
        (np.zeros((1, 2, 3), np.float32), ArgumentError, r"\(1, 2, 3\)"),
        (np.zeros((0, 2), np.float32), ArgumentError, "0 frames"),
        (np.zeros(0, np.float32), ArgumentError, "0 frames"),
        (np.zeros((2, 0), np.float32), ArgumentError, "0 channels"),
        (np.zeros((2, 48000), np.float32), ArgumentError, "array.T"),
        (np.zeros((2, 480), np.float32), ArgumentError, "array.T"),
    ],
)
def test_bad_arrays_are_named(array: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        ArraySource(array, 48000)


@pytest.mark.parametrize("rate", [0, -1, 10**9, 44100.5, float("nan"), float("inf")])
def test_absurd_rates(rate: float) -> None:
    source = ArraySource(noise(3, 1), 48000)
    with pytest.raises(ArgumentError, match="use a whole number"):
        ArraySource(noise(3, 1), rate)
    with pytest.raises(ArgumentError, match="use a whole number"):
        converted(source, rate, 1)


@pytest.mark.parametrize("rate", ["48000", None, True, 1j])
def test_rates_that_are_not_finite(rate: Any) -> None:
    with pytest.raises(ArgumentTypeError, match="samplerate"):
        ArraySource(noise(3, 1), rate)


def test_as_source(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(10, 2), 8000)
    assert as_source(path).samplerate == 8000
    assert as_source(str(path), 8000).frames == 10
    assert as_source(noise(10, 2), 48000.0).channels == 2
    with pytest.raises(ArgumentError, match="samplerate is missing"):
        as_source(noise(10, 2))
    with pytest.raises(ArgumentError, match="has 8000"):
        as_source(path, 44100)
    with pytest.raises(ArgumentTypeError, match="list"):
        as_source([1.0], 48000)  # type: ignore[arg-type]


def test_nothing_to_do_returns_the_source_itself() -> None:
    source = ArraySource(noise(10, 2), 48000)
    assert converted(source, 48000, 2) is source
    assert converted(source, 48000.0, 2, mapping=[0, 1]) is source
    assert converted(source, 48000, 2, mapping=[[1, 0], [0, 1]]) is source
    assert converted(source, 48000, 2, mapping=[[0.5, 0], [0, 1]]) is not source


@given(sizes=SIZES)
def test_mapping_alone_is_bit_exact(sizes: list[int]) -> None:
    array = noise(3000, 2)
    array[7, 0] = np.nan
    source = converted(ArraySource(array, 48000), 48000, 3, mapping=[1, None, 0])
    expected = np.stack([array[:, 1], 0 * noise(3000, 1)[:, 0], array[:, 0]], axis=1)
    assert np.array_equal(read_all(source, sizes), expected, equal_nan=True)


@settings(deadline=None, max_examples=40)
@given(
    frames=st.integers(1, 12_000),
    rates=st.tuples(RATES, RATES),
    channels=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    sizes=SIZES,
    quality=st.sampled_from(["QQ", "LQ", "mq", "HQ", "VHQ"]),
)
def test_chunks_equal_the_whole(
    frames: int,
    rates: tuple[int, int],
    channels: tuple[int, int],
    sizes: list[int],
    quality: str,
) -> None:
    array = noise(frames, channels[0])

    def again() -> Source:
        return converted(ArraySource(array, rates[0]), rates[1], channels[1], quality=quality)

    exact = int(np.floor(frames * rates[1] / rates[0] + 0.5))
    whole = again().read(20 * frames)
    assert len(whole) == again().frames == exact
    assert np.array_equal(read_all(again(), sizes), whole)


def test_equals_the_one_shot_conversion() -> None:
    array = noise(20_000, 2)
    got = converted(ArraySource(array, 44100), 48000, 2).read(100_000)
    assert np.array_equal(got, soxr.resample(array, 44100, 48000, "HQ"))


@pytest.mark.parametrize(
    ("old", "new"), list(itertools.permutations([8000, 22050, 44100, 48000], 2))
)
def test_a_last_half_frame_is_sound_and_not_silence(old: int, new: int) -> None:
    # After this number of frames, a frame of the old rate and one of the new rate coincide again.
    step = old // math.gcd(old, new)
    for frames in {max(1, step // 2), step + step // 2, 4096 + step // 2}:
        array = noise(frames, 1) + 1
        beyond = np.concatenate([array, np.zeros((4000, 1), np.float32)])
        source = converted(ArraySource(array, old), new, 1)
        assert source.frames
        expected = soxr.resample(beyond, old, new)[: source.frames]
        np.testing.assert_allclose(source.read(100_000)[-2:], expected[-2:], atol=1e-3)
        source.seek(source.frames - 1)
        np.testing.assert_allclose(source.read(100_000), expected[-1:], atol=1e-3)


def test_aligned_in_time_up_to_the_last_frame() -> None:
    time_s = np.arange(44100) / 44100
    sine = np.sin(2 * np.pi * 100 * time_s).astype(np.float32)
    got = converted(ArraySource(sine, 44100), 48000, 1).read(48000)[:, 0]
    expected = np.sin(2 * np.pi * 100 * np.arange(48000) / 48000)
    assert np.abs(got - expected)[2000:-2000].max() < 1e-4


@settings(deadline=None, max_examples=25)
@given(rates=st.tuples(RATES, RATES), place=st.floats(0, 1), channels=st.integers(1, 2))
def test_reading_after_seek_equals_reading_on(
    rates: tuple[int, int], place: float, channels: int
) -> None:
    source = converted(ArraySource(noise(100_000, 2), rates[0]), rates[1], channels)
    assert source.frames is not None
    whole = source.read(source.frames)
    frame = int(place * source.frames)
    source.seek(frame)
    again = read_all(source, [1000])
    assert len(again) == source.frames - frame
    np.testing.assert_allclose(again, whole[frame:], atol=3e-6)


def test_not_finite_samples_are_silenced_before_the_filter_and_counted() -> None:
    array = noise(5000, 2)
    broken = array.copy()
    broken[100, 0], broken[200] = np.nan, np.inf
    array[100, 0], array[200] = 0, 0
    source: Any = converted(ArraySource(broken, 44100), 48000, 2)
    got = source.read(10_000)
    assert source.silenced_samples == 3
    assert np.array_equal(got, converted(ArraySource(array, 44100), 48000, 2).read(10_000))


@pytest.mark.parametrize(
    ("old", "new", "channels"),
    [(44100, 48000, 2), (100, 48000, 1), (100, 768_000, 2), (8000, 96_000, 64)],
)
def test_one_conversion_step_makes_a_bounded_number_of_samples(
    old: int, new: int, channels: int
) -> None:
    asked = []

    class Noted(ArraySource):
        def read(self, max_frames: int) -> np.ndarray[Any, np.dtype[np.float32]]:
            asked.append(max_frames)
            return super().read(max_frames)

    array = noise(200, channels)
    got = converted(Noted(array, old), new, channels).read(10_000)
    assert all(1 <= frames * new / old * channels <= 2**18 for frames in asked)
    expected = soxr.resample(array, old, new, "HQ")[: len(got)]
    np.testing.assert_allclose(got, expected, atol=1e-6)


# ---- loops and the caller's own sources -------------------------------------------------------


@pytest.mark.parametrize(("old", "new"), [(44100, 48000), (48000, 44100), (8000, 48000)])
@pytest.mark.parametrize("frames", [1, 7, 1001, 30_000])
def test_a_looped_source_is_converted_as_one_signal(old: int, new: int, frames: int) -> None:
    array = noise(frames, 2)
    loops = max(3, 5000 // frames)
    looped = converted(LoopedSource(ArraySource(array, old), loops), new, 2)
    expected = converted(ArraySource(np.tile(array, (loops, 1)), old), new, 2)
    assert looped.frames == expected.frames == (2 * frames * loops * new + old) // (2 * old)
    assert np.array_equal(read_all(looped, [1000, 17]), read_all(expected, [5000]))


class Counting(ArraySource):
    """Counts reads and rewinds, and may have an unknown length."""

    def __init__(self, *args: Any, known: bool = True) -> None:
        super().__init__(*args)
        self.calls = 0
        if not known:
            self.frames = None

    def read(self, max_frames: int) -> np.ndarray[Any, np.dtype[np.float32]]:
        self.calls += 1
        return super().read(max_frames)

    def seek(self, frame: int) -> None:
        self.calls += 1
        super().seek(frame)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("frames", [1, 3000])
def test_a_short_source_is_held_in_memory(frames: int, known: bool) -> None:
    array = noise(frames, 2)
    source = Counting(array, 48000, known=known)
    looped = LoopedSource(source, 0)
    assert looped.frames is None
    got = looped.read(100_000)
    assert source.calls < 10
    assert np.array_equal(got, np.resize(array, (100_000, 2)))
    assert np.array_equal(looped.read(5), np.resize(np.roll(array, -(100_000 % frames), 0), (5, 2)))


def test_a_long_source_is_not_held_in_memory() -> None:
    array = noise(600_000, 2)
    source = Counting(array, 48000)
    looped = LoopedSource(source, 3)
    got = read_all(looped, [50_000])
    assert source.calls > 36
    assert np.array_equal(got, np.tile(array, (3, 1)))
    for frame in (0, 599_999, 600_000, 1_799_999, 1_800_000):
        looped.seek(frame)
        assert np.array_equal(looped.read(9), got[frame : frame + 9])


def test_frames_before_an_error_are_returned_when_converting() -> None:
    class Failing(ArraySource):
        def read(self, max_frames: int) -> np.ndarray[Any, np.dtype[np.float32]]:
            block = super().read(max_frames)
            if not len(block):
                raise OSError("the disk failed")
            return block

    sound = noise(20_000, 1)
    source = converted(Failing(sound, 48_000), 24_000, 1)
    whole = read_all(converted(ArraySource(sound, 48_000), 24_000, 1), [1000])
    blocks = [source.read(999) for _ in range(11)]
    assert np.array_equal(np.concatenate(blocks), whole)
    for _ in range(2):
        with pytest.raises(OSError, match="the disk failed"):
            source.read(999)


def test_frames_before_an_error_are_returned_when_looping() -> None:
    class Failing(Counting):
        def read(self, max_frames: int) -> np.ndarray[Any, np.dtype[np.float32]]:
            block = super().read(min(10, max_frames))
            if not len(block):
                raise FileTruncatedError("no more", frames=25)
            return block

    looped = LoopedSource(Failing(noise(25, 1), 48000), 3)
    assert np.array_equal(looped.read(1000), noise(25, 1))
    with pytest.raises(FileTruncatedError):
        looped.read(1000)


class Own:
    """A source that returns the given blocks."""

    samplerate, channels, frames = 48000, 2, None

    def __init__(self, block: Any, **attributes: Any) -> None:
        self.block = block
        vars(self).update(attributes)

    def read(self, max_frames: int) -> Any:
        return self.block

    def seek(self, frame: int) -> None: ...

    def close(self) -> None: ...


@pytest.mark.parametrize(
    ("block", "channels", "shape"),
    [
        (np.ones((5, 2)), 2, (5, 2)),
        (np.ones(5, np.float32), 1, (5, 1)),
        (np.ones((2, 5), np.float32).T, 2, (5, 2)),
        (np.ones((10, 4), np.float32)[::2, ::2], 2, (5, 2)),
    ],
    ids=["float64", "1-D", "a transposed view", "strides"],
)
def test_blocks_of_a_callers_source_that_are_taken(
    block: Any, channels: int, shape: tuple[int, int]
) -> None:
    got = as_source(Own(block, channels=channels)).read(100)
    assert (got.dtype, got.shape, got.flags.c_contiguous) == (np.float32, shape, True)
    assert (got == 1).all()


@pytest.mark.parametrize(
    ("block", "error", "words"),
    [
        ([[0.0, 0.0]], ArgumentTypeError, "returned a list; return float32"),
        (None, ArgumentTypeError, "returned a NoneType"),
        (np.zeros((5, 2), np.int16), ArgumentTypeError, "dtype int16"),
        (np.zeros((5, 2), complex), ArgumentTypeError, "dtype complex128"),
        (np.zeros(10, np.float32), ArgumentError, r"shape \(10,\)"),
        (np.zeros((2, 5), np.float32), ArgumentError, "transposed: use .T"),
        (np.zeros((5, 3), np.float32), ArgumentError, r"shape \(5, 3\)"),
        (np.zeros((101, 2), np.float32), ArgumentError, "n at most 100"),
    ],
)
def test_blocks_of_a_callers_source_that_are_refused(
    block: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=rf"Own\.read\(100\) .*{words}"):
        as_source(Own(block)).read(100)


@pytest.mark.parametrize(
    ("attributes", "error", "words"),
    [
        ({"samplerate": "48000"}, ArgumentTypeError, "Own.samplerate"),
        ({"samplerate": 0}, ArgumentError, "Own.samplerate"),
        ({"channels": 2.5}, ArgumentTypeError, "Own.channels"),
        ({"channels": 0}, ArgumentError, "Own.channels"),
        ({"frames": 1.5}, ArgumentTypeError, "Own.frames"),
        ({"frames": -1}, ArgumentTypeError, "Own.frames"),
        ({"close": None}, ArgumentTypeError, "no method 'close'"),
    ],
)
def test_a_callers_source_with_odd_attributes(
    attributes: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        as_source(Own(None, **attributes))


def test_a_truncated_file_is_converted_to_its_end_and_then_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(10_000, 2), 44100, subtype="FLOAT")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) - 8 * 4000])
    source = converted(as_source(path), 48000, 2)
    expected = soxr.resample(noise(10_000, 2)[:6000], 44100, 48000)
    assert np.array_equal(source.read(20_000), expected)
    for _ in range(2):
        with pytest.raises(FileTruncatedError) as caught:
            source.read(1)
        assert caught.value.frames == 6000
    source.close()


@pytest.mark.parametrize("quality", ["best", "", None, 4])
def test_bad_quality(quality: Any) -> None:
    with pytest.raises(ArgumentError, match="possible are QQ, LQ, MQ, HQ, VHQ"):
        converted(ArraySource(noise(3, 1), 48000), 44100, 1, quality=quality)


@pytest.mark.parametrize("rate", [48000, 44100])
def test_bad_calls_and_close(rate: int) -> None:
    source: Any = converted(ArraySource(noise(30, 1), 48000), rate, 2)
    for bad in (0, -1):
        with pytest.raises(ArgumentError, match="max_frames"):
            source.read(bad)
    with pytest.raises(ArgumentTypeError, match="max_frames"):
        source.read(1.5)
    for bad in (-1, 31):
        with pytest.raises(ArgumentError, match="use 0 to"):
            source.seek(bad)
    with source:
        pass
    source.close()
    with pytest.raises(StreamClosedError):
        source.read(1)
    with pytest.raises(StreamClosedError):
        source.seek(0)
