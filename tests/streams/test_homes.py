"""Callbacks that run ahead of the device, with a lead. Tests the lead, gaps, and a stream's end."""

from __future__ import annotations

import subprocess
import sys
import threading
from functools import partial
from typing import Any

import numpy as np
import pytest

import voicecoil as vc
from coded import assert_coded, coded
from driver_contract import CodedOutput
from losing import came_back, two_devices, unplug
from rig import needs_a_gil, until
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver

CYCLE_S = 64 / 48_000


def device(**shape: Any) -> tuple[VirtualDevice, VirtualDriver]:
    virtual = VirtualDevice(**{"frames": 64, **shape})
    virtual.capture()
    return virtual, VirtualDriver([virtual])


# ---- length of the lead -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frames", "latency", "lead"),
    [
        (64, "safe", 2880),  # 60 ms
        (512, "safe", 3072),  # 60 ms in whole cycles
        (4096, "safe", 8192),  # two cycles
        (64, 0.01, 512),
        (64, 1e-9, 64),  # at least one cycle
        (512, np.float32(0.5), 24064),
        (64, "low", 0),
    ],
)
def test_lead_frames_is_the_lead_in_force(frames: int, latency: Any, lead: int) -> None:
    _, driver = device(frames=frames)
    for kind in (vc.OutputStream, vc.InputStream, vc.Stream):
        stream = kind(lambda block: None, driver=driver, latency=latency)
        assert stream.lead_frames == lead
        latencies = stream.latency if isinstance(stream.latency, tuple) else (stream.latency,)
        heard_later = lead if kind is not vc.InputStream else 0
        assert latencies[-1].lead_frames == heard_later
        assert sum(latency.lead_frames for latency in latencies) == heard_later
        stream.close()


def test_safe_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # removes the settings that conftest.py makes for other tests
    _, driver = device()
    with vc.OutputStream(lambda block: None, driver=driver) as stream:
        assert stream.lead_frames == 2880


def test_duplex_blocks_that_do_not_fit_cost_one_more() -> None:
    _, driver = device()
    stream = vc.Stream(lambda block: None, driver=driver, latency=CYCLE_S, blocksize=100)
    assert (stream.lead_frames, stream.blocksize) == (164, 100)
    stream.close()


def test_native_code_needs_no_lead() -> None:
    from voicecoil.native import ctypes_type

    _, driver = device()
    native = ctypes_type()(lambda *arguments: 0)
    stream = vc.OutputStream(native, driver=driver, latency="safe")
    assert stream.lead_frames == 0
    stream.close()
    with pytest.raises(vc.ArgumentError, match="needs no lead"):
        vc.OutputStream(native, driver=driver, latency=0.1)


def test_the_callback_runs_on_the_worker_thread() -> None:
    virtual, driver = device(clock="stepped")
    threads = set()
    for latency in ("low", "safe"):
        with vc.OutputStream(
            lambda block: threads.add(threading.get_ident()), driver=driver, latency=latency
        ) as stream:
            virtual.step(3)
            stream.abort()
    assert len(threads) == 2


# ---- time ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("blocksize", [None, 16, 100])
def test_blocks_are_heard_when_they_say(blocksize: int | None) -> None:
    virtual, driver = device(clock="stepped", latency_frames=(10, 33))
    times: list[tuple[int, int, int, int]] = []

    def callback(block: vc.Block) -> None:
        time = block.time
        times.append((time.output_frames, time.output_ns, time.input_frames, time.input_ns))  # type: ignore[arg-type]

    with vc.Stream(callback, driver=driver, latency=4 * CYCLE_S, blocksize=blocksize) as stream:
        virtual.step(20)
        stream.abort()
        trip = sum(latency.frames for latency in stream.latency)
        size = stream.blocksize
    output, output_ns, inputs, input_ns = np.array(times, np.int64).T
    assert (output - inputs == trip).all()
    assert (np.diff(inputs) == size).all()
    assert inputs[0] == -74, "one input latency before the first cycle"
    assert abs(output_ns - input_ns - trip * 1e9 / 48_000).max() <= 2


# ---- GIL ----------------------------------------------------------------------------------------


@needs_a_gil
def test_blocks_that_are_due_together_are_made_in_one_visit() -> None:
    """The worker keeps the GIL between these blocks. Otherwise a thread that computes would get the
    GIL, and the next block would wait for that thread.
    """
    virtual, driver = device(clock="stepped", frames=4096, input_channels=0)
    due = 4096 // 16
    blocks = 0
    may_run = threading.Semaphore(0)
    ran_after: list[int] = []

    def callback(block: vc.Block) -> None:
        nonlocal blocks
        if blocks % due == 0:
            may_run.release()
        blocks += 1

    def other() -> None:
        while may_run.acquire() and blocks < 50 * due:
            ran_after.append(blocks)

    thread = threading.Thread(target=other, daemon=True)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(100.0)  # no thread takes the GIL from another one
    try:
        with vc.OutputStream(callback, driver=driver, blocksize=16, latency="safe") as stream:
            virtual.step(1)
            blocks = 0
            thread.start()
            while blocks < 50 * due:
                virtual.step(1)
            assert stream.statistics().lost_frames == 0
            stream.abort()
    finally:
        sys.setswitchinterval(interval)
        may_run.release()
    thread.join(10)
    assert ran_after
    assert [after for after in ran_after if after % due] == []


