"""The samples that pass between CoreAudio's buffers and a callback in each IO cycle."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import voicecoil as vc
from coded import assert_coded, coded
from compiler import shared_library
from coreaudio import Worlds
from driver_contract import TimedOutput
from rig import until
from voicecoil.drivers.coreaudio import _hal
from voicecoil.testing import decode_input


class Keeper:
    """A callback that keeps its input."""

    def __init__(self) -> None:
        self.blocks: list[NDArray[np.float32]] = []
        self.times: list[tuple[int | None, ...]] = []

    def __call__(self, block: vc.Block) -> None:
        if block.input is not None:
            self.blocks.append(block.input.copy())
        time = block.time
        self.times.append(
            (time.now_ns, time.input_ns, time.input_frames, time.output_ns, time.output_frames)
        )

    @property
    def sound(self) -> NDArray[np.float32]:
        return np.concatenate(self.blocks)


# ---- streams that are enabled ------------------------------------------------------------------


def test_output_never_opens_the_microphone(coreaudio: Worlds) -> None:
    world = coreaudio(4)
    with vc.OutputStream(lambda block: None, driver=world.driver) as stream:
        world.advance(0.1)
        stream.abort()
    assert world.counter("input_opens") == 0


def test_input_opens_its_streams_alone(coreaudio: Worlds) -> None:
    world = coreaudio(4)
    keeper = Keeper()
    with vc.InputStream(keeper, driver=world.driver, channels=[2, 3]) as stream:
        world.advance(0.1)
        stream.abort()
    assert world.counter("input_opens") == 1
    # Streams that the program did not request are off. Their buffers had no memory, and nothing was
    # written into them.
    assert not world.device("MultiStream:2+2+8").captured()[0].any()


@pytest.mark.parametrize("empty_list", [0, 1])
@pytest.mark.parametrize("fixture", [20, 21])
def test_devices_of_one_direction(coreaudio: Worlds, fixture: int, empty_list: int) -> None:
    world = coreaudio(fixture, switches={"empty_list": empty_list})
    kind: Any = vc.OutputStream if fixture == 20 else vc.InputStream
    keeper = Keeper()
    with kind(keeper, driver=world.driver) as stream:
        world.advance(0.1)
        stream.abort()
    assert len(keeper.times) > 5
    assert keeper.times[0][1 if fixture == 20 else 3] is None, (
        "a direction that the stream lacks has no times"
    )


# ---- channels ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fixture", "channels"),
    [(3, [0, 1]), (3, [1, 0]), (4, list(range(12))), (4, [11, 0, 5]), (5, [7, 6, 0]), (4, [3])],
)
def test_every_input_channel_is_the_one_that_was_asked_for(
    coreaudio: Worlds, fixture: int, channels: list[int]
) -> None:
    world = coreaudio(fixture)
    keeper = Keeper()
    device = world.driver.devices()[0]
    with vc.InputStream(keeper, driver=world.driver, channels=channels) as stream:
        world.advance(0.2)
        latency = stream.latency.frames
        stream.abort()
    decoded = decode_input(keeper.sound)
    assert decoded.valid.all()
    assert (decoded.serial == world.device(device.uid).serial).all()
    widths = [2, 2, 8] if fixture == 4 else [1] * 8 if fixture == 5 else [2]
    places = [(s, c) for s, width in enumerate(widths) for c in range(width)]
    assert [
        (int(s), int(c)) for s, c in zip(decoded.stream[0], decoded.channel[0], strict=True)
    ] == [places[channel] for channel in channels]
    assert (np.diff(decoded.sample_time, axis=0) % 262144 == 1).all(), "a frame is missing"
    assert latency > 0


@pytest.mark.parametrize("channels", [[0], [11], [1, 2], [4, 5, 6], [11, 0]])
def test_every_output_channel_goes_where_it_should(coreaudio: Worlds, channels: list[int]) -> None:
    world = coreaudio(4)
    position = 0

    def callback(block: vc.Block) -> None:
        nonlocal position
        block.output[:] = coded(position, *block.output.shape)
        position += block.frames

    with vc.OutputStream(callback, driver=world.driver, channels=channels) as stream:
        world.advance(0.1)
        stream.abort()
    heard = world.device("MultiStream:2+2+8").heard()
    assert_coded(heard[:, channels])
    others = [channel for channel in range(12) if channel not in channels]
    assert not heard[:, others].any()


def test_one_uniform_buffer_is_used_as_it_lies(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    strides = set()

    def callback(block: vc.Block) -> None:
        strides.add((block.input.strides, block.output.strides))
        block.output[:] = block.input * np.float32(0.5)

    with vc.Stream(callback, driver=world.driver, zero_copy=True) as stream:
        world.advance(0.2)
        stream.abort()
    assert strides == {((8, 4), (8, 4))}
    assert stream.statistics().copied_blocks == 0


def test_channels_inside_a_wide_buffer_are_used_as_they_lie(coreaudio: Worlds) -> None:
    world = coreaudio(4)
    strides = set()

    def callback(block: vc.Block) -> None:
        strides.add(block.output.strides)
        block.output[:] = 0.25

    with vc.OutputStream(
        callback, driver=world.driver, zero_copy=True, channels=[6, 7, 8]
    ) as stream:
        world.advance(0.2)
        stream.abort()
    assert strides == {(32, 4)}
    assert stream.statistics().copied_blocks == 0
    heard = world.device("MultiStream:2+2+8").heard()
    assert (heard[:, 6:9] == 0.25).all()
    assert not heard[:, :6].any()


def test_channels_across_buffers_are_copied_and_counted(coreaudio: Worlds) -> None:
    world = coreaudio(4)
    with vc.OutputStream(
        lambda block: None, driver=world.driver, zero_copy=True, channels=[1, 2]
    ) as stream:
        world.advance(0.1)
        stream.abort()
    counted = stream.statistics()
    assert counted.copied_blocks == counted.blocks > 0


def test_buffers_at_the_edge_of_their_pages(coreaudio: Worlds) -> None:
    """The process would crash if the driver wrote beyond a buffer, into the input, or after the
    cycle.
    """
    world = coreaudio(4, switches={"guard_pages": 1})

    def callback(block: vc.Block) -> None:
        block.output[:] = block.input[:, :2] * np.float32(0.5)

    for zero_copy in (False, True):
        with vc.Stream(callback, driver=world.driver, zero_copy=zero_copy) as stream:
            world.advance(0.1)
            stream.abort()


@pytest.mark.parametrize("blocksize", [None, 512, 100])
def test_a_first_cycle_that_is_shorter(coreaudio: Worlds, blocksize: int | None) -> None:
    world = coreaudio(3, switches={"first_cycle_frames": 1})
    sizes: list[int] = []
    position = 0

    def callback(block: vc.Block) -> None:
        nonlocal position
        sizes.append(block.frames)
        block.output[:] = coded(position, *block.output.shape)
        position += block.frames

    with vc.OutputStream(callback, driver=world.driver, blocksize=blocksize) as stream:
        world.advance(0.2)
        stream.abort()
    if blocksize is None:
        assert sizes[0] == 256
        assert set(sizes[1:]) == {512}
    assert_coded(world.device("USBDuplex:1").heard())


# ---- time --------------------------------------------------------------------------------------


@pytest.mark.parametrize("timebase", [(1, 1), (125, 3), (1000000000, 33333335), (3, 125)])
def test_host_times_are_ns_on_every_timebase(coreaudio: Worlds, timebase: tuple[int, int]) -> None:
    world = coreaudio(8, timebase=timebase)
    keeper = Keeper()
    with vc.Stream(keeper, driver=world.driver) as stream:
        before = world.now_ns()
        world.advance(0.2)
        now = world.now_ns()
        assert abs(stream.now_ns() - now) <= max(1, timebase[0] // timebase[1])
        stream.abort()
    for now_ns, input_ns, _, output_ns, _ in keeper.times:
        assert before <= now_ns <= now  # type: ignore[operator]
        assert input_ns < now_ns < output_ns  # type: ignore[operator]
    steps = np.diff([time[0] for time in keeper.times])  # type: ignore[arg-type]
    assert np.allclose(steps, 512 / 48_000 * 1e9, atol=100)


@pytest.mark.parametrize("host_time", [1, 2])
def test_host_times_that_are_missing_or_past_are_derived(coreaudio: Worlds, host_time: int) -> None:
    seen = []
    for switch in (0, host_time):
        world = coreaudio(8, switches={"host_time": switch})
        keeper = Keeper()
        with vc.Stream(keeper, driver=world.driver) as stream:
            world.advance(0.2)
            stream.abort()
        seen.append(np.array(keeper.times, np.int64))
    assert np.abs(seen[0] - seen[1]).max() <= 2


def test_ticks_are_exact_and_do_not_overflow() -> None:
    year = 365 * 24 * 3600 * 10**9
    for numerator, denominator in [(1, 1), (125, 3), (1000000000, 24000000)]:
        for ns in (0, 1, 10**9, year, 100 * year):
            ticks = ns * denominator // numerator
            assert (
                _hal.ticks_to_ns(numerator, denominator, ticks) == ticks * numerator // denominator
            )
            back = _hal.ns_to_ticks(numerator, denominator, ns)
            assert back == -(-ns * denominator // numerator)


@pytest.mark.parametrize("restart", [0, 1])
def test_sample_times_begin_anew_or_jump_with_another_run(coreaudio: Worlds, restart: int) -> None:
    world = coreaudio(3, switches={"buffer_change": 2, "restart_sample_time": restart})
    driver, device = world.driver, world.device("USBDuplex:1")
    keeper = Keeper()
    with vc.OutputStream(keeper, driver=driver) as stream:
        world.advance(0.2)
        driver.call("", lambda: driver.hal.set_u32(device.id, "fsiz", 256), 10.0)
        world.advance(0.2)
        stream.abort()
    assert len(device.runs()) == 2
    assert (np.diff([time[0] for time in keeper.times]) > 0).all()  # type: ignore[arg-type]
    assert stream.statistics().xruns == restart


@pytest.mark.parametrize("restart", [0, 1])
def test_another_run_of_a_stream_goes_on_by_host_time(coreaudio: Worlds, restart: int) -> None:
    world = coreaudio(3, switches={"restart_sample_time": restart})
    callback = TimedOutput()
    stream = vc.OutputStream(callback, driver=world.driver)
    firsts = []
    for _ in range(3):
        firsts.append(len(callback.frames))
        stream.start()
        world.advance(0.2)
        stream.abort()
        world.advance(10)
    stream.close()
    for first in firsts[1:]:
        callback.assert_one_time_line(first, stream.samplerate, slack_frames=1)
        assert callback.now[first][0] - callback.now[first - 1][0] >= 10 * stream.samplerate
    assert stream.statistics().xruns == 0


# ---- overload ----------------------------------------------------------------------------------


@pytest.mark.parametrize("duplicates", [0, 1])
@pytest.mark.parametrize("scope", [0, 1, 2])
@pytest.mark.parametrize("lost_cycles", [0, 1, 3])
def test_an_overload_is_an_event_with_the_frames_that_it_cost(
    coreaudio: Worlds, scope: int, lost_cycles: int, duplicates: int
) -> None:
    switches = {"overload_scope": scope, "notify_duplicates": duplicates}
    world = coreaudio(3, switches=switches)
    with vc.OutputStream(lambda block: None, driver=world.driver) as stream:
        world.advance(0.1)
        world.device("USBDuplex:1").overload(lost_cycles)
        world.advance(0.1)
        events = stream.events()
        stream.abort()
    overloads = [event for event in events if event.kind == "overload"]
    xruns = [event for event in events if event.kind == "xrun"]
    assert [event.value for event in overloads] == [512 * lost_cycles]
    assert [event.value for event in xruns] == [512 * lost_cycles] * (lost_cycles > 0)
    assert stream.statistics().lost_frames == 512 * lost_cycles, "the overload is counted once"
    assert stream.statistics().overloads == 1
    assert 3600e9 < overloads[0].host_ns < world.now_ns()
    assert stream.events() == [event for event in stream.events() if event.kind == "finished"]


def test_overloads_are_counted_across_a_lost_device(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    device = world.device("USBDuplex:1")
    stream = vc.OutputStream(lambda block: None, driver=world.driver, on_device_lost="wait")
    with stream:
        for lost in (False, True):
            world.advance(0.1)
            device.overload(1)
            world.advance(0.1)
            assert stream.statistics().overloads == 1 + lost
            if not lost:
                device.remove()
                world.advance(0.01)
                until(lambda: stream.state == "waiting")
                assert stream.statistics().overloads == 1
                device.replug()
                world.advance(0.01)
                until(lambda: stream.state == "running")
        stream.abort()


@pytest.mark.parametrize("overload_output", [0, 1])
def test_a_callback_that_takes_too_long_is_late_and_overloads(
    coreaudio: Worlds, overload_output: int
) -> None:
    world = coreaudio(3, switches={"overload_output": overload_output})
    blocks = 0

    def callback(block: vc.Block) -> None:
        nonlocal blocks
        blocks += 1
        if blocks == 5:
            world.spend_ns(25_000_000)

    with vc.OutputStream(callback, driver=world.driver) as stream:
        world.advance(0.3)
        stream.abort()
    counted, kinds = stream.statistics(), [event.kind for event in stream.events()]
    assert counted.late_cycles == 1
    assert counted.overloads == 1
    assert counted.busy_max_s == pytest.approx(0.025, abs=1e-3)
    assert counted.lost_frames == 1024
    assert sorted(kinds) == ["late", "overload", "xrun"]


# ---- floating point ----------------------------------------------------------------------------


def test_denormals_are_flushed_and_the_mode_is_given_back(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    results = []

    def callback(block: vc.Block) -> None:
        tiny = np.full(4, 1e-39, np.float32)
        results.append(float((tiny * np.float32(1.0)).sum()))
        block.output[:] = np.float32(1e-39)

    with vc.OutputStream(callback, driver=world.driver) as stream:
        world.advance(0.1)
        stream.abort()
    assert set(results) == {0.0}
    assert float(np.float32(1e-39) * np.float32(1.0)) != 0.0, "other threads keep their mode"


def test_floating_point_exceptions_that_are_unmasked_do_not_end_the_process(
    coreaudio: Worlds,
) -> None:
    world = coreaudio(3, switches={"fp_exceptions": 1})
    results = []

    def callback(block: vc.Block) -> None:
        with np.errstate(all="ignore"):
            results.append(np.float32(1.0) / np.zeros(4, np.float32))

    with vc.OutputStream(callback, driver=world.driver) as stream:
        world.advance(0.1)
        stream.abort()
    assert len(results) > 5
    assert np.isinf(results[0]).all()


@pytest.mark.parametrize(
    "keep",
    [
        lambda block: block.output[3:5],
        lambda block: block.output.reshape(-1),
        lambda block: block.input[::2],
    ],
)
def test_an_escaped_reference_to_coreaudios_memory_is_found(coreaudio: Worlds, keep: Any) -> None:
    world = coreaudio(8)
    kept = []
    stream = vc.Stream(lambda block: kept.append(keep(block)), driver=world.driver, zero_copy=True)
    stream.start()
    world.advance(0.1)
    with pytest.raises(vc.EscapedBlockError, match=r"\.copy\(\)"):
        stream.wait(5)
    assert len(kept) == 1
    stream.close()
    assert world.driver.kept_ioprocs == 0


# ---- real time ---------------------------------------------------------------------------------


def test_nothing_that_may_wait_is_called_in_a_cycle(coreaudio: Worlds) -> None:
    world = coreaudio(4)
    with vc.Stream(lambda block: None, driver=world.driver, channels=12) as stream:
        world.advance(1.0)
        stream.abort()
    assert world.counter("rt_violations") == 0
    assert world.counter("deadlocks") == 0


def test_the_ioproc_in_real_time(coreaudio: Worlds) -> None:
    world = coreaudio(8, clock="real")
    done = []

    def callback(block: vc.Block) -> None:
        done.append(block.frames)
        if len(done) == 10:
            raise vc.Stop

    with vc.OutputStream(callback, driver=world.driver) as stream:
        assert stream.wait(20)
    assert len(done) == 10


def test_a_new_io_thread_with_the_number_of_the_last_one(coreaudio: Worlds, tmp_path: Path) -> None:
    """A new thread may have the pthread_t of a thread that has ended. It must not use the thread
    state of the old thread.
    """
    caller = ctypes.CDLL(
        str(shared_library("ioproc.c", tmp_path, "coreaudio_abi", "voicecoil/drivers/coreaudio"))
    )
    run = caller.vc_test_ioproc_on_a_new_thread
    run.argtypes, run.restype = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint32), ctypes.c_ulong
    bound = []
    world = coreaudio(4, switches={"callbacks_never": 1})
    stream = vc.OutputStream(
        lambda block: bound.append(ctypes.pythonapi.PyGILState_Check()),
        driver=world.driver,
        latency="low",
    )
    stream.start()
    ioproc = stream._connection.driver_stream._ioproc  # type: ignore[union-attr]
    numbers = {run(_hal.ioproc_address(), ioproc.address, 3) for _ in range(5)}
    stream.close()
    assert len(numbers) < 5, "no thread identifier was used again"
    assert len(bound) == 15
    assert all(bound)
