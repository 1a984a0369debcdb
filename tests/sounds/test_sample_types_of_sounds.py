"""The argument `dtype` of recordings and renderings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import voicecoil as vc
from rig import Rig, until
from voicecoil.errors import OutOfMemoryError


@pytest.mark.parametrize("dtype", ["int16", "int32", "uint8", np.int16])
def test_a_recording_is_an_array_of_that_type(rig: Rig, tmp_path: Path, dtype: Any) -> None:
    sound = np.random.default_rng(3).uniform(-1.2, 1.2, (640, 2)).astype(np.float32)
    takes = [rig.record(dtype=dtype), rig.record()]
    rig.play_out(rig.play(sound, 48_000))
    integers, floats = (take.stop() for take in takes)
    assert integers.dtype == dtype
    assert integers.shape == floats.shape
    assert np.count_nonzero(abs(floats) > 1) > 50
    if np.dtype(dtype) != np.uint8:
        subtype = {"int16": "PCM_16", "int32": "PCM_32"}[np.dtype(dtype).name]
        soundfile.write(tmp_path / "a.wav", floats, 48_000, subtype)
        assert np.array_equal(integers, soundfile.read(tmp_path / "a.wav", dtype=integers.dtype)[0])
    else:
        assert np.array_equal(integers, np.clip(np.floor(floats * 128.0) + 128, 0, 255))
    assert takes[0].clipped_samples == np.count_nonzero(abs(floats) > 1)
    assert takes[0].wait() is integers
    assert takes[0].clipped_samples == np.count_nonzero(abs(floats) > 1)
    assert takes[1].clipped_samples == 0


def test_clipped_samples_are_counted_during_the_recording(rig: Rig) -> None:
    """Before the fix, the count was 0 until the end."""
    take = rig.record(dtype="int16")
    rig.play(np.full(640, 1.5, np.float32), 48_000, channels=[0])
    rig.step(9)
    until(lambda: take.clipped_samples == 9 * 64 - 128)
    assert take.recording
    rig.step(10)
    take.stop()
    assert take.clipped_samples == 640


@pytest.mark.parametrize("dtype", ["float32", "int16"])
def test_a_recording_beyond_the_memory_is_a_typed_error(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, dtype: str
) -> None:
    """Before the fix, `stop` raised a MemoryError of NumPy."""
    take = rig.record(dtype=dtype)
    rig.step(5)
    until(lambda: take._writer.written == 320)

    def exhausted(*args: Any, **options: Any) -> Any:
        raise MemoryError

    with monkeypatch.context() as context, pytest.raises(OutOfMemoryError, match="not enough"):
        context.setattr(np, "empty", exhausted)
        take.stop()
    assert take.stop().shape == (320, 2), "the frames are kept"


def test_an_empty_recording_has_the_type_too(rig: Rig) -> None:
    assert rig.record(dtype="int16").stop().dtype == np.int16


def test_a_rendering_of_int16_blocks() -> None:
    def callback(block: vc.Block) -> None:
        assert block.output.dtype == np.int16
        block.output[:] = -8_192

    sound = vc.render(callback, frames=100, blocksize=64, dtype="int16")
    assert sound.dtype == np.float32
    assert (sound == -0.25).all()


def test_types_that_cannot_be(rig: Rig, tmp_path: Path) -> None:
    with pytest.raises(vc.ArgumentError, match=r'is for arrays; .* "PCM_16"'):
        rig.record(tmp_path / "a.wav", dtype="int16")
    with pytest.raises(vc.ArgumentError, match='possible are "float32"'):
        rig.record(dtype="int8")
    with pytest.raises(vc.ArgumentError, match="a mixer works with float32"):
        vc.render(vc.Clip(np.zeros(10, np.float32)), frames=10, dtype="int16")