# In this program, the callback calls C code that takes longer than a block lasts, and does not
# release the GIL.
TOO_SLOW = """
import functools
import voicecoil as vc
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver

kept = [None] * 2_000_000
driver = VirtualDriver([VirtualDevice("Real", frames=64, input_channels=0)])
callback = functools.partial(kept.insert, 0)
with vc.OutputStream(callback, driver=driver, blocksize=16, latency="safe") as stream:
    while len(kept) < 2_000_050:
        pass
    stream.abort()
"""


def test_a_callable_that_is_c_code_and_too_slow_leaves_the_program_running() -> None:
    done = subprocess.run(
        [sys.executable, "-c", TOO_SLOW], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")


# ---- gaps ---------------------------------------------------------------------------------------


def starve(latency: float, held: str) -> tuple[vc.Event, np.ndarray[Any, Any], list[int]]:
    """Plays on a device in real time. The device gets no frames after the tenth block, because the
    callback waits (`held` is "callback") or another thread holds the GIL ("waiting").
    """
    virtual, driver = device(input_channels=0)
    xruns: list[int] = []
    blocks = 0

    def callback(block: vc.Block) -> None:
        nonlocal blocks
        xruns.append(block.xrun)
        block.output[:] = 0.5
        blocks += 1
        if blocks == 10 and held == "callback":
            until(
                lambda: stream.statistics().lost_frames > 300
            )  # 300 frames are longer than a fade
        if blocks == 200:
            raise vc.Stop

    stream = vc.OutputStream(callback, driver=driver, latency=latency)
    with stream:
        if held == "waiting":
            until(lambda: blocks > 10)
            interval = sys.getswitchinterval()
            sys.setswitchinterval(100.0)  # this thread keeps the GIL
            try:
                while stream.statistics().lost_frames <= 300:
                    pass
            finally:
                sys.setswitchinterval(interval)
        assert stream.wait(20)
        xrun = next(event for event in stream.events() if event.kind == "xrun")
        assert stream.statistics().lost_frames >= xrun.value > 0
    return xrun, virtual.heard()[:, 0], xruns


@pytest.mark.parametrize("held", ["callback", pytest.param("waiting", marks=needs_a_gil)])
def test_a_gap_is_counted_with_its_cause_and_faded(held: str) -> None:
    for _ in range(20):
        xrun, heard, xruns = starve(0.02, held)
        if xrun.cause == held:  # on a busy machine, a gap may have another cause
            break
    assert xrun.cause == held
    assert sum(xruns) >= xrun.value, "the callback saw the lost frames in block.xrun"
    assert np.count_nonzero(heard == 0.5) > 0
    assert (heard == 0).any(), "the gap is silent"
    assert np.abs(np.diff(heard)).max() < 0.5 / 100, "the output has no step"


def test_nothing_that_was_made_is_lost_in_a_gap() -> None:
    _, heard, xruns = starve(0.02, "callback")
    gap = len(heard) - 200 * 64
    assert 0 < gap <= sum(xruns)


# ---- end of a stream ----------------------------------------------------------------------------


def reached(callback: CodedOutput, blocks: int) -> bool:
    return callback.blocks >= blocks


@pytest.mark.parametrize("end", ["stop", "Stop", "abort"])
def test_frames_heard_after_stop_and_after_abort(end: str) -> None:
    """After stop(), all frames that the callback made are heard. After abort(), the frames of the
    lead are not heard.
    """
    for _ in range(20):
        virtual, driver = device()
        callback = CodedOutput(stop_after_blocks=80 if end == "Stop" else None)
        stream = vc.OutputStream(callback, driver=driver, latency=0.05)
        with stream:
            until(partial(reached, callback, 80))
            if end == "Stop":
                assert stream.wait(10)
            else:
                getattr(stream, end)()
            xruns = stream.statistics().latest_xruns
        if not any(
            xrun.cause == "worker" for xrun in xruns
        ):  # else repeated, as the machine was busy
            break
    assert xruns == ()
    heard = virtual.heard()
    assert_coded(heard)
    assert len(heard) == callback.position if end != "abort" else len(heard) < callback.position


def test_stop_takes_the_input_that_has_come() -> None:
    _, driver = device()
    seen: list[Any] = []
    go = threading.Event()

    def callback(block: vc.Block) -> None:
        seen.append(block.time.input_frames)
        go.wait(20)

    stream = vc.InputStream(callback, driver=driver, latency=1.0)
    stream.start()
    until(lambda: stream.statistics().cycles > 50)
    threading.Timer(0.0, go.set).start()
    stream.stop()
    counted = stream.statistics()
    stream.close()
    assert len(seen) >= 50
    assert np.array_equal(np.diff(seen), [64] * (len(seen) - 1))
    assert counted.xruns == 0


def test_an_error_ends_it_at_once() -> None:
    virtual, driver = device(clock="stepped")
    blocks = 0

    def callback(block: vc.Block) -> None:
        nonlocal blocks
        block.output[:] = coded(blocks * 64, 64, 2)
        blocks += 1
        if blocks == 5:
            raise LookupError

    stream = vc.OutputStream(callback, driver=driver, latency=3 * CYCLE_S)
    stream.start()
    virtual.step(20)
    with pytest.raises(LookupError):
        stream.wait(5)
    stream.close()
    assert blocks == 5
    assert_coded(virtual.heard())


def test_it_starts_again() -> None:
    virtual, driver = device(clock="stepped")
    callback = CodedOutput()
    stream = vc.OutputStream(callback, driver=driver, latency=2 * CYCLE_S)
    for run in range(3):
        stream.start()
        virtual.step(6)
        stream.abort()
        assert callback.blocks == 6 * (run + 1)
    stream.close()


def test_a_callback_that_does_not_return_is_reported_and_nothing_is_freed() -> None:
    _, driver = device()
    inside, go = threading.Event(), threading.Event()

    def callback(block: vc.Block) -> None:
        inside.set()
        go.wait(60)

    stream = vc.OutputStream(callback, driver=driver, latency="safe")
    stream.start()
    assert inside.wait(20)
    connection = stream._connection
    assert connection is not None
    with pytest.raises(vc.StreamTimeoutError, match=r"did not return within 0\.1 s"):
        connection.close(0.1)
    go.set()
    stream.close()
    assert stream.state == "closed"


# ---- devices that come and go -------------------------------------------------------------------


def test_on_another_device_the_lead_fits_its_cycles() -> None:
    one, two, driver = two_devices(frames=512)
    callback = CodedOutput()
    with vc.OutputStream(
        callback, driver=driver, latency=2 * CYCLE_S, on_device_lost="default"
    ) as stream:
        one.step(10)
        assert (stream.lead_frames, callback.position) == (128, 640)
        unplug(one)
        came_back(stream)
        assert (stream.lead_frames, stream.blocksize) == (512, 64)
        two.step(4)
        stream.abort()
    assert_coded(one.heard())
    assert len(one.heard()) == 640 - 128
    assert callback.position == 640 + 4 * 512, "frames made for the former lead are not heard"
    assert_coded(two.heard(), 640)
    assert len(two.heard()) == 3 * 512


def test_frames_in_the_lead_are_heard_on_the_other_device() -> None:
    one, two, driver = two_devices()
    callback = CodedOutput()
    with vc.OutputStream(
        callback, driver=driver, latency=4 * CYCLE_S, on_device_lost="default"
    ) as stream:
        one.step(10)
        unplug(one)
        came_back(stream)
        two.step(10)
        stream.abort()
    heard = np.concatenate([one.heard(), two.heard()])
    assert_coded(heard)
    assert len(heard) == callback.position - stream.lead_frames


def test_a_device_that_is_not_there_yet() -> None:
    virtual, driver = device(clock="stepped")
    here = driver.devices()[0]
    driver.virtual_devices.remove(virtual)
    callback = CodedOutput()
    with vc.OutputStream(
        callback, driver=driver, device=here, latency=2 * CYCLE_S, on_device_lost="wait"
    ) as stream:
        assert stream.blocksize == 512
        driver.virtual_devices.append(virtual)
        came_back(stream)
        virtual.step(20)
        stream.abort()
        assert stream.lead_frames == 128
    assert_coded(virtual.heard())
    assert len(virtual.heard()) == 18 * 64


# ---- floating-point mode ------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["low", "safe", "converts", "render"])
def test_denormals_are_zero_in_every_home_and_nowhere_else(where: str) -> None:
    """The same callback must compute the same samples in each home."""
    seen: set[tuple[float, float]] = set()

    def compute() -> tuple[float, float]:
        small, tiny = np.full(2, 1e-20, np.float32), np.full(2, 1e-40, np.float32)
        # The product is denormal. In the other product, an operand is.
        return float((small * small)[0]), float((tiny * np.float32(2.0**20))[0])

    if where == "render":
        vc.render(lambda block: seen.add(compute()), frames=64)
    else:
        virtual, driver = device(clock="stepped")
        given: dict[str, Any] = {"latency": where}
        if where == "converts":
            given = {"latency": "safe", "samplerate": 44_100}
        with vc.OutputStream(lambda block: seen.add(compute()), driver=driver, **given) as stream:
            virtual.step(60)
            stream.abort()
    assert seen == {(0.0, 0.0)}
    assert min(compute()) > 0.0
