"""The contents of a block, and the ways in which a stream ends."""

from __future__ import annotations

import contextlib
import gc
import sys
import threading
import weakref
from collections.abc import Iterator

import numpy as np
import pytest

import voicecoil as vc
from rig import until
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver

pytestmark = pytest.mark.usefixtures("home")


def lead_cycles(stream: vc.OutputStream) -> int:
    """Returns the number of silent cycles before the first block is heard."""
    return stream.lead_frames // 64


def test_block_is_one_object_with_one_array(stepped: VirtualDevice, driver: VirtualDriver) -> None:
    seen: set[tuple[int, int, int]] = set()

    def callback(block: vc.Block) -> None:
        seen.add((id(block), id(block.output), id(block.time)))

    with vc.OutputStream(callback, driver=driver) as stream:
        stepped.step(10)
        stream.abort()
    assert len(seen) == 1


@pytest.mark.parametrize("stepped", ["virtual"], indirect=True)
def test_block_facts(stepped: VirtualDevice, driver: VirtualDriver) -> None:
    facts = {}

    def callback(block: vc.Block) -> None:
        facts.update(
            frames=block.frames,
            samplerate=block.samplerate,
            input=(block.input.shape, block.input.dtype, block.input.flags.writeable),
            output=(block.output.shape, block.output.dtype, block.output.flags.writeable),
            silent=not block.output.any(),
            xrun=block.xrun,
            now_ns=block.time.now_ns,
            latency=block.time.output_frames - block.time.input_frames,  # type: ignore[operator]
            repr=repr(block),
            time_repr=repr(block.time),
        )

    with vc.Stream(callback, driver=driver, input_channels=1) as stream:
        stepped.step(1)
        stream.abort()
        assert facts["latency"] == sum(latency.frames for latency in stream.latency)
    assert facts["frames"] == 64
    assert facts["samplerate"] == 48000
    assert facts["input"] == ((64, 1), np.float32, False)
    assert facts["output"] == ((64, 2), np.float32, True)
    assert facts["silent"]
    assert facts["xrun"] == 0
    assert isinstance(facts["now_ns"], int)
    assert facts["repr"] == "<Block of 64 frames at 48000.0 Hz, input, output>"
    assert f"output_frames={stream.latency[1].frames}" in facts["time_repr"]


def test_input_cannot_be_written(stepped: VirtualDevice, driver: VirtualDriver) -> None:
    def callback(block: vc.Block) -> None:
        block.input[:] = 1

    stream = vc.InputStream(callback, driver=driver)
    stream.start()
    stepped.step(1)
    with pytest.raises(ValueError, match="read-only"):
        stream.close()


def test_memoryview_arrays_do_not_need_numpy(stepped: VirtualDevice, driver: VirtualDriver) -> None:
    stepped.capture()

    def callback(block: vc.Block) -> None:
        assert isinstance(block.output, memoryview)
        assert block.output.shape == (block.frames, 2)
        block.output[0, 0] = 0.5
        block.output[block.frames - 1, 1] = 0.25

    with vc.OutputStream(callback, driver=driver, arrays="memoryview") as stream:
        stepped.step(1 + lead_cycles(stream))
        stream.abort()
    heard = stepped.heard()
    assert heard[0, 0] == 0.5
    assert heard[63, 1] == 0.25
    assert np.count_nonzero(heard) == 2


def test_a_kept_view_shows_later_sound_never_freed_memory(
    stepped: VirtualDevice, driver: VirtualDriver
) -> None:
    kept = []

    def callback(block: vc.Block) -> None:
        if not kept:
            kept.append(block.output[:, 0])
        block.output[:] += 0.5

    with vc.OutputStream(callback, driver=driver) as stream:
        stepped.step(2)
        stream.abort()
    del stream
    gc.collect()
    assert (kept[0] == 0.5).all()


def test_nan_is_silence_and_counted(stepped: VirtualDevice, driver: VirtualDriver) -> None:
    stepped.capture()

    def callback(block: vc.Block) -> None:
        block.output[:] = 0.5
        block.output[3, 1] = np.nan
        block.output[5, 0] = -np.inf

    with vc.OutputStream(callback, driver=driver) as stream:
        stepped.step(2 + lead_cycles(stream))
        stream.abort()
        assert stream.statistics().nonfinite_samples == 4
    heard = stepped.heard()
    assert np.isfinite(heard).all()
    assert heard[3, 1] == 0
    assert heard[5, 0] == 0
    assert np.count_nonzero(heard) == heard.size - 4


# ---- states ------------------------------------------------------------------------------------


