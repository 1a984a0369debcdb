"""Recorders: frames, times, losses and rates of the blocks that they deliver."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import voicecoil as vc
from coded import SCALE, coded
from rig import Rig, until
from voicecoil.conversion import as_source, converted, read_all
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver

RATE = 48_000
TICK_NS = 42  # CoreAudio counts host time in ticks of this duration


def play_times(block: vc.Block) -> None:
    """Plays the sample time of each frame, so that each recorded frame tells when it was heard."""
    at = block.time.output_frames
    assert at is not None
    block.output[:] = coded(at, *block.output.shape)


def times(data: NDArray[np.float32]) -> NDArray[np.int64]:
    """Returns the sample times of recorded frames; -1 for silence."""
    codes = np.rint(data[:, 0] / np.float32(SCALE)).astype(np.int64)
    return np.where(codes == 0, -1, (codes - 1) // 8)


def all_blocks(recorder: vc.Recorder) -> list[vc.RecordedBlock]:
    blocks = []
    while (block := recorder.read(timeout=0)).frames:
        blocks.append(block)
    return blocks


def joined(blocks: list[vc.RecordedBlock]) -> NDArray[np.float32]:
    return np.concatenate([block.data for block in blocks])


@pytest.fixture
def sounding(rig: Rig) -> Iterator[Rig]:
    """A rig whose device plays the sample time of each frame."""
    with vc.OutputStream(play_times, driver=rig.driver):
        rig.step(4)  # so that all that is recorded was played
        yield rig


def test_each_block_has_its_frames_and_times(sounding: Rig) -> None:
    with vc.Recorder(driver=sounding.driver, blocksize=100) as recorder:
        sounding.step(10)
        blocks = all_blocks(recorder)
    assert [block.frames for block in blocks] == [100] * 6 + [40]
    assert np.array_equal(times(joined(blocks)), np.arange(640) + blocks[0].time.frames), (
        "the time of a block is the sample time of its first frame"
    )
    assert all(block.lost_frames == 0 for block in blocks)
    first_ns = blocks[0].time.host_ns
    assert first_ns is not None
    for number, block in enumerate(blocks):
        assert block.time.frames == blocks[0].time.frames + 100 * number
        assert block.time.host_ns == pytest.approx(first_ns + number * 100e9 / RATE, abs=TICK_NS)
    assert recorder.lost_frames == 0


def test_recorders_share_one_stream_each_with_its_rate_and_channels(rig: Rig) -> None:
    sound = 0.5 * coded(0, 6000, 2)
    playback = rig.play(sound, RATE)
    with (
        vc.Recorder(driver=rig.driver) as whole,
        vc.Recorder(driver=rig.driver, samplerate=16_000, channels=[1]) as low,
        vc.Recorder(driver=rig.driver, samplerate=44_100, dtype="int16") as cd,
    ):
        assert whole._microphone is low._microphone is cd._microphone
        rig.step(100)
        recorded = joined(all_blocks(whole))
        got_low, got_cd = joined(all_blocks(low)), joined(all_blocks(cd))
    assert whole._microphone.stream.state == "closed"
    assert (low.channels, cd.dtype, low.blocksize) == (1, "int16", 320)
    wanted = read_all(converted(as_source(recorded[:, 1:], RATE), 16_000, 1))[: len(got_low)]
    assert len(got_low) > 6400 * 16 / 48 - 500
    assert np.allclose(got_low, wanted, atol=1e-6)
    wanted = read_all(converted(as_source(recorded, RATE), 44_100, 2))[: len(got_cd)]
    assert got_cd.dtype == np.int16
    assert np.allclose(got_cd, wanted * 2**15, atol=1.01)
    playback.stop()


def test_converted_blocks_have_the_times_of_their_frames(sounding: Rig) -> None:
    with (
        vc.Recorder(driver=sounding.driver) as own,
        vc.Recorder(driver=sounding.driver, samplerate=16_000) as low,
    ):
        sounding.step(60)
        first, blocks = own.read(timeout=0).time, all_blocks(low)
    assert blocks[0].time.host_ns == first.host_ns  # the conversion delays no frame
    assert blocks[0].time.frames == round(first.frames / 3)
    for number, block in enumerate(blocks):
        assert block.time.frames == blocks[0].time.frames + 320 * number
        assert first.host_ns is not None
        assert block.time.host_ns == pytest.approx(first.host_ns + number * 20e6, abs=TICK_NS)


def test_a_late_program_loses_the_oldest_frames_and_is_told(sounding: Rig) -> None:
    with vc.Recorder(driver=sounding.driver, buffer_s=0.1, blocksize=480) as recorder:
        sounding.step(100)  # 6400 frames; the buffer has 4800
        blocks = all_blocks(recorder)
        assert blocks[0].lost_frames == recorder.lost_frames == recorder.overflow_frames == 1600
        got = times(joined(blocks))
        assert np.array_equal(got, np.arange(4800) + blocks[0].time.frames)
        sounding.step(8)
        assert all_blocks(recorder)[0].lost_frames == 0


def test_an_overflow_can_raise(sounding: Rig) -> None:
    with vc.Recorder(driver=sounding.driver, buffer_s=0.1, on_overflow="raise") as recorder:
        sounding.step(100)
        with pytest.raises(vc.FramesLostError, match="1600 frames were not read within"):
            recorder.read(timeout=0)
        assert len(joined(all_blocks(recorder))) == 4800


def test_an_overflow_can_end_the_recording(sounding: Rig) -> None:
    with vc.Recorder(driver=sounding.driver, buffer_s=0.1, on_overflow="stop") as recorder:
        sounding.step(50)
        assert recorder.read(1000, timeout=0).frames == 1000
        assert recorder.state == "recording"
        sounding.step(100)
        assert recorder.state == "finished"
        assert recorder.end_reason == "overflow"
        blocks = list(recorder)
    assert sum(block.frames for block in blocks) == 4800 + 3200 - 1000
    assert recorder.lost_frames == 0


@pytest.mark.parametrize("rig", ["virtual"], indirect=True)  # it loses frames on request
def test_lost_frames_of_the_device_are_counted_in_the_next_block(sounding: Rig) -> None:
    with (
        vc.Recorder(driver=sounding.driver, blocksize=64) as recorder,
        vc.Recorder(driver=sounding.driver, samplerate=16_000, blocksize=64) as low,
    ):
        sounding.step(2)
        sounding.device.inject("xrun", 300)
        sounding.step(60)
        blocks, low_blocks = all_blocks(recorder), all_blocks(low)
    assert [block.lost_frames for block in blocks[:4]] == [0, 0, 300, 0]
    assert blocks[2].time.frames == blocks[1].time.frames + 64 + 300
    assert recorder.lost_frames == 300
    assert sum(block.lost_frames for block in low_blocks) == low.lost_frames == 100
    assert (
        low_blocks[-1].time.frames == low_blocks[0].time.frames + 64 * (len(low_blocks) - 1) + 100
    )


def test_last_returns_the_newest_frames_and_reading_goes_on_after_them(sounding: Rig) -> None:
    with vc.Recorder(driver=sounding.driver, blocksize=64) as recorder:
        sounding.step(20)
        read = [recorder.read(timeout=0) for _ in range(15)]
        before = recorder.last(0.01)  # five of the 15 blocks are not read, and fewer frames suffice
        assert before.frames == 480
        assert np.array_equal(times(before.data), np.arange(480) + before.time.frames)
        assert before.time.frames == read[0].time.frames + 20 * 64 - 480
        sounding.step(2)
        after = recorder.read(timeout=0)
        assert after.time.frames == before.time.frames + 480
        assert after.lost_frames == before.lost_frames == 0
        assert recorder.last(10).frames == 22 * 64, "that is all that there is"
        with pytest.raises(vc.ArgumentError, match="keeps buffer_s=10"):
            recorder.last(10.5)


def test_last_goes_on_without_a_gap_at_another_rate(rig: Rig) -> None:
    rig.play(0.5 * np.sin(np.arange(20_000) * 0.05).astype(np.float32), RATE)
    options = {"driver": rig.driver, "samplerate": 16_000, "channels": 1}
    with vc.Recorder(**options) as whole, vc.Recorder(**options) as recorder:
        rig.step(200)
        recorder.read(timeout=0)
        before = recorder.last(0.1)
        rig.step(60)
        after = joined(all_blocks(recorder))
        wanted = joined(all_blocks(whole))
    first = before.time.frames - round(whole._intake.timeline.origin)
    both = np.concatenate([before.data, after])
    assert before.frames == 1600
    assert np.allclose(both, wanted[first : first + len(both)], atol=2e-4)


def test_stop_leaves_the_frames_and_close_drops_them(sounding: Rig) -> None:
    recorder = vc.Recorder(driver=sounding.driver, blocksize=100)
    assert recorder.state == "idle"
    recorder.start()
    sounding.step(3)
    recorder.stop()
    sounding.step(3)
    assert recorder.state == "finished"
    assert recorder.end_reason == "stop"
    assert [block.frames for block in recorder] == [100, 92]
    recorder.close()
    recorder.close()
    assert recorder.state == "closed"
    with pytest.raises(vc.StreamClosedError, match="the recorder is closed"):
        recorder.read()


def test_a_lost_device_ends_the_recording_after_its_last_frame() -> None:
    device = VirtualDevice("Gone", clock="stepped", frames=64)
    with vc.Recorder(driver=VirtualDriver([device]), blocksize=64) as recorder:
        device.step(3)
        device.inject("unplug")
        device.step(1)
        blocks = [next(recorder) for _ in range(3)]
        assert [block.frames for block in blocks] == [64] * 3
        with pytest.raises(vc.DeviceLostError):
            next(recorder)
        assert recorder.end_reason == "device"
        assert list(recorder) == [], "the error is raised once"


def test_a_recorder_goes_on_with_a_device_that_has_another_rate() -> None:
    first = VirtualDevice("First", clock="stepped", frames=64, loopback=False)
    second = VirtualDevice("Second", clock="stepped", frames=64, samplerate=44_100)
    driver = VirtualDriver([first, second])
    options = {"driver": driver, "on_device_lost": "default", "samplerate": 48_000}
    with vc.Recorder(**options) as recorder:
        first.step(30)
        assert joined(all_blocks(recorder)).shape == (1920, 2)
        first.inject("unplug")
        first.step(1)
        until(lambda: recorder.device.name == "Second" and recorder.state == "recording")
        second.step(100)
        blocks = all_blocks(recorder)
        got = sum(block.frames for block in blocks)
        assert 6400 * 48_000 / 44_100 - 2500 < got < 6400 * 48_000 / 44_100
        lost = sum(block.lost_frames for block in blocks)
        assert lost == recorder.lost_frames
        assert blocks[0].time.frames + got - blocks[0].frames == blocks[-1].time.frames + (
            blocks[-1].frames - blocks[0].frames
        )


def test_a_dropped_recorder_releases_the_device(rig: Rig) -> None:
    recorder = vc.Recorder(driver=rig.driver).start()
    stream = recorder._microphone.stream
    del recorder
    gc.collect()
    until(lambda: stream.state == "closed")


def test_a_recorder_after_the_last_one_opens_the_device_again(sounding: Rig) -> None:
    for _ in range(2):
        with vc.Recorder(driver=sounding.driver) as recorder:
            sounding.step(20)
            assert recorder.read(timeout=0).frames == 960


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"block_s": 1, "blocksize": 3}, "block_s=1 and blocksize=3; give one of them"),
        ({"block_s": 2, "buffer_s": 1}, "block_s=2 s is longer than buffer_s=1 s"),
        ({"buffer_s": 0.01}, "buffer_s=0.01 s; give 0.05 to 3600"),
        ({"on_overflow": "drop"}, 'possible are "drop_oldest", "stop" and "raise"'),
        ({"channels": 3}, "so use 1 to 2"),
        ({"dtype": "int24"}, "int24"),
        ({"samplerate": -1}, "samplerate"),
    ],
)
def test_impossible_arguments(rig: Rig, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(vc.ArgumentError, match=message):
        vc.Recorder(driver=rig.driver, **arguments)  # type: ignore[arg-type]


def test_read_waits_for_frames_and_stop_ends_the_wait(sounding: Rig) -> None:
    with vc.Recorder(driver=sounding.driver, blocksize=200) as recorder:
        got: list[vc.RecordedBlock] = []
        thread = threading.Thread(target=lambda: got.extend(recorder))
        thread.start()
        for _ in range(10):
            sounding.step(5)
        until(lambda: len(got) == 16)
        recorder.stop()
        thread.join(10)
    assert np.array_equal(times(joined(got)), np.arange(3200) + got[0].time.frames)


def test_tasks_read_blocks(sounding: Rig) -> None:
    async def listen(recorder: vc.Recorder) -> list[vc.RecordedBlock]:
        return [block async for block in recorder]

    async def main() -> None:
        options = {"driver": sounding.driver, "blocksize": 200}
        async with vc.Recorder(**options) as one, vc.Recorder(**options) as other:
            tasks = [asyncio.create_task(listen(one)), asyncio.create_task(listen(other))]
            late = asyncio.create_task(other.read_async(10**6))
            for _ in range(10):
                await asyncio.to_thread(sounding.step, 5)
            while one._intake.position < 3200:
                await asyncio.sleep(0.001)
            late.cancel()
            one.stop()
            other.stop()
            for blocks in await asyncio.gather(*tasks):
                assert np.array_equal(
                    times(joined(blocks)), np.arange(3200) + blocks[0].time.frames
                )

    asyncio.run(asyncio.wait_for(main(), 60))


STEPS = st.tuples(st.just("step"), st.integers(1, 40))
LOSSES = st.tuples(st.just("xrun"), st.integers(1, 500))
READS = st.tuples(st.just("read"), st.integers(1, 3000))


@settings(max_examples=40, deadline=None)
@given(
    actions=st.lists(st.one_of(STEPS, STEPS, LOSSES, READS, READS), max_size=20),
    pattern=st.sampled_from([(), (64, 16, 48), (1, 64)]),
)
def test_every_frame_is_read_once_or_lost(
    actions: list[tuple[str, int]], pattern: tuple[int, ...]
) -> None:
    device = VirtualDevice("Random", clock="stepped", frames=64, pattern=pattern)
    driver = VirtualDriver([device])
    with (
        vc.OutputStream(play_times, driver=driver),
        vc.Recorder(driver=driver, buffer_s=0.05) as recorder,
        vc.Recorder(driver=driver, buffer_s=0.05, samplerate=12_000) as low,
    ):
        device.step(1)
        blocks: dict[vc.Recorder, list[vc.RecordedBlock]] = {recorder: [], low: []}
        for action, number in [*actions, ("stop", 0), ("read", 10**6)]:
            if action == "step":
                device.step(number)
            elif action == "stop":  # so that nothing is kept back
                recorder.stop()
                low.stop()
            elif action == "xrun":
                device.inject("xrun", number)
                device.step(1)
            else:
                for one, read in blocks.items():
                    read.append(one.read(number, timeout=0))
        for block in blocks[recorder]:
            check_times(block)
        for one, read in blocks.items():
            check_time_line(read)
            assert sum(block.lost_frames for block in read) == one.lost_frames
        frames = sum(block.frames for block in blocks[recorder])
        device_lost = recorder._microphone.stream.statistics().lost_frames
        assert frames + recorder.lost_frames == recorder._history.written + device_lost


def check_time_line(read: list[vc.RecordedBlock]) -> None:
    """The time of each block is that of the first one, with all frames and losses before it."""
    filled = [block for block in read if block.frames]
    frames = lost = 0
    for block in filled:
        passed = block.time.frames - filled[0].time.frames - frames
        assert lost - filled[0].lost_frames <= passed <= lost + block.lost_frames
        frames += block.frames
        lost += block.lost_frames


def check_times(block: vc.RecordedBlock) -> None:
    """Each frame that is not silence has its own time, and only losses are left out."""
    found = times(block.data)
    heard = np.flatnonzero(found >= 0)
    late = found[heard] - block.time.frames - heard
    assert np.all(np.diff(late) >= 0)
    if len(late):
        assert late[0] >= 0
        assert late[-1] <= block.lost_frames
