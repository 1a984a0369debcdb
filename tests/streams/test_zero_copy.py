"""Callbacks that get the device's own buffers, and references that outlive their block."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import voicecoil as vc
from coded import assert_coded, coded
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver


def device(**shape: Any) -> tuple[VirtualDevice, VirtualDriver]:
    virtual = VirtualDevice(clock="stepped", frames=64, poison=True, **shape)
    virtual.capture()
    return virtual, VirtualDriver([virtual])


@pytest.mark.parametrize("layout", ["interleaved", "planar", "split"])
@pytest.mark.parametrize("pattern", [(), (64, 1, 33)])
def test_sound_is_right_in_every_layout(layout: str, pattern: tuple[int, ...]) -> None:
    virtual, driver = device(layout=layout, pattern=pattern)
    position = 0

    def callback(block: vc.Block) -> None:
        nonlocal position
        block.output[:] = coded(position, *block.output.shape)
        # The flags and strides of the arrays must be correct, because these operations depend on
        # them.
        assert np.array_equal(np.ascontiguousarray(block.output), coded(position, block.frames, 2))
        assert np.array_equal(block.output.ravel(), coded(position, block.frames, 2).ravel())
        assert np.array_equal(block.output.T.copy().T, coded(position, block.frames, 2))
        position += block.frames

    with vc.OutputStream(callback, driver=driver, zero_copy=True) as stream:
        virtual.step(10)
        stream.abort()
        copied = stream.statistics().copied_blocks
    assert_coded(virtual.heard())
    assert len(virtual.heard()) == position
    assert copied == (10 if layout == "split" else 0), "no array describes split buffers"


def test_the_memory_is_the_devices() -> None:
    virtual, driver = device()
    addresses = []

    def callback(block: vc.Block) -> None:
        addresses.append(block.output.ctypes.data)

    with vc.OutputStream(callback, driver=driver, zero_copy=True) as stream:
        virtual.step(4)
        stream.abort()
    assert addresses[0] == addresses[2] != addresses[1] == addresses[3], (
        "the device uses two buffers in turn"
    )


@pytest.mark.parametrize(
    "keep",
    [
        lambda block: block.output,
        lambda block: block.output[3:5],
        lambda block: block.output[:, 0],
        lambda block: block.output.reshape(-1),
        lambda block: memoryview(block.output),
        lambda block: block.input,
        lambda block: block.input[::2],
    ],
)
def test_an_escaped_reference_is_found(keep: Any) -> None:
    virtual, driver = device()
    kept = []
    stream = vc.Stream(lambda block: kept.append(keep(block)), driver=driver, zero_copy=True)
    stream.start()
    virtual.step(3)
    with pytest.raises(vc.EscapedBlockError, match=r"\.copy\(\)"):
        stream.wait(5)
    assert len(kept) == 1
    stream.close()


@pytest.mark.parametrize("keep", [lambda block: block.output, lambda block: block.output.cast("B")])
def test_an_escaped_memoryview_is_found(keep: Any) -> None:
    virtual, driver = device()
    kept = []
    stream = vc.OutputStream(
        lambda block: kept.append(keep(block)), driver=driver, zero_copy=True, arrays="memoryview"
    )
    stream.start()
    virtual.step(3)
    with pytest.raises(vc.EscapedBlockError):
        stream.wait(5)
    stream.close()


def test_a_copy_may_be_kept_and_the_block_itself_too() -> None:
    virtual, driver = device()
    kept: list[Any] = []

    def callback(block: vc.Block) -> None:
        block.output[:] = 0.5
        kept.append(block.output.copy())
        kept.append(block)

    with vc.OutputStream(callback, driver=driver, zero_copy=True) as stream:
        virtual.step(3)
        stream.abort()
    assert (kept[0] == 0.5).all()
    assert not kept[1].output.any(), (
        "outside of a call the block refers to silent memory of the stream"
    )


def test_outside_of_a_call_a_kept_block_shows_the_streams_own_memory() -> None:
    virtual, driver = device()
    inside: set[int] = set()
    kept: list[vc.Block] = []

    def callback(block: vc.Block) -> None:
        inside.update((block.input.ctypes.data, block.output.ctypes.data))
        kept.append(block)

    with vc.Stream(callback, driver=driver, zero_copy=True) as stream:
        virtual.step(4)
        stream.abort()
        outside = {kept[0].input.ctypes.data, kept[0].output.ctypes.data}
    assert len(inside) == 4, "the device has two buffers of each direction"
    assert len(outside) == 2
    assert not inside & outside


def test_memoryview_in_the_devices_memory() -> None:
    virtual, driver = device(pattern=(64, 7))

    def callback(block: vc.Block) -> None:
        assert block.output.shape == (block.frames, 2)
        assert block.output.nbytes == block.frames * 8
        for frame in range(block.frames):
            block.output[frame, 0] = 0.5
        np.asarray(block.output)[:, 1] = 0.25

    with vc.OutputStream(callback, driver=driver, zero_copy=True, arrays="memoryview") as stream:
        virtual.step(4)
        stream.abort()
        assert stream.statistics().copied_blocks == 0
    heard = virtual.heard()
    assert len(heard) == 142
    assert (heard == [0.5, 0.25]).all()


@pytest.mark.parametrize("part", [slice(None), slice(10)], ids=["all of it", "a slice"])
def test_an_exception_takes_no_view_along_in_its_frames(part: slice) -> None:
    virtual, driver = device()

    def inner(block: vc.Block) -> None:
        local = block.output[part]
        raise ValueError(local.shape)

    def callback(block: vc.Block) -> None:
        whole = block.output
        try:
            inner(block)
        except ValueError as error:
            raise KeyError(whole.shape) from error

    stream = vc.OutputStream(callback, driver=driver, zero_copy=True)
    stream.start()
    virtual.step(2)
    with pytest.raises(KeyError, match="64, 2") as caught:
        stream.wait(5)
    stream.close()
    error = caught.value
    assert not hasattr(error, "__notes__")
    assert isinstance(error.__context__, ValueError)
    frames = [
        entry.frame
        for chain in (error, error.__context__)
        for entry in pytest.ExceptionInfo.from_exception(chain).traceback
        if entry.name in ("callback", "inner")
    ]
    assert len(frames) == 3
    assert not any(frame.f_locals for frame in frames)


def test_exceptions_that_lead_back_to_themselves_are_followed_once() -> None:
    virtual, driver = device()

    def callback(block: vc.Block) -> None:
        local = block.output[:10]
        error, other = ValueError(local.shape), KeyError()
        error.__context__, other.__context__ = other, error
        raise error

    stream = vc.OutputStream(callback, driver=driver, zero_copy=True)
    stream.start()
    virtual.step(2)
    with pytest.raises(ValueError, match="10, 2"):
        stream.wait(5)
    stream.close()


@pytest.mark.parametrize("keep", [lambda array: array, lambda array: array[:10]])
def test_an_exception_says_that_a_reference_was_kept(keep: Any) -> None:
    virtual, driver = device()
    kept = []

    def callback(block: vc.Block) -> None:
        kept.append(keep(block.output))
        raise ValueError("the callback's own")

    stream = vc.OutputStream(callback, driver=driver, zero_copy=True)
    stream.start()
    virtual.step(2)
    with pytest.raises(ValueError, match="own") as caught:
        stream.wait(5)
    (note,) = caught.value.__notes__
    assert "block.output.copy()" in note
    stream.close()
