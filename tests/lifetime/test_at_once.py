"""Many threads make calls at the same time. One of them may be the thread that runs the callback.

With a GIL, these tests show that nothing is lost between two steps of Python. Without a GIL
(docs/decisions/0015), they also show that nothing is lost within a step.
"""

from __future__ import annotations

import ctypes
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

import voicecoil as vc
from compiler import shared_library
from natives import Gain
from voicecoil import _core
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver
from voicecoil.lifetime.weak_registry import Alive
from voicecoil.native import ctypes_type

THREADS = 4
PATTERN = [64, 17, 33]
HOMES: list[dict[str, Any]] = [{"latency": "safe"}, {"latency": "low"}]
if sys.version_info >= (3, 12):
    HOMES.append({"isolated": True})


def at_once(*works: Callable[[], object]) -> None:
    """Calls each function on a thread of its own, all at the same time. If functions raise
    exceptions, raises the first of these.
    """
    errors: list[BaseException] = []
    barrier = threading.Barrier(len(works))

    def run(work: Callable[[], object]) -> None:
        barrier.wait(30)
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=[work]) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for error in errors:
        raise error


def a_driver(**options: Any) -> VirtualDriver:
    device = VirtualDevice("At once", clock="free", **{"frames": 64, **options})
    return VirtualDriver([device])


@pytest.mark.parametrize("arrays", ["numpy", "memoryview"])
def test_a_block_that_other_threads_read(arrays: Literal["numpy", "memoryview"]) -> None:
    """The block changes all the time, and also changes its number of frames. Each access must see a
    single state of the block.
    """
    left: list[vc.Block] = []
    there = threading.Event()

    def callback(block: vc.Block) -> None:
        if not left:
            left.append(block)
            there.set()
        block.output[0, 0] = 0.25
        assert block.output.shape == (block.frames, 2)
        assert block.input.shape == (block.frames, 2)

    def look() -> None:
        block = left[0]
        for _ in range(3000):
            assert block.frames in PATTERN
            for view in (block.input, block.output):
                frames, channels = view.shape
                assert frames in PATTERN
                assert channels == 2
                assert view.tobytes()  # reads all samples
            time = block.time
            assert time.now_ns is None or time.now_ns >= 0
            assert time.output_frames is None or time.output_frames >= 0
            assert "2" in repr(time) or "None" in repr(time) or "0" in repr(time)
            assert f"at {block.samplerate!r} Hz" in repr(block)

    driver = a_driver(frames=64, pattern=PATTERN)
    with vc.Stream(callback, driver=driver, latency="low", arrays=arrays, channels=2) as stream:
        assert there.wait(30)
        at_once(*[look] * THREADS)
        assert stream.active
        stream.abort()


@pytest.mark.parametrize("home", HOMES, ids=str)
def test_parameters_set_by_many(home: dict[str, Any]) -> None:
    """The callback sees each change of several parameters as a whole, or does not see it."""

    def compare(block: vc.Block) -> None:
        values = block.parameters
        if values.first != values.second or values.text != b"%d" % values.first:
            block.results.torn += 1
        block.results.first = block.results.second = values.first

    callback = "isolated_callables:compare" if "isolated" in home else compare
    stream = vc.OutputStream(
        callback,
        driver=a_driver(),
        parameters={"first": 0, "second": 0, "text": bytes(6)},
        results={"first": 0, "second": 0, "torn": 0},
        **home,
    )
    stream.parameters.text = b"0"

    def change() -> None:
        for number in range(2000):
            stream.parameters.update(first=number, second=number, text=b"%d" % number)
            read = stream.parameters.read()
            assert read["text"] == b"%d" % read["first"]
            stream.results.read()

    with stream:
        at_once(*[change] * THREADS)
        stream.abort()
    assert stream.results.torn == 0


def test_listing_live_objects_while_they_end() -> None:
    """A list does not change while a program reads it, and it always contains the objects that live
    during the whole test.
    """

    class Thing:
        pass

    alive: Alive[Thing] = Alive()
    throughout = [Thing() for _ in range(50)]
    for thing in throughout:
        alive.add(thing)
    ended = threading.Event()

    def come_and_go() -> None:
        for _ in range(5000):
            alive.add(Thing())

    def look() -> None:
        while not ended.is_set():
            now = set(alive.now())
            assert now.issuperset(throughout)

    def come_and_go_all() -> None:
        at_once(*[come_and_go] * THREADS)
        ended.set()

    at_once(come_and_go_all, look)
    assert alive.now() == throughout
    alive.discard(throughout.pop())
    assert alive.now() == throughout
    alive.clear()
    assert alive.now() == []


