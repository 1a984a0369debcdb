"""Channel mapping, which decides the source channel for each channel of the result."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicecoil.errors import ArgumentError, ArgumentTypeError
from voicecoil.files.channels import MAX_CHANNELS, apply, mix_matrix

COUNTS = st.integers(1, 12)


def coded(frames: int, channels: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Returns samples with the value frame + channel / 64, which encodes their position."""
    return (np.arange(frames)[:, None] + np.arange(channels) / 64).astype(np.float32)


@given(COUNTS)
def test_equal_counts_return_the_very_array(channels: int) -> None:
    frames = coded(5, channels)
    assert apply(frames, mix_matrix(channels, channels)) is frames


@given(COUNTS)
def test_mono_goes_to_all(channels: int) -> None:
    frames = coded(5, 1)
    assert np.array_equal(apply(frames, mix_matrix(1, channels)), np.repeat(frames, channels, 1))


@given(st.integers(2, 12))
def test_mono_is_the_mean_of_all(channels: int) -> None:
    frames = coded(5, channels)
    mono = apply(frames, mix_matrix(channels, 1))
    assert mono.dtype == np.float32
    np.testing.assert_allclose(mono, frames.mean(axis=1, keepdims=True), rtol=1e-6)


def test_stereo_to_mono_is_exact() -> None:
    frames = np.array([[1.0, 0.0], [1.0, 1.0], [-0.5, 0.25]], dtype=np.float32)
    assert apply(frames, mix_matrix(2, 1)).tolist() == [[0.5], [1.0], [-0.125]]


@given(st.integers(2, 12), st.integers(1, 12))
def test_upmix_adds_silent_channels(sources: int, more: int) -> None:
    frames = coded(5, sources)
    mixed = apply(frames, mix_matrix(sources, sources + more))
    assert np.array_equal(mixed[:, :sources], frames)
    assert not mixed[:, sources:].any()


@given(st.integers(2, 12), st.integers(1, 12))
def test_downmix_never_gets_louder(targets: int, more: int) -> None:
    gains = mix_matrix(targets + more, targets)
    assert isinstance(gains, np.ndarray)
    assert (gains >= 0).all()
    np.testing.assert_allclose(gains.sum(axis=1), 1.0, rtol=1e-6)


def test_centre_of_surround_is_heard_on_both_sides_and_lfe_on_none() -> None:
    gains = mix_matrix(6, 2)
    assert isinstance(gains, np.ndarray)
    assert gains[0, 2] == gains[1, 2] > 0
    assert not gains[:, 3].any()
    assert gains[0, 1] == gains[1, 0] == 0


def test_other_downmixes_average_every_mth_channel() -> None:
    gains = mix_matrix(5, 3)
    assert isinstance(gains, np.ndarray)
    assert gains.tolist() == [[0.5, 0, 0, 0.5, 0], [0, 0.5, 0, 0, 0.5], [0, 0, 1, 0, 0]]


@given(st.data())
def test_index_maps_move_bits(data: st.DataObject) -> None:
    sources = data.draw(COUNTS)
    mapping = data.draw(
        st.lists(st.one_of(st.none(), st.integers(0, sources - 1)), min_size=1, max_size=12)
    )
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    bits = random.integers(0, 2**32, (7, sources), dtype=np.uint32)  # all bit patterns, also NaN
    mixed = apply(bits.view(np.float32), mix_matrix(sources, len(mapping), mapping))
    assert mixed.shape == (7, len(mapping))
    for target, source in enumerate(mapping):
        expected = np.zeros(7, np.uint32) if source is None else bits[:, source]
        got = np.ascontiguousarray(mixed[:, target]).view(np.uint32)
        assert np.array_equal(got, expected), (target, source)


def test_a_matrix_that_only_selects_becomes_an_index_map() -> None:
    assert mix_matrix(2, 3, [[0, 1], [0, 0], [1.0, 0]]) == (1, None, 0)


@given(st.data())
def test_a_frame_comes_out_the_same_in_any_block(data: st.DataObject) -> None:
    sources, targets = data.draw(COUNTS), data.draw(COUNTS)
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    mix = mix_matrix(sources, targets, random.normal(size=(targets, sources)))
    frames = random.normal(size=(50, sources)).astype(np.float32)
    cut = data.draw(st.integers(0, 50))
    parts = np.concatenate([apply(frames[:cut], mix), apply(frames[cut:], mix)])
    assert np.array_equal(apply(frames, mix), parts)


def test_a_channel_of_nan_with_gain_zero_has_no_effect() -> None:
    frames = np.array([[np.nan, 1.0]], dtype=np.float32)
    mixed = apply(frames, mix_matrix(2, 2, [[0.0, 0.5], [0.5, 0.5]]))
    assert mixed[0, 0] == 0.5
    assert np.isnan(mixed[0, 1])


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((0, 1), ArgumentError, "source_channels is 0; use 1 to"),
        ((1, MAX_CHANNELS + 1), ArgumentError, "target_channels"),
        ((1, 10**9), ArgumentError, "1000000000"),
        ((2.0, 1), ArgumentTypeError, "integer"),
        ((True, 1), ArgumentTypeError, "True"),
        ((2, 2, [0]), ArgumentError, "1 entry for 2 target channels"),
        ((2, 2, [0, 2]), ArgumentError, r"mapping\[1\] is 2; give .*0 to 1"),
        ((2, 2, [0, -1]), ArgumentError, "-1"),
        ((2, 2, [0, 0.5]), ArgumentTypeError, "0.5"),
        ((2, 2, [0, True]), ArgumentTypeError, "True"),
        ((2, 2, "01"), ArgumentTypeError, "'01'"),
        ((2, 2, 7), ArgumentTypeError, "7"),
        ((2, 2, [[1, 0]]), ArgumentError, r"shape \(1, 2\)"),
        ((2, 2, [[1, 0], [1]]), ArgumentError, "different lengths"),
        ((2, 1, [[np.nan, 1]]), ArgumentError, "finite"),
        ((2, 1, [[1e300, 1]]), ArgumentError, "finite"),
        ((2, 1, [[1j, 1]]), ArgumentTypeError, "complex"),
    ],
)
def test_bad_input_is_named(arguments: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        mix_matrix(*arguments)


@pytest.mark.parametrize("mix", [(0, 2), mix_matrix(3, 1)])
def test_frames_that_do_not_fit_the_mix(mix: Any) -> None:
    with pytest.raises(ArgumentError, match="2 channels"):
        apply(coded(3, 2), mix)


def test_frames_without_channels() -> None:
    with pytest.raises(ArgumentError, match="reshape"):
        apply(np.zeros(3, np.float32), (0,))
