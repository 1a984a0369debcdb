"""Blocks with other sample types than float32, in all homes. libsndfile is the reference."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

import voicecoil as vc
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver

SUBTYPES = {"int16": "PCM_16", "int32": "PCM_32", "uint8": "PCM_U8"}
HOMES = pytest.mark.parametrize("latency", ["safe", "low", 0.01])
TYPES = pytest.mark.parametrize("dtype", list(SUBTYPES))


def device(**shape: Any) -> tuple[VirtualDevice, VirtualDriver]:
    virtual = VirtualDevice(clock="stepped", frames=64, poison=True, **shape)
    virtual.capture()
    return virtual, VirtualDriver([virtual])


def written(sound: NDArray[np.float32], dtype: str) -> NDArray[Any]:
    """Returns the samples that libsndfile writes for float samples into a file of type `dtype`."""
    file = io.BytesIO()
    soundfile.write(file, sound, 48_000, SUBTYPES[dtype], format="WAV")
    if dtype == "uint8":
        data = file.getvalue()
        return np.frombuffer(data[-sound.size :], np.uint8).reshape(sound.shape)
    file.seek(0)
    return np.asarray(soundfile.read(file, dtype=dtype, always_2d=True)[0])


def read(sound: NDArray[Any], dtype: str) -> NDArray[np.float32]:
    """Returns the float samples that libsndfile reads from a file that contains `sound`."""
    file = io.BytesIO()
    if dtype == "uint8":
        soundfile.write(file, np.zeros(sound.shape, np.int16), 48_000, "PCM_U8", format="WAV")
        content = bytearray(file.getvalue())
        content[-sound.size :] = sound.tobytes()
        file = io.BytesIO(content)
    else:
        soundfile.write(file, sound, 48_000, SUBTYPES[dtype], format="WAV")
    file.seek(0)
    return np.asarray(soundfile.read(file, dtype="float32", always_2d=True)[0])


def noise(frames: int) -> NDArray[np.float32]:
    """Returns samples of every magnitude, some beyond full scale, and limiting values."""
    random = np.random.default_rng(14)
    sound = random.uniform(-1, 1, (frames, 2)) * 2.0 ** random.integers(-33, 2, (frames, 2))
    sound[:8] = [[1, -1], [1.5, -1.5], [2**-15, -(2**-15)], [2**-16, -(2**-16)]] * 2
    return sound.astype(np.float32)


def whole(dtype: str, frames: int) -> NDArray[Any]:
    """Returns random integers of the type, including the smallest and the largest one."""
    limits = np.iinfo(dtype)
    random = np.random.default_rng(41)
    numbers = random.integers(limits.min, limits.max, (frames, 2), dtype, endpoint=True)
    numbers[:2] = [[limits.min, limits.max], [limits.max, limits.min]]
    return numbers


@HOMES
@TYPES
@pytest.mark.parametrize("arrays", ["numpy", "memoryview"])
def test_output_is_what_libsndfile_reads(latency: Any, dtype: str, arrays: Any) -> None:
    virtual, driver = device()
    numbers = whole(dtype, 64 * 6)
    position = 0

    def callback(block: vc.Block) -> None:
        nonlocal position
        output = np.asarray(block.output)
        assert output.dtype == dtype
        assert (output == (128 if dtype == "uint8" else 0)).all()  # silence
        output[:] = numbers[position : position + block.frames]
        position += block.frames
        if position == len(numbers):
            raise vc.Stop

    with vc.OutputStream(
        callback, driver=driver, dtype=dtype, latency=latency, arrays=arrays
    ) as stream:
        virtual.step(8 + stream.lead_frames // 64)
        assert stream.wait(10)
    assert np.array_equal(virtual.heard()[: len(numbers)], read(numbers, dtype))


@HOMES
@TYPES
def test_input_is_what_libsndfile_writes(latency: Any, dtype: str) -> None:
    virtual, driver = device()
    sound = noise(64 * 8)
    recorded: list[NDArray[Any]] = []
    played = 0

    def play(block: vc.Block) -> None:
        nonlocal played
        block.output[:] = sound[played : played + block.frames]
        played += block.frames

    def record(block: vc.Block) -> None:
        assert block.input.dtype == dtype
        assert not block.input.flags.writeable
        recorded.append(block.input.copy())

    with (
        vc.InputStream(record, driver=driver, dtype=dtype, latency=latency) as take,
        vc.OutputStream(play, driver=driver, latency="low") as stream,
    ):
        virtual.step(8)
        clipped = take.statistics().clipped_samples
        stream.abort()
        take.abort()
    came = np.concatenate(recorded)
    wanted = written(sound, dtype)
    silent = 128 if dtype == "uint8" else 0
    begin = int((came != silent).any(axis=1).argmax())
    assert np.array_equal(came[begin:], wanted[: len(came) - begin])
    assert len(came) - begin >= 256
    assert clipped == np.count_nonzero(abs(sound[: len(came) - begin]) > 1)
    assert take.statistics().clipped_samples == clipped


@pytest.mark.parametrize("pattern", [(64, 1, 33), (7, 64)])
@pytest.mark.parametrize("blocksize", [None, 48, 100])
@pytest.mark.parametrize("arrays", ["numpy", "memoryview"])
def test_blocks_of_every_length(pattern: Any, blocksize: Any, arrays: Any) -> None:
    virtual, driver = device(pattern=pattern)
    numbers = whole("int16", 4_000)
    position = 0

    def callback(block: vc.Block) -> None:
        nonlocal position
        output = np.asarray(block.output)
        assert output.shape == (block.frames, 2)
        assert output.flags.c_contiguous
        output[:] = numbers[position : position + block.frames]
        position += block.frames

    with vc.OutputStream(
        callback, driver=driver, dtype=np.int16, latency="low", blocksize=blocksize, arrays=arrays
    ) as stream:
        virtual.step(30)
        stream.abort()
    heard = virtual.heard()
    assert len(heard) > 600
    assert np.array_equal(heard, read(numbers[: len(heard)], "int16"))


def test_a_stop_a_raise_and_a_mono_stream() -> None:
    virtual, driver = device()

    def callback(block: vc.Block) -> None:
        block.output[:] = 16_384
        raise ValueError("after the output was filled")

    with (
        pytest.raises(ValueError, match="after the output"),
        vc.OutputStream(
            callback, driver=driver, dtype="int16", channels=1, latency="low"
        ) as stream,
    ):
        virtual.step(2)
        stream.wait(10)
    assert not virtual.heard().any()  # a block that failed is silence

    def half(block: vc.Block) -> None:
        assert block.output.shape == (64, 1)
        block.output[:] = 16_384

    with vc.OutputStream(half, driver=driver, dtype="int16", channels=1, latency="low") as stream:
        virtual.step(2)
        stream.abort()
    heard = virtual.heard()
    assert (heard[heard.any(axis=1)] == 0.5).all()


def test_the_byte_order_of_another_machine_is_refused() -> None:
    """Before the fix, the stream was opened, and its blocks had this machine's byte order."""
    other = np.dtype("int16").newbyteorder("S")
    with pytest.raises(vc.ArgumentError, match=r'byte order of another machine.*give "int16"'):
        vc.Stream(lambda block: None, driver=device()[1], dtype=other)
    with pytest.raises(vc.ArgumentError, match="byte order of another machine"):
        vc.record(driver=device()[1], dtype=other)


@pytest.mark.parametrize("dtype", [np.int16, np.dtype("int16"), "int16"])
def test_a_type_is_a_name_or_numpys(dtype: Any) -> None:
    virtual, driver = device()
    kinds = set()
    with vc.Stream(
        lambda block: kinds.update({block.input.dtype, block.output.dtype}),
        driver=driver,
        dtype=dtype,
        latency="low",
    ) as stream:
        virtual.step(1)
        stream.abort()
    assert kinds == {np.dtype("int16")}