def test_stop_from_the_callback_returns_at_once(
    stepped: VirtualDevice, driver: VirtualDriver
) -> None:
    blocks = 0

    def callback(block: vc.Block) -> None:
        nonlocal blocks
        blocks += 1
        if blocks == 2:
            stream.stop()

    stream = vc.OutputStream(callback, driver=driver)
    stream.start()
    stepped.step(60)  # the device first plays the lead
    assert stream.wait(5)
    assert blocks == 2
    stream.close()


@pytest.mark.parametrize("method", ["wait", "start"])
def test_calls_that_are_refused_in_a_callback(
    method: str, stepped: VirtualDevice, driver: VirtualDriver
) -> None:
    def callback(block: vc.Block) -> None:
        getattr(stream, method)()

    stream = vc.OutputStream(callback, driver=driver)
    stream.start()
    stepped.step(1)
    with pytest.raises(vc.StreamStateError):
        stream.wait(5)
    stream.close()


def test_close_from_its_own_callback() -> None:
    closed = threading.Event()
    driver = VirtualDriver([VirtualDevice(frames=64)])

    def callback(block: vc.Block) -> None:
        stream.close()
        closed.set()

    stream = vc.OutputStream(callback, driver=driver)
    stream.start()
    assert closed.wait(10)
    connection = stream._connection
    assert connection is not None
    with (
        connection.lock
    ):  # waits for the control thread, which holds this lock while it closes the stream
        pass
    while stream.state != "closed":
        threading.Event().wait(0.001)


def test_dropped_streams_and_their_callbacks_are_freed() -> None:
    class Instrument:
        def __init__(self) -> None:
            device = VirtualDevice(frames=64)
            self.stream = vc.OutputStream(self.play, driver=VirtualDriver([device]))
            self.stream.start()

        def play(self, block: vc.Block) -> None:
            pass

    instrument = Instrument()
    alive = weakref.ref(instrument)
    connection = weakref.ref(instrument.stream._connection)
    del instrument
    for _ in range(2000):
        gc.collect()
        if connection() is None:
            break
        threading.Event().wait(0.005)
    assert connection() is None, "the control thread closes and releases the connection"
    assert alive() is None


def test_statistics_from_inside_the_callback(stepped: VirtualDevice, driver: VirtualDriver) -> None:
    counts = []

    def callback(block: vc.Block) -> None:
        counts.append(stream.statistics().cycles)

    stream = vc.OutputStream(callback, driver=driver)
    stream.start()
    stepped.step(3)
    stream.abort()
    stream.close()
    assert counts == [0, 1, 2]
    with pytest.raises(AttributeError):
        stream.statistics().cycles = 5  # type: ignore[misc]


@pytest.mark.parametrize("stepped", ["virtual"], indirect=True)
def test_xrun_is_an_event_a_count_and_a_fact_of_the_block(
    stepped: VirtualDevice, driver: VirtualDriver
) -> None:
    xruns = []

    def callback(block: vc.Block) -> None:
        xruns.append(block.xrun)

    stream = vc.OutputStream(callback, driver=driver)
    stream.start()
    stepped.step(2)
    stepped.inject("xrun", 640)
    stepped.step(2)
    stream.abort()
    counted = stream.statistics()
    events = [event for event in stream.events() if event.kind == "xrun"]
    stream.close()
    assert xruns == [0, 0, 640, 0]
    assert (counted.xruns, counted.lost_frames) == (1, 640)
    assert [(event.value, event.sample_frames) for event in events] == [(640, 128 + 640)]


@pytest.mark.parametrize("stepped", ["virtual"], indirect=True)
def test_a_late_cycle_is_counted_with_its_duration(
    stepped: VirtualDevice, driver: VirtualDriver
) -> None:
    stream = vc.OutputStream(lambda block: None, driver=driver)
    stream.start()
    stepped.step(1)
    stepped.inject("late", 5_000_000)
    stepped.step(2)
    stream.abort()
    counted = stream.statistics()
    events = [event for event in stream.events() if event.kind == "late"]
    stream.close()
    assert counted.late_cycles == 1
    assert [event.value for event in events] == [5_000_000]
    assert counted.busy_max_s == 0.005


def test_rate_change_under_a_stream(stepped: VirtualDevice, driver: VirtualDriver) -> None:
    stream = vc.OutputStream(lambda block: None, driver=driver)
    stream.start()
    stepped.step(1)
    stepped.inject("rate", 44100)
    stepped.step(1)
    with pytest.raises(vc.DeviceLostError, match="sample rate"):
        stream.stop()
    stream.close()
    with vc.OutputStream(lambda block: None, driver=driver) as again:
        assert again.samplerate == 44100
        stepped.step(1)
        again.abort()


