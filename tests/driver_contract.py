"""The driver contract, which is a set of tests that every driver must pass.

The test module of a driver has a subclass of `DriverContract` with a `rig` fixture. Nothing in this
file depends on a particular driver.
"""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Protocol

import numpy as np
import pytest
from numpy.typing import NDArray

import voicecoil as vc
from coded import assert_coded, coded
from rig import until
from voicecoil.drivers.protocol import Device, Driver, OpenRequest


class Rig(Protocol):
    """A driver with a device. The test advances the device's clock, or the clock is real."""

    stepped: bool  # True if the test advances the clock
    driver: Driver
    device: Device  # each of its outputs is connected to its input with the same number
    channels: list[int]  # the two channels of each direction that the tests use
    cycle_frames: int

    def advance(self, cycles: int) -> None:
        """Lets the device run `cycles` IO cycles, and returns after the last one.

        If the clock is not stepped, more cycles may have run.
        """

    def heard(self) -> NDArray[np.float32]:
        """Returns the output of the two channels, from the first frame of content to the last one.

        The shape is (frames, 2).
        """

    def unplug(self) -> None:
        """Removes the device."""


def marked_for_each_python(shapes: Iterable[str], each_python: Collection[str]) -> list[object]:
    """Returns the parameters of a `rig` fixture. The shapes in `each_python` have the mark
    `interpreter`. The other ones are tested only on the oldest Python.
    """
    assert set(each_python) <= set(shapes)
    mark = pytest.mark.interpreter
    return [pytest.param(s, marks=mark) if s in each_python else s for s in shapes]


class CodedOutput:
    """A callback that plays coded frames and keeps the times and losses of its blocks."""

    def __init__(self, stop_after_blocks: int | None = None) -> None:
        self.position = 0
        self.blocks = 0
        self.output_frames: list[int | None] = []
        self.output_ns: list[int | None] = []
        self.sizes: list[int] = []
        self.xruns: list[int] = []
        self.stop_after_blocks = stop_after_blocks

    def __call__(self, block: vc.Block) -> None:
        block.output[:] = coded(self.position, *block.output.shape)
        self.position += block.frames
        self.blocks += 1
        self.sizes.append(block.frames)
        self.output_frames.append(block.time.output_frames)
        self.output_ns.append(block.time.output_ns)
        self.xruns.append(block.xrun)
        if self.blocks == self.stop_after_blocks:
            raise vc.Stop


class TimedOutput:
    """A callback that plays silence and keeps the times of its blocks."""

    def __init__(self) -> None:
        self.frames: list[int] = []  # frames of each block
        self.now: list[tuple[int, int]] = []  # sample time in frames, and host time in ns
        self.output: list[tuple[int, int]] = []

    def __call__(self, block: vc.Block) -> None:
        time = block.time
        assert time.now_frames is not None
        assert time.now_ns is not None
        assert time.output_frames is not None
        assert time.output_ns is not None
        self.frames.append(block.frames)
        self.now.append((time.now_frames, time.now_ns))
        self.output.append((time.output_frames, time.output_ns))

    def assert_one_time_line(self, first: int, samplerate: float, slack_frames: int) -> None:
        """Checks the sample time of block `first`, with which a new run begins. Since the block
        before, the sample time must have advanced as far as the host time.
        """
        (frames, ns), (later, later_ns) = self.output[first - 1 : first + 1]
        assert later - frames >= self.frames[first - 1]
        assert abs(later - frames - (later_ns - ns) * samplerate / 1e9) <= slack_frames
        assert self.now[first][0] > self.now[first - 1][0]


def assert_played(rig: Rig, callback: CodedOutput, stream: vc.OutputStream, left: int) -> None:
    """Checks that all frames were heard, except for those of the lead and at most `left` frames of
    the last block.
    """
    heard = rig.heard()
    begin = int(heard.any(axis=1).argmax()) if stream.lead_frames else 0
    heard = heard[begin:]  # the silence of the lead may end within a cycle
    assert_coded(heard)
    assert 0 <= callback.position - stream.lead_frames - len(heard) <= left


