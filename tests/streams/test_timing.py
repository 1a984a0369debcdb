"""Measurements of a stream (histograms, the newest xruns, late cycles), and how a callback gets the
GIL.
"""

from __future__ import annotations

import ctypes
import gc
import re
import sys
import threading
from array import array
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

import voicecoil as vc
from rig import needs_a_gil, until
from voicecoil import _core
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver
from voicecoil.statistics import Histogram


def playing(latency: Any = "low", **shape: Any) -> vc.OutputStream:
    """Returns a stream on a device in real time."""
    driver = VirtualDriver([VirtualDevice(frames=64, **shape)])
    return vc.OutputStream(lambda block: None, driver=driver, latency=latency)


# ---- histograms ---------------------------------------------------------------------------------


def histogram(**counts: int) -> Histogram:
    """Makes a histogram from counts of its buckets, whose names are `b0`, `b1` and so on."""
    all_counts = array("Q", bytes(304 * 8))
    for bucket, count in counts.items():
        all_counts[int(bucket[1:])] = count
    return Histogram(all_counts.tobytes())


def test_an_empty_histogram() -> None:
    empty = Histogram()
    assert (empty.count, empty.median_s, empty.max_s, empty.buckets()) == (0, 0.0, 0.0, [])


def test_quantiles() -> None:
    made = histogram(b0=50, b7=49, b8=1)
    assert made.count == 100
    assert made.median_s == made.min_s == 1e-9
    assert made.p99_s == 8e-9
    assert made.max_s == 9e-9
    assert made.quantile_s(0.5001) == 8e-9
    assert made.buckets() == [(1e-9, 50), (8e-9, 49), (9e-9, 1)]
    assert made == histogram(b0=50, b7=49, b8=1) != histogram(b0=50)


def test_buckets_go_on_where_the_last_one_ended() -> None:
    ends = [histogram(**{f"b{bucket}": 1}).max_s for bucket in range(304)]
    wrong = [
        (bucket, end, following)
        for bucket, (end, following) in enumerate(pairwise(ends))
        if not 0 < following - end <= max(1e-9, end / 8) * (1 + 1e-9)
    ]
    assert wrong == []


@pytest.mark.parametrize("home", ["low"], indirect=True)
@pytest.mark.parametrize("stepped", ["virtual"], indirect=True)
def test_margin_and_jitter_of_a_device(
    stepped: VirtualDevice, driver: VirtualDriver, home: str
) -> None:
    stream = vc.OutputStream(lambda block: None, driver=driver)
    stream.start()
    stepped.step(5)
    stepped.inject("late", 5_000_000)
    stepped.step(5)
    stream.abort()
    counted = stream.statistics()
    late = [event for event in stream.events() if event.kind == "late"]
    stream.close()
    assert counted.margin.count == 10
    assert counted.margin.min_s <= 1e-9, "a late block has a margin of 0"
    assert counted.margin.median_s == pytest.approx(64 / 48_000, rel=0.13)
    assert counted.jitter.count == 9
    assert counted.gil_wait.count == 0, "the clock is not real"
    assert [event.value for event in late] == [5_000_000]


def test_waits_and_run_times_are_measured_in_real_time() -> None:
    for latency in ("low", 0.05):
        with playing(latency) as stream:
            until(lambda: stream.statistics().blocks > 20)
        counted = stream.statistics()
        assert counted.gil_wait.count == counted.run_time.count == counted.blocks
        assert counted.run_time.median_s > 0
        if latency != "low":
            assert counted.margin.max_s <= 0.05 * 9 / 8 + 64 / 48_000


@pytest.mark.parametrize("stepped", ["virtual"], indirect=True)
def test_the_newest_xruns_stay_when_events_are_taken(
    stepped: VirtualDevice, driver: VirtualDriver
) -> None:
    stream = vc.OutputStream(lambda block: None, driver=driver)
    stream.start()
    stepped.step(1)
    for number in range(1, 1011):
        stepped.inject("xrun", number)
        stepped.step(1)
    stream.abort()
    stream.events()
    xruns = stream.statistics().latest_xruns
    stream.close()
    assert [xrun.value for xrun in xruns] == list(range(11, 1011))
    assert {(xrun.kind, xrun.cause) for xrun in xruns} == {("xrun", "device")}


# ---- late cycles and the GIL ------------------------------------------------------------------


def hold_the_gil() -> None:
    """Holds the GIL for longer than a cycle, in C code that nothing can interrupt."""
    sum(range(500_000))


def compute_until(true: Callable[[], bool]) -> None:
    """Computes in bytecode, where a thread can release the GIL after each instruction."""
    for _ in range(10_000_000):
        if true():
            return
    raise AssertionError("the condition did not become true in time")


@needs_a_gil
def test_the_event_of_a_late_cycle_has_the_time_waited_for_the_gil() -> None:
    with playing() as stream:
        for _ in range(1000):
            hold_the_gil()
            late = [event for event in stream.events() if event.kind == "late"]
            if any(event.waited_ns > event.value / 2 for event in late):
                break
        else:
            raise AssertionError("no cycle was late")
    assert all(0 <= event.waited_ns <= event.value for event in late)
    longest_s = max(event.waited_ns for event in late) / 1e9
    assert stream.statistics().gil_wait.max_s >= longest_s


@needs_a_gil
def test_a_thread_that_computes_is_made_to_let_the_gil_go() -> None:
    before = _core.preempt_count()
    with playing() as stream:
        if sys.version_info < (3, 12):
            until(lambda: stream.statistics().blocks > 20)
            assert _core.preempt_kind() == 0
            return
        assert _core.preempt_kind() > 0
        interval = sys.getswitchinterval()
        # With this long interval, this thread would rarely release the GIL by itself.
        sys.setswitchinterval(0.05)
        try:
            compute_until(lambda: _core.preempt_count() > before + 20)
        finally:
            sys.setswitchinterval(interval)


@needs_a_gil
def test_the_programs_own_pending_calls_find_their_room() -> None:
    """Python's queue of pending calls is short. The library has at most one call in this queue."""
    made = 0

    @ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p)
    def call(argument: int | None) -> int:
        nonlocal made
        made += 1
        return 0

    add = ctypes.pythonapi.Py_AddPendingCall
    add.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    address = ctypes.cast(call, ctypes.c_void_p)
    streams = [playing() for _ in range(3)]
    for stream in streams:
        stream.start()
    for number in range(300):
        hold_the_gil() if number % 100 == 0 else None
        # Adding is repeated, because the queue has room for 32 calls and may be full.
        compute_until(lambda: add(address, None) == 0)
    compute_until(lambda: made == 300)
    for stream in streams:
        stream.close()


def test_a_stream_that_asks_for_the_gil_ends_while_others_compute() -> None:
    done = threading.Event()

    def compute() -> None:
        while not done.is_set():
            pass

    threads = [threading.Thread(target=compute) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(5):
            with playing() as stream:
                until(lambda: stream.statistics().blocks > 5)
                gc.collect()
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert stream.state == "closed"


def test_notebooks_show_durations_without_exponents() -> None:
    """The jitter of a virtual clock was shown as 1e-09 s."""
    device = VirtualDevice(frames=480, clock="stepped")
    with vc.OutputStream(
        lambda block: None, driver=VirtualDriver([device]), latency="low"
    ) as stream:
        device.step(100)
        html = stream.statistics()._repr_html_()
        stream.abort()
    assert "e-" not in html
    assert re.search(r"margin</th>.*>median \d+(\.\d+)? ms, 99 % \d+(\.\d+)? ms, longest", html)
