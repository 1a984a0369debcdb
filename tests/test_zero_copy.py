"""The device's own buffers in the callback, and what happens to who keeps them."""

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
        # What NumPy believes of the memory must be true: these go by its flags and strides.
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
    assert addresses[0] == addresses[2] != addresses[1] == addresses[3], "two buffers in turn"


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
    assert not kept[1].output.any(), "outside of a call it is the stream's own silent memory"


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


def test_exception_with_the_array_in_its_frame() -> None:
    virtual, driver = device()

    def callback(block: vc.Block) -> None:
        local = block.output
        raise ValueError(local.shape)

    stream = vc.OutputStream(callback, driver=driver, zero_copy=True)
    stream.start()
    virtual.step(2)
    with pytest.raises(ValueError, match="64, 2") as caught:
        stream.wait(5)
    stream.close()
    local = caught.traceback[-1].locals["local"]
    assert not np.isnan(local).any(), "it shows the stream's own memory, not the device's"