class DriverContract:
    """The tests of the contract. A subclass defines a `rig` fixture, and also uses the fixture
    `home` if the test advances the clock.
    """

    def open_output(self, rig: Rig, callback: object, **wishes: object) -> vc.OutputStream:
        wishes.setdefault("channels", rig.channels)
        return vc.OutputStream(callback, driver=rig.driver, device=rig.device.uid, **wishes)  # type: ignore[arg-type]

    def end(self, rig: Rig, stream: vc.OutputStream) -> None:
        """Ends a stream whose whole output must be heard. With a stepped clock, everything was
        heard already and the stream is aborted.
        """
        if rig.stepped:
            stream.abort()
        else:
            stream.stop()

    # ---- devices ----

    def test_devices_have_unique_uids_and_channels(self, rig: Rig) -> None:
        listed = rig.driver.devices()
        assert len({device.uid for device in listed}) == len(listed)
        assert all(device.input_channels + device.output_channels > 0 for device in listed)
        assert all(device.driver == rig.driver.name for device in listed)

    @pytest.mark.parametrize("direction", ["input", "output"])
    def test_default_is_one_of_the_devices(self, rig: Rig, direction: str) -> None:
        default = rig.driver.default(direction)  # type: ignore[arg-type]
        assert default is None or default in rig.driver.devices()

    def test_now_is_monotonic(self, rig: Rig) -> None:
        times = [rig.driver.now_ns() for _ in range(100)]
        assert times == sorted(times)

    # ---- sound ----

    def test_every_frame_is_played_once_in_order(self, rig: Rig) -> None:
        callback = CodedOutput()
        with self.open_output(rig, callback) as stream:
            rig.advance(20)
            self.end(rig, stream)
        # With a lead, all blocks have the same size even if cycles vary.
        assert_played(rig, callback, stream, rig.cycle_frames if stream.lead_frames else 0)

    @pytest.mark.parametrize("blocksize", [1, 16, 63, 64, 100, 257])
    def test_any_blocksize_plays_every_frame(self, rig: Rig, blocksize: int) -> None:
        callback = CodedOutput()
        with self.open_output(rig, callback, blocksize=blocksize) as stream:
            rig.advance(20)
            self.end(rig, stream)
        assert set(callback.sizes) == {blocksize}
        assert_played(rig, callback, stream, blocksize - 1)

    def test_output_comes_back_after_the_declared_latency(self, rig: Rig) -> None:
        recorded: list[NDArray[np.float32]] = []
        position = 0

        def callback(block: vc.Block) -> None:
            nonlocal position
            recorded.append(block.input.copy())
            block.output[:] = coded(position, *block.output.shape)
            position += block.frames

        both = (rig.channels, rig.channels)
        stream = vc.Stream(callback, driver=rig.driver, device=rig.device.uid, channels=both)
        round_trip = sum(latency.frames for latency in stream.latency)
        with stream:
            rig.advance(20)
            stream.abort()
        came_back = np.concatenate(recorded)
        assert not came_back[:round_trip].any()
        assert_coded(came_back[round_trip:])

    def test_channel_map_chooses_the_devices_channels(self, rig: Rig) -> None:
        def callback(block: vc.Block) -> None:
            block.output[:] = 0.5

        with self.open_output(rig, callback, channels=rig.channels[1:]) as stream:
            assert stream.channels == 1
            rig.advance(2)
            stream.abort()
        heard = rig.heard()
        assert not heard[:, 0].any()
        assert (heard[:, 1] == 0.5).all()

    def test_one_channel_is_heard_on_both_channels_of_the_stereo_pair(self, rig: Rig) -> None:
        callback = CodedOutput()
        with self.open_output(rig, callback, channels=1) as stream:
            assert stream.channels == 1
            rig.advance(20)
            self.end(rig, stream)
        heard = rig.heard()
        begin = int(heard.any(axis=1).argmax()) if stream.lead_frames else 0
        for place, channel in enumerate(rig.channels):
            if channel in rig.device.stereo_channels:
                assert_coded(heard[begin:, [place]])
                assert len(heard) > begin
            else:
                assert not heard[:, place].any()

    def test_int16_is_played_exactly(self, rig: Rig) -> None:
        position = 0

        def callback(block: vc.Block) -> None:
            nonlocal position
            frame = np.arange(position, position + block.frames)
            block.output[:] = (frame % 32_767 + 1)[:, None]
            position += block.frames

        with self.open_output(rig, callback, dtype="int16") as stream:
            rig.advance(20)
            self.end(rig, stream)
        heard = rig.heard()
        begin = int(heard.any(axis=1).argmax()) if stream.lead_frames else 0
        heard = heard[begin:]
        wanted = (np.arange(len(heard)) % 32_767 + 1) / np.float32(32_768)
        assert len(heard) > 0
        assert np.array_equal(heard, np.stack([wanted, wanted], axis=1))

    # ---- time ----

    def test_times_go_on_by_the_frames_of_each_block(self, rig: Rig) -> None:
        callback = CodedOutput()
        with self.open_output(rig, callback) as stream:
            rig.advance(10)
            stream.abort()
        steps = np.diff(np.array(callback.output_frames, np.int64))
        if not rig.stepped:
            steps -= callback.xruns[1:]  # a busy machine may lose frames and reports them
        assert (steps == callback.sizes[:-1]).all()
        ns = np.diff(np.array(callback.output_ns, np.int64))
        if rig.stepped:
            # The clock of a device may be wrong by some hundred ppm.
            assert np.allclose(ns, steps / stream.samplerate * 1e9, rtol=3e-4, atol=1000)
        assert (ns > 0).all()

    def test_blocks_inside_a_cycle_have_their_own_times(self, rig: Rig) -> None:
        callback = CodedOutput()
        with self.open_output(rig, callback, blocksize=16) as stream:
            rig.advance(4)
            stream.abort()
        steps = np.diff(np.array(callback.output_frames, np.int64))
        assert (steps - callback.xruns[1:] == 16).all()

    # ---- start and stop ----

    def test_no_cycle_runs_after_stop(self, rig: Rig) -> None:
        callback = CodedOutput()
        stream = self.open_output(rig, callback)
        stream.start()
        rig.advance(3)
        stream.abort()
        blocks = callback.blocks
        assert blocks > 0
        rig.advance(3)
        assert callback.blocks == blocks
        stream.close()

    def test_start_stop_start(self, rig: Rig) -> None:
        callback = CodedOutput()
        stream = self.open_output(rig, callback)
        for _ in range(3):
            before = callback.blocks
            stream.start()
            rig.advance(4)
            stream.abort()
            made = callback.blocks - before
            # With a lead, a block may be longer than a cycle.
            least = 1 if stream.lead_frames else 4
            assert least <= made <= 4 if rig.stepped else made >= 4
        stream.close()

    def test_sample_time_goes_on_by_host_time_from_run_to_run(self, rig: Rig) -> None:
        callback = TimedOutput()
        stream = self.open_output(rig, callback)
        firsts = []
        for run in range(4):
            firsts.append(len(callback.frames))
            stream.start()
            rig.advance(4)
            stream.abort()
            if run == 1:
                rig.advance(3)  # no stream plays during these cycles
        stream.close()
        # The last cycle of a run may have no block, and may correct the prediction of a real clock.
        slack = 1 if rig.stepped else rig.cycle_frames
        for first in firsts[1:]:
            callback.assert_one_time_line(first, stream.samplerate, slack)

    def test_closing_twice_and_without_start(self, rig: Rig) -> None:
        stream = self.open_output(rig, CodedOutput())
        stream.close()
        stream.close()
        assert stream.state == "closed"
        with pytest.raises(vc.StreamClosedError):
            stream.start()

    def test_stop_in_a_callback_plays_that_block_and_ends(self, rig: Rig) -> None:
        callback = CodedOutput(stop_after_blocks=3)
        with self.open_output(rig, callback) as stream:
            rig.advance(12)
            assert stream.wait(10)
            assert callback.blocks == 3
        assert_coded(rig.heard())
        assert len(rig.heard()) == callback.position

    def test_a_stop_with_a_fade_is_heard_along_a_straight_line(self, rig: Rig) -> None:
        fade = 100
        coded_output = CodedOutput()

        def callback(block: vc.Block) -> None:
            coded_output(block)
            if coded_output.blocks == 4:
                stream.stop(fade_s=fade / block.samplerate)

        ends: list[object] = []
        stream = self.open_output(rig, callback, on_end=lambda *end: ends.append(end))
        with stream:
            rig.advance(12)
            assert stream.wait(10)
            until(lambda: bool(ends))
        heard = rig.heard()
        frames = int(np.flatnonzero(heard.any(axis=1))[-1]) + 1
        assert_coded(heard[: frames - fade])
        ratio = heard[frames - fade : frames] / coded(frames - fade, fade, heard.shape[1])
        line = (1 - np.arange(fade) / fade)[:, None]
        np.testing.assert_allclose(ratio, np.broadcast_to(line, ratio.shape), atol=1e-4)
        assert ends == [(stream, None)]

    def test_two_streams_are_mixed(self, rig: Rig) -> None:
        def quarter(block: vc.Block) -> None:
            block.output[:] = 0.25

        with self.open_output(rig, quarter) as one, self.open_output(rig, quarter) as two:
            rig.advance(4)
            two.abort()
            one.abort()
        assert (rig.heard() == 0.5).any()

    def test_after_a_stop_that_timed_out_the_callback_ends_the_run(
        self, rig: Rig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("voicecoil.streams.base.STOP_TIMEOUT_S", 0.2)
        monkeypatch.setattr("voicecoil.streams.base.HALT_S", 0.1)
        started, inside, free = threading.Event(), threading.Event(), threading.Event()

        def callback(block: vc.Block) -> None:
            if started.is_set():  # PulseAudio's start waits for the first block
                inside.set()
                free.wait(30)

        stream = self.open_output(rig, callback)
        stream.start()
        started.set()
        mover = threading.Thread(target=rig.advance, args=(1,))
        mover.start()
        assert inside.wait(30)
        with pytest.raises(vc.StreamTimeoutError):
            stream.stop()
        assert stream.state == "draining"
        assert not stream.wait(0)
        with pytest.raises(vc.StreamStateError):
            stream.start()
        free.set()
        mover.join(30)
        for _ in range(1000):
            if stream.state == "finished":
                break
            rig.advance(1)
        assert stream.state == "finished"
        assert stream.wait(30)
        inside.clear()
        stream.start()
        rig.advance(1)
        assert inside.wait(30)
        stream.abort()
        stream.close()

    # ---- lost devices

    def test_starting_on_a_device_that_is_gone_fails(self, rig: Rig) -> None:
        running = self.open_output(rig, CodedOutput())
        stream = self.open_output(rig, CodedOutput())
        running.start()
        rig.advance(2)
        rig.unplug()
        until(lambda: not running.active)
        with pytest.raises((vc.DeviceLostError, vc.DriverError)):
            stream.start()
        assert not stream.active
        stream.close()
        with pytest.raises(vc.DeviceLostError):
            running.wait(10)
        running.close()

    def test_unplugging_ends_the_stream_with_an_error_once(self, rig: Rig) -> None:
        ends: list[tuple[object, object]] = []
        stream = self.open_output(rig, CodedOutput(), on_end=lambda *end: ends.append(end))
        stream.start()
        rig.advance(2)
        rig.unplug()
        until(lambda: stream.state == "finished")
        until(lambda: bool(ends))
        assert not stream.active
        with pytest.raises(vc.DeviceLostError) as lost:
            stream.wait(10)
        assert stream.wait(10)
        told = [event for event in stream.events() if event.kind == "lost"]
        assert [event.detail for event in told] == [str(lost.value)]
        assert [(called, str(error)) for called, error in ends] == [(stream, str(lost.value))]
        assert stream.state == "finished"
        stream.close()
        assert all(device.uid != rig.device.uid for device in rig.driver.devices())

    def test_opening_an_unplugged_device(self, rig: Rig) -> None:
        stream = self.open_output(rig, CodedOutput())
        stream.start()
        rig.advance(1)
        rig.unplug()
        with pytest.raises(vc.DeviceNotFoundError):
            self.open_output(rig, CodedOutput())
        with pytest.raises(vc.DeviceLostError):
            stream.wait(1)
        stream.close()

    def test_got_is_what_runs(self, rig: Rig) -> None:
        request = OpenRequest(rig.device, [], rig.channels, samplerate=None, block_frames=None)
        connection = rig.driver.open_stream(request)
        opened_format = connection.opened_format
        assert opened_format.samplerate > 0
        assert 0 <= (opened_format.period_frames or 0) <= opened_format.max_period_frames
        latency = opened_format.latency("output")
        assert latency == replace(latency, samplerate=opened_format.samplerate)
        assert connection.trouble() is None
        assert connection.overloads == 0
        connection.close()
        connection.close()
        assert opened_format.latency("output") == latency

    def test_a_dropped_connection_is_freed_at_once(self, rig: Rig) -> None:
        """A connection holds objects of the audio system, so a reference cycle must not keep it."""
        request = OpenRequest(rig.device, [], rig.channels, samplerate=None, block_frames=None)
        gc.disable()
        try:
            connection = rig.driver.open_stream(request)
            there = weakref.ref(connection)
            connection.close()
            del connection
            # A free-threaded Python frees the object when both threads have released it.
            until(lambda: there() is None)
        finally:
            gc.enable()