def test_a_second_stream_at_another_rate_is_refused(
    stepped: VirtualDevice, driver: VirtualDriver
) -> None:
    with vc.OutputStream(
        lambda block: None, driver=driver, samplerate=44100, device_rate="set"
    ) as stream:
        with pytest.raises(vc.ArgumentError, match="runs at 44100 Hz for another stream"):
            vc.OutputStream(lambda block: None, driver=driver, samplerate=96000, device_rate="set")
        with vc.OutputStream(lambda block: None, driver=driver) as other:
            assert other.samplerate == 44100
            other.abort()
        stream.abort()


def test_no_thread_is_left(stepped: VirtualDevice, driver: VirtualDriver) -> None:
    before = set(threading.enumerate())
    with vc.OutputStream(lambda block: None, driver=driver) as stream:
        stepped.step(1)
        stream.abort()
    # These threads may remain. The second one ends after some time without calls. Waiting is
    # necessary, because an earlier test may have dropped a stream that a thread is now closing.
    lasting = {"voicecoil control", "voicecoil coreaudio-simulated"}
    until(lambda: {t.name for t in set(threading.enumerate()) - before} <= lasting)


def test_reference_counts_do_not_grow(stepped: VirtualDevice, driver: VirtualDriver) -> None:
    def callback(block: vc.Block) -> None:
        pass

    with vc.OutputStream(callback, driver=driver) as stream:
        stepped.step(2)
        before = sys.getrefcount(callback), sys.getrefcount(None)
        stepped.step(1000)
        after = sys.getrefcount(callback), sys.getrefcount(None)
        stream.abort()
    assert after[0] == before[0]
    assert abs(after[1] - before[1]) < 100


def test_stepping_in_slices_runs_each_cycle_once(
    stepped: VirtualDevice, driver: VirtualDriver
) -> None:
    blocks = 0
    slow = threading.Event()

    def callback(block: vc.Block) -> None:
        nonlocal blocks
        blocks += 1
        slow.wait(0.004)  # a step waits in slices of 50 ms, which now end within a cycle

    stream = vc.OutputStream(callback, driver=driver)
    stream.start()
    stepped.step(30)
    assert blocks == 30
    stepped.step(30)
    assert blocks == 60
    stream.abort()
    stream.close()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # newer versions of NumPy warn of it
def test_an_array_whose_own_shape_was_changed_ends_the_stream() -> None:
    device = VirtualDevice(clock="stepped", frames=64, pattern=(64, 32, 48))

    def callback(block: vc.Block) -> None:
        block.output.shape = (block.frames, 2, 1)

    stream = vc.OutputStream(callback, driver=VirtualDriver([device]))
    stream.start()
    device.step(5)
    with pytest.raises(vc.CallbackResultError, match="reshape"):
        stream.wait(5)
    assert stream.statistics().blocks == 2
    stream.close()


def test_streams_come_and_go_from_several_threads_on_one_device() -> None:
    driver = VirtualDriver([VirtualDevice(frames=32)])
    failures: list[BaseException] = []

    def come_and_go() -> None:
        try:
            for _ in range(60):
                stream = vc.OutputStream(lambda block: None, driver=driver)
                stream.start()
                stream.close()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=come_and_go) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)
    assert failures == []


def test_another_streams_callback_may_stop_and_close_a_stream() -> None:
    driver = VirtualDriver([VirtualDevice(frames=64)])
    other = vc.OutputStream(lambda block: None, driver=driver)

    def callback(block: vc.Block) -> None:
        other.stop()
        other.close()
        raise vc.Stop

    other.start()
    with vc.OutputStream(callback, driver=driver) as stream:
        assert stream.wait(3), "the stream ended although its callback called stop()"
    while other.state != "closed":
        threading.Event().wait(0.001)


class InterruptedDriver(VirtualDriver):
    """A driver that raises KeyboardInterrupt when it releases the session for listing devices."""

    @contextlib.contextmanager
    def shared_session(self) -> Iterator[None]:
        yield
        raise KeyboardInterrupt


def test_a_device_is_given_back_when_its_opening_is_interrupted_at_the_very_end() -> None:
    device = VirtualDevice(frames=64, samplerate=48_000)
    with pytest.raises(KeyboardInterrupt):
        vc.OutputStream(lambda block: None, driver=InterruptedDriver([device]))
    driver = VirtualDriver([device])
    with vc.OutputStream(
        lambda block: None, driver=driver, samplerate=44_100, device_rate="set"
    ) as stream:
        assert stream.samplerate == 44_100, "the interrupted opening released the device"
