"""The device channels of a stream, given by a number or a list. Ambiguous lists are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import voicecoil as vc
from coded import assert_coded, coded
from driver_contract import CodedOutput
from losing import came_back, two_devices, unplug
from rig import Rig
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver

LAYOUTS = ["interleaved", "planar", "split"]


def device(**shape: Any) -> tuple[VirtualDevice, VirtualDriver]:
    shape = {"output_channels": 6, "stereo_channels": (4, 1), **shape}
    virtual = VirtualDevice(clock="stepped", frames=64, poison=True, **shape)
    virtual.capture()
    return virtual, VirtualDriver([virtual])


def heard_of(channels: Any, shape: dict[str, Any], **options: Any) -> Any:
    """Plays 4 coded cycles. Returns the output of the device from the first content on, and the
    callback.
    """
    virtual, driver = device(**shape)
    callback = CodedOutput()
    with vc.OutputStream(callback, driver=driver, channels=channels, **options) as stream:
        virtual.step(4 + stream.lead_frames // 64)
        stream.abort()
    heard = virtual.heard()[: 4 * 64]
    assert len(heard) == 256
    return heard, stream


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("latency", ["safe", "low", 0.01])
def test_a_number_goes_to_the_stereo_pair_or_to_the_first_channels(
    layout: str, latency: Any
) -> None:
    wanted = {
        1: [(4, 0), (1, 0)],
        2: [(4, 0), (1, 1)],
        None: [(4, 0), (1, 1)],
        3: [(0, 0), (1, 1), (2, 2)],
        6: [(channel, channel) for channel in range(6)],
    }
    for channels, pairs in wanted.items():
        heard, stream = heard_of(channels, {"layout": layout}, latency=latency)
        assert stream.channels == len({made for _, made in pairs})
        expected = np.zeros((256, 6), np.float32)
        for place, made in pairs:
            expected[:, place] = coded(0, 256, stream.channels)[:, made]
        assert np.array_equal(heard, expected)


@pytest.mark.parametrize(
    ("shape", "places"),
    [
        ({"stereo_channels": (0, 0)}, [0, 1]),
        ({"stereo_channels": (7, 0)}, [0, 1]),
        ({"stereo_channels": (-1, 2)}, [0, 1]),
        ({"output_channels": 1}, [0]),
    ],
)
def test_a_pair_that_the_device_does_not_have_is_the_first_two(
    shape: dict[str, Any], places: list[int]
) -> None:
    heard, stream = heard_of(1, shape)
    assert stream.channels == 1
    assert np.flatnonzero(heard.any(axis=0)).tolist() == places
    for place in places:
        assert_coded(heard[:, [place]])


@pytest.mark.parametrize("latency", ["safe", "low"])
def test_a_list_says_which_channels(latency: Any) -> None:
    heard, stream = heard_of([3], {}, latency=latency)
    assert stream.channels == 1
    assert_coded(heard[:, [3]])
    assert not np.delete(heard, 3, axis=1).any()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("blocksize", [None, 16, 48])
@pytest.mark.parametrize("arrays", ["numpy", "memoryview"])
def test_zero_copy_lends_the_first_of_the_pair(layout: str, blocksize: Any, arrays: Any) -> None:
    virtual, driver = device(layout=layout)
    position = 0

    def callback(block: vc.Block) -> None:
        nonlocal position
        assert block.output.shape == (block.frames, 1)
        for frame, value in enumerate(coded(position, block.frames, 1)[:, 0]):
            block.output[frame, 0] = value
        position += block.frames

    with vc.OutputStream(
        callback, driver=driver, channels=1, blocksize=blocksize, zero_copy=True, arrays=arrays
    ) as stream:
        virtual.step(6)
        stream.abort()
        copied = stream.statistics().copied_blocks
    heard = virtual.heard()
    assert_coded(heard[:, [4]])
    assert np.array_equal(heard[:, 4], heard[:, 1])
    assert not heard[:, [0, 2, 3, 5]].any()
    packed = layout == "interleaved" and arrays == "memoryview"
    assert (copied > 0) == (packed or blocksize == 48)


def test_a_single_channel_of_a_duplex_stream_is_heard_on_both() -> None:
    virtual, driver = device(input_channels=6)
    with vc.Stream(
        CodedOutput(), driver=driver, input_channels=[5], output_channels=1, latency="low"
    ) as stream:
        assert stream.channels == (1, 1)
        virtual.step(4)
        stream.abort()
    heard = virtual.heard()
    assert_coded(heard[:, [4]])
    assert np.array_equal(heard[:, 4], heard[:, 1])


def test_input_and_output_channels_of_a_duplex_stream() -> None:
    virtual, driver = device(input_channels=6)
    seen: list[Any] = []
    position = 0

    def callback(block: vc.Block) -> None:
        nonlocal position
        seen.append(block.input.copy())
        block.output[:] = coded(position, *block.output.shape)
        position += block.frames

    with vc.Stream(
        callback, driver=driver, input_channels=[3, 2], output_channels=[2, 3], latency="low"
    ) as stream:
        virtual.step(6)
        stream.abort()
    round_trip = sum(latency.frames for latency in stream.latency)
    assert_coded(virtual.heard()[:, [2, 3]])
    assert_coded(np.concatenate(seen)[round_trip:, ::-1])


@pytest.mark.parametrize(
    ("channels", "expected"), [(None, (6, 2)), (1, (1, 1)), (5, (5, 5)), (([5], [3, 0]), (1, 2))]
)
def test_one_number_is_for_both_directions(channels: Any, expected: tuple[int, int]) -> None:
    _, driver = device(input_channels=6)
    with vc.Stream(lambda block: None, driver=driver, channels=channels) as stream:
        assert stream.channels == expected
        stream.abort()


@pytest.mark.parametrize("channels", [[2, 3], (2, 3)])
def test_a_list_with_two_meanings_shows_both(channels: Any) -> None:
    _, driver = device(input_channels=6)
    with pytest.raises(vc.ArgumentError) as caught:
        vc.Stream(lambda block: None, driver=driver, channels=channels)
    for reading in (
        "(input_channels=2, output_channels=3)",
        "(input_channels=[2, 3], output_channels=[2, 3])",
    ):
        assert reading in str(caught.value)


# ---- another device ------------------------------------------------------------------------------


@pytest.mark.parametrize("latency", ["safe", "low"])
def test_another_device_has_a_pair_of_its_own(latency: Any) -> None:
    one, two, driver = two_devices()
    one.output_channels, two.output_channels = 1, 4
    two.stereo_channels = (3, 2)
    one.capture()
    two.capture()
    with vc.OutputStream(
        CodedOutput(), driver=driver, channels=1, on_device_lost="default", latency=latency
    ) as stream:
        one.step(2 + stream.lead_frames // 64)
        unplug(one)
        came_back(stream)
        two.step(2)
        stream.abort()
    assert_coded(one.heard()[-128:])
    heard = two.heard()
    assert_coded(heard[:, [2]], 128)
    assert np.array_equal(heard[:, 2], heard[:, 3])
    assert not heard[:, :2].any()


# ---- play, record and render ---------------------------------------------------------------------


def test_play_record_and_render_take_the_same_list(rig: Rig) -> None:
    take = rig.record(channels=[1])
    playback = rig.play(coded(0, 256, 1), 48_000, channels=[1])
    rig.play_out(playback)
    recorded = take.stop()
    assert_coded(rig.heard[:, [1]])
    assert not rig.heard[:, 0].any()
    assert recorded.shape[1] == 1
    content = recorded[recorded.any(axis=1)]
    assert_coded(content)
    rendered = vc.render(CodedOutput(), frames=256, channels=[1], blocksize=64)
    assert np.array_equal(rendered, rig.heard)


def test_sounds_with_different_lists_play_at_the_same_time(rig: Rig) -> None:
    one = rig.play(np.full((128, 1), 0.5, np.float32), 48_000, channels=[1])
    two = rig.play(np.full((128, 1), 0.25, np.float32), 48_000)
    three = rig.play(np.full((128, 1), 0.25, np.float32), 48_000, channels=[1])
    assert one._output is three._output
    assert one._output is not two._output
    rig.play_out(three)
    rig.play_out(two)
    assert rig.heard[0].tolist() == [0.25, 1.0]


def test_a_mono_mix_is_heard_on_both_sides(rig: Rig) -> None:
    sound = np.repeat(np.float32([[0.5, 0.25]]), 128, axis=0)
    rig.play_out(rig.play(sound, 48_000, channels=1))
    assert (rig.heard == 0.375).all()


@pytest.mark.parametrize(("channels", "shape"), [(1, 1), ([0], 1), ([3, 1], 4), (range(2, 4), 4)])
def test_a_rendering_has_the_channels_up_to_the_highest(channels: Any, shape: int) -> None:
    sound = vc.render(CodedOutput(), frames=100, channels=channels, blocksize=50)
    assert sound.shape == (100, shape)
    listed = [0] if channels == 1 else list(channels)
    assert_coded(sound[:, listed])
    assert not np.delete(sound, listed, axis=1).any()


def test_an_iterator_of_channels_is_read_once() -> None:
    driver = VirtualDriver([VirtualDevice("A", clock="stepped")])
    with vc.Stream(
        lambda block: None,
        driver=driver,
        input_channels=iter([1]),  # type: ignore[arg-type]
        output_channels=iter([1, 0]),  # type: ignore[arg-type]
    ) as stream:
        assert stream.channels == (1, 2)
        assert stream.settings["input_channels"].requested == (1,)
        assert stream.settings["output_channels"].requested == (1, 0)
        stream.abort()