def test_a_ring_with_many_at_both_ends() -> None:
    """Several threads write and read one ring. Each frame is read once."""
    ring = _core.Ring(64, 1)
    each = 5000
    taken: list[list[float]] = [[] for _ in range(2)]
    written = threading.Event()

    def write(first: int) -> None:
        frame = np.empty((1, 1), np.float32)
        for number in range(first, first + each):
            frame[0, 0] = number
            while ring.write(frame) == 0:
                time.sleep(0)  # lets other threads run

    def read(into: list[float]) -> None:
        frames = np.empty((7, 1), np.float32)
        while not written.is_set() or ring.readable:
            into.extend(frames[: ring.read(frames), 0].tolist())
            time.sleep(0)

    def write_all() -> None:
        at_once(*[lambda first=first: write(first) for first in (0, each, 2 * each)])
        written.set()

    at_once(write_all, *[lambda into=into: read(into) for into in taken])
    assert sorted(taken[0] + taken[1]) == list(range(3 * each))


def test_sounds_that_many_play() -> None:
    """Many threads play sounds on the same device, so all sounds use one mixer."""
    driver = a_driver()
    sound = np.full((200, 2), 0.1, np.float32)

    def play() -> None:
        for _ in range(50):
            playback = vc.play(sound, driver=driver, samplerate=48000)
            assert playback.wait(30)

    at_once(*[play] * THREADS)


def test_functions_that_many_exchange(tmp_path: Path) -> None:
    """The user data of a function exist as long as the function may run. Each function writes to
    its own user data.
    """
    library = ctypes.CDLL(str(shared_library("native.c", tmp_path)))

    def a_function() -> vc.NativeCallback:
        return vc.NativeCallback(ctypes_type()(("vc_test_gain", library)), Gain(0.25))

    with vc.OutputStream(a_function(), driver=a_driver()) as stream:

        def exchange() -> None:
            for _ in range(500):
                stream.swap(a_function())

        at_once(*[exchange] * THREADS)
        assert stream.active
        stream.abort()


@pytest.mark.parametrize("home", HOMES, ids=str)
def test_streams_that_end_while_other_threads_read_them(home: dict[str, Any]) -> None:
    driver = a_driver()

    def quiet(block: vc.Block) -> None:
        block.output[0, 0] = 0.0

    callback: Any = "isolated_callables:half" if "isolated" in home else quiet

    def live() -> None:
        for _ in range(10):
            stream = vc.OutputStream(callback, driver=driver, meter=True, **home)
            done = threading.Event()

            def look(stream: vc.OutputStream = stream, done: threading.Event = done) -> None:
                while not done.is_set():
                    try:
                        stream.statistics()
                        stream.events()
                        stream.levels()
                        assert stream.state in ("idle", "running", "draining", "finished", "closed")
                    except vc.StreamClosedError:
                        return

            def end(stream: vc.OutputStream = stream, done: threading.Event = done) -> None:
                stream.start()
                stream.stop()
                stream.close()
                done.set()

            at_once(look, look, end)

    at_once(live, live)


def test_events_that_many_take() -> None:
    """Each event is returned to one thread only. A call does not fail if another was faster."""
    driver = VirtualDriver([VirtualDevice("At once", clock="stepped", frames=64)])
    taken: list[int] = []
    with vc.OutputStream(lambda block: None, driver=driver) as stream:
        connection = stream._connection
        assert connection is not None
        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        try:
            for first in range(0, 100_000, 1000):
                numbers = range(first, first + 1000)
                connection.device.news.extend(
                    vc.Event("back", 0, number, 0, "") for number in numbers
                )

                def take() -> None:
                    while events := stream.events():
                        taken.extend(event.sample_frames for event in events)

                at_once(*[take] * THREADS)
        finally:
            sys.setswitchinterval(interval)
    assert sorted(taken) == list(range(100_000))
