"""Streams on devices whose samples are integers that CoreAudio does not mix."""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import voicecoil as vc
from coded import assert_coded, coded
from coreaudio import SteppedCoreAudio, Worlds
from natives import Tally, function
from voicecoil import hal

# Name of the simulator, bits.
LAYOUTS = {
    "i16": 16,
    "i24": 24,
    "i24/32": 24,
    "i24/32l": 24,
    "i32": 32,
    "i16b": 16,
    "i24b": 24,
    "i32b": 32,
}
USB = "USBDuplex:1"
needs_3_12 = pytest.mark.skipif(
    sys.version_info < (3, 12), reason="isolated=True needs Python 3.12"
)


def numbers(first: int, frames: int, channels: int, dtype: str) -> NDArray[Any]:
    """Index-coded integers of both signs, all different in 30,000 samples."""
    index = np.arange(first * channels, (first + frames) * channels).reshape(frames, channels)
    small = (index % 30_000 + 1) * (1 - 2 * (index % 2))
    return (small << (16 if dtype == "int32" else 0)).astype(dtype)


class Numbers:
    """A callback that plays index-coded integers."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self, block: vc.Block) -> None:
        block.output[:] = numbers(self.made, *block.output.shape, str(block.output.dtype))
        self.made += block.frames


def loud(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """The frames from the first to the last one that is no silence."""
    found = np.flatnonzero(frames.any(axis=1))
    return frames[found[0] : found[-1] + 1]


@pytest.mark.parametrize("latency", ["low", "safe"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_integers_arrive_as_they_are(coreaudio: Worlds, layout: str, latency: str) -> None:
    world = coreaudio(devices=[f"uid=it; out=2,3; rates=48000; formats={layout}!"])
    dtype = "int32" if latency == "safe" else "int16"
    play = Numbers()
    with vc.OutputStream(
        play, driver=world.driver, channels=[1, 3, 4], dtype=dtype, latency=latency
    ) as stream:
        world.advance(0.3)
        stream.stop()
    heard = world.device("it").heard()
    assert not heard[:, [0, 2]].any()  # the channels that the stream does not use
    heard = loud(heard[:, [1, 3, 4]])
    wanted = numbers(0, len(heard), 3, "int16") / 32_768
    assert np.array_equal(heard, wanted.astype(np.float32))
    assert len(heard) == play.made if latency == "low" else len(heard) > 4_000


@pytest.mark.parametrize("dtype", ["float32", "int32"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_integers_are_recorded_as_they_are(coreaudio: Worlds, layout: str, dtype: str) -> None:
    """The simulator puts its code into the bits of the layout."""
    world = coreaudio(devices=[f"uid=it; in=1,2; rates=48000; formats={layout}!"])
    blocks: list[NDArray[Any]] = []
    with vc.InputStream(
        lambda block: blocks.append(np.array(block.input)),
        driver=world.driver,
        channels=[0, 2],
        dtype=dtype,
        latency="low",
    ) as stream:
        world.advance(0.2)
        stream.stop()
    got = np.concatenate(blocks).astype(np.float64) * (1 if dtype == "int32" else 2.0**31)
    bits = LAYOUTS[layout]
    code = got.astype(np.int64) >> (32 - bits)
    if bits == 32:  # the lowest 8 of 32 bits are lost in float, and the rest is rounded
        assert np.array_equal(np.diff(got[:, 0] // 256) // 1 >= 0, np.ones(len(got) - 1, bool))
        first = int(got[0, 0]) & 0x3FFFF
        wanted = np.float32((int(got[0, 0]) & ~0x3FFFF) + first + np.arange(len(got)))
        assert np.abs(got[:, 0] - wanted).max() <= 256
        return
    time = code & ((1 << min(bits, 18)) - 1)
    assert (np.diff(time, axis=0) == 1).all()
    assert len(time) > 4_000
    if bits == 24:
        assert (code >> 18 & 0xF == [0, 1]).all()  # the channel in its stream
        assert ((code >> 22 & 3) == [0, 1]).all()  # the stream


@pytest.mark.parametrize("layout", ["i24", "i24/32", "i24/32l", "i24b", "i32"])
def test_float_and_integers_in_both_directions(coreaudio: Worlds, layout: str) -> None:
    """The codes need 24 bits. What is played is recorded, exactly."""
    world = coreaudio(devices=[f"uid=it; in=2; out=2; rates=48000; formats={layout}!; loopback=1"])
    made, blocks = 0, []

    def both(block: vc.Block) -> None:
        nonlocal made
        block.output[:] = coded(made, *block.output.shape)
        made += block.frames
        blocks.append(np.array(block.input))

    with vc.Stream(both, driver=world.driver, latency="low") as stream:
        world.advance(0.3)
        stream.abort()
    heard = loud(np.concatenate(blocks))
    assert len(heard) > 4_000
    assert_coded(heard)


def both_ways(home: str, world: SteppedCoreAudio, library: ctypes.CDLL) -> tuple[int, int, int]:
    """Plays integer-coded frames for 0.3 s and hears them from the loopback of the device.

    Returns how many frames were played, how many came back, and how many samples were wrong.
    """
    if home == "native":
        tally = Tally()
        callback = vc.NativeCallback(function(library, "vc_test_numbers"), tally)
        with vc.Stream(callback, driver=world.driver) as stream:
            world.advance(0.3)
            stream.abort()
        return tally.frames, tally.heard, tally.wrong
    with vc.Stream(
        "isolated_callables:numbers",
        isolated=True,
        driver=world.driver,
        results={"frames": 0, "heard": 0, "wrong": 0},
    ) as stream:
        world.advance(0.3)
        stream.abort()
        return stream.results.frames, stream.results.heard, stream.results.wrong


@pytest.mark.parametrize("home", ["native", pytest.param("isolated", marks=needs_3_12)])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_integers_reach_native_and_isolated_callbacks_as_they_are(
    coreaudio: Worlds, library: ctypes.CDLL, layout: str, home: str
) -> None:
    world = coreaudio(devices=[f"uid=it; in=2; out=2; rates=48000; formats={layout}!; loopback=1"])
    played, came_back, wrong = both_ways(home, world, library)
    assert wrong == 0
    assert played >= came_back > 4_000
    heard = loud(world.device("it").heard())
    wanted = numbers(0, len(heard), 2, "int16") / 32_768
    assert len(heard) == played
    assert np.array_equal(heard, wanted.astype(np.float32))


def test_samples_beyond_full_scale_are_clipped(coreaudio: Worlds) -> None:
    world = coreaudio(devices=["uid=it; out=1; rates=48000; formats=i24!"])
    values = np.array([1.0, -1.0, 2.0, -2.0, np.inf, 0.99999994, -0.5], np.float32)

    def play(block: vc.Block) -> None:
        block.output[:, 0] = np.resize(values, block.frames)

    with vc.OutputStream(play, driver=world.driver, latency="low") as stream:
        world.advance(0.1)
        stream.abort()
    most, heard = 1 - 2.0**-23, loud(world.device("it").heard())[:7, 0]
    assert heard.tolist() == [most, -1.0, most, -1.0, 0.0, most, -0.5]


def test_a_stream_that_is_not_interleaved_has_a_buffer_for_each_channel(coreaudio: Worlds) -> None:
    """The two AudioBuffers are those of two mono streams, of which the device lists one."""
    world = coreaudio(devices=["uid=it; out=1,1; rates=48000; formats=i16!"])
    simulated, driver = world.device("it"), world.driver
    first = driver.call("", partial(driver.hal.ids, simulated.id, "stm#"), 10.0)[0]
    form = driver.call("", partial(driver.hal.scalar, first, "sfmt", 40), 10.0)
    fields = list(struct.unpack("<d4s7I", form))
    fields[2] |= 32  # not interleaved
    fields[6] = 2
    simulated.override("sfmt", struct.pack("<d4s7I", *fields), object_id=first, scope="glob")
    simulated.override("stm#", first.to_bytes(4, "little"))
    play = Numbers()
    with vc.OutputStream(play, driver=driver, dtype="int16", latency="low") as stream:
        world.advance(0.1)
        stream.abort()
    heard = loud(simulated.captured()[0])
    assert len(heard) > 2_000
    assert np.array_equal(heard * 32_768, numbers(0, len(heard), 2, "int16"))


def compressed(stream: hal.Stream) -> hal.StreamFormat:
    """A format of compressed sound that the stream offers."""
    return next(
        one.format
        for one in stream.available_physical_formats
        if one.format.format_id != "lpcm" and one.format.samplerate == 48_000
    )


def test_a_direction_that_a_stream_does_not_use_may_have_any_format(coreaudio: Worlds) -> None:
    world = coreaudio(devices=["uid=it; in=2; out=2; rates=48000; formats=f32,ac3,i16!"])
    device = hal.connect(world.driver).device("it")
    output = device.output.streams[0]
    output.physical_format = compressed(output)
    frames = 0

    def listen(block: vc.Block) -> None:
        nonlocal frames
        frames += block.frames

    with vc.InputStream(listen, driver=world.driver, latency="low") as stream:
        world.advance(0.2)
        stream.abort()
        assert stream.statistics().lost_frames == 0
    assert frames > 4_000
    with pytest.raises(vc.DriverError, match=r"'cac3'.*signed integers of up to 32 bits"):
        vc.OutputStream(lambda block: None, driver=world.driver)


def test_the_format_of_a_direction_that_a_stream_does_not_use_may_change(
    coreaudio: Worlds,
) -> None:
    world = coreaudio(devices=["uid=it; in=2; out=2; rates=48000; formats=f32,ac3,i16!"])
    line = hal.connect(world.driver).device("it").input.streams[0]
    frames = 0

    def count(block: vc.Block) -> None:
        nonlocal frames
        frames += block.frames

    with vc.OutputStream(count, driver=world.driver, latency="low") as stream:
        world.advance(0.1)
        line.physical_format = compressed(line)
        world.advance(0.2)
        before = frames
        world.advance(0.2)
        assert stream.state == "running"
        assert not stream.wait(0.1)  # looks at the device, which has notified the change
        stream.abort()
    assert frames > before


def test_exclusive_use_plays_a_program_of_integers_bit_by_bit(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    device = hal.connect(world.driver).device(USB)
    stream = device.output.streams[0]
    before = stream.physical_format
    for bits in (16, 24, 32):
        wanted = next(
            one.format
            for one in stream.available_physical_formats
            if one.format.bits == bits and not one.format.is_mixable
        )
        play = Numbers()

        def use(play: Numbers) -> None:
            with vc.OutputStream(
                play, device=USB, driver=world.driver, dtype="int16", latency="low"
            ) as sound:
                world.advance(0.2)
                assert device.hog_mode == os.getpid()
                sound.stop()
            raise KeyError

        with pytest.raises(KeyError), stream.exclusive(wanted) as made:
            assert made == wanted == stream.virtual_format
            use(play)
        assert (stream.physical_format, device.hog_mode) == (before, -1)
        assert stream.virtual_format.bits == 32
        heard = loud(world.device(USB).captured()[0])
        assert len(heard) == play.made > 4_000
        assert np.array_equal(heard * 32_768, numbers(0, len(heard), 2, "int16"))


def test_a_format_that_is_set_again_costs_no_sound(coreaudio: Worlds) -> None:
    """After a notification without a change, the IOProc goes on when the format was read."""
    world = coreaudio(3)
    hal_of, device = world.driver.hal, world.device(USB).id
    made = 0

    def play(block: vc.Block) -> None:
        nonlocal made
        block.output[:] = coded(made, *block.output.shape)
        made += block.frames

    with vc.OutputStream(play, device=USB, driver=world.driver, latency="low") as stream:
        world.advance(0.1)
        stream_id = world.driver.call("", partial(hal_of.ids, device, "stm#"), 10.0)[0]
        selectors = [int.from_bytes(text, "big") for text in (b"sfmt", b"glob")]
        world.check(world.library.sim_notify(stream_id, *selectors, 0))
        before = made
        stream._connection.look()
        world.advance(0.1)
        assert made > before
        stream.abort()
        assert [event.kind for event in stream.events() if event.kind == "lost"] == []
