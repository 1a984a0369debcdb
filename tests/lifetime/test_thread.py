"""Threads that end before their first line of Python, because the system lacks memory."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

import voicecoil as vc
from rig import until
from voicecoil import _core
from voicecoil.drivers.call_thread import CallThread
from voicecoil.drivers.polling import Watching
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver
from voicecoil.lifetime import exit_and_fork
from voicecoil.lifetime.background_thread import BackgroundThread
from voicecoil.lifetime.thread import Thread, _wait_for
from voicecoil.lifetime.uninterrupted import uninterrupted
from voicecoil.streams import realtimekit

# Name of the function with which `threading` starts a thread of the system.
START = next(
    name for name in ("_start_joinable_thread", "_start_new_thread") if hasattr(threading, name)
)


@pytest.fixture
def no_memory(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Makes each thread end without running Python code, until the test calls `undo`."""
    start = getattr(threading, START)

    def start_nothing(entry: Callable[[], None], *rest: Any, **more: Any) -> Any:
        return start(lambda: None, *rest, **more)

    monkeypatch.setattr(threading, START, start_nothing)
    return monkeypatch


def test_a_start_without_memory_raises(no_memory: pytest.MonkeyPatch) -> None:
    thread = Thread(lambda: None, "voicecoil test")
    with pytest.raises(MemoryError, match="ended before it began"):
        thread.start()
    assert thread.is_gone
    assert thread not in threading.enumerate()


class LateLock:
    """A lock that is still held during the first wait for it, and is free afterwards."""

    def __init__(self) -> None:
        self.waits = 0
        self.is_held = False

    def acquire(self, blocking: bool = True, timeout: float = -1.0) -> bool:
        self.waits += timeout >= 0
        if self.is_held or (timeout >= 0 and self.waits == 1):
            return False
        self.is_held = True
        return True


def test_a_thread_that_has_done_its_work_just_after_a_wait_is_no_lack_of_memory() -> None:
    lock = LateLock()
    _wait_for(lock, lambda: True, os.getpid(), "ended")
    assert lock.is_held


def test_a_thread_that_runs_is_not_gone() -> None:
    go_on = threading.Event()
    thread = Thread(lambda: go_on.wait(60), "voicecoil test")
    assert not thread.is_gone
    thread.start()
    assert not thread.is_gone
    assert thread in threading.enumerate()
    go_on.set()
    until(lambda: thread.is_gone)


def test_a_background_thread_without_memory_has_ended(no_memory: pytest.MonkeyPatch) -> None:
    thread = BackgroundThread(lambda: None, "voicecoil test")
    with pytest.raises(vc.DriverError, match="gives no thread"):
        exit_and_fork.start(thread)
    assert not thread.is_alive()
    assert thread.join(0)


def test_uninterrupted_work_is_done_without_a_thread(no_memory: pytest.MonkeyPatch) -> None:
    assert uninterrupted("test", threading.get_ident) == threading.get_ident()


def test_calls_of_an_audio_system_go_on(no_memory: pytest.MonkeyPatch) -> None:
    thread = CallThread("calls", "the tests' audio")
    with pytest.raises(vc.DriverError, match="gives no thread"):
        thread.call("one", lambda: 1, 20.0)
    no_memory.undo()
    assert thread.call("two", lambda: 2, 20.0) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="RealtimeKit is a service of Linux")
def test_a_stream_runs_without_asking_for_a_priority(no_memory: pytest.MonkeyPatch) -> None:
    """Without memory for the thread that asks, the worker keeps its ordinary priority."""
    no_memory.setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent")
    no_memory.setattr(realtimekit, "_given_up", False)
    code = _core.MixerCode(1, 1, False)
    worker = _core.Worker(
        code,
        input_channels=0,
        output_channels=1,
        block_frames=64,
        max_period_frames=64,
        lead_frames=64,
        samplerate_hz=48_000.0,
        waited_for=False,
    )
    realtimekit.raise_soon(worker)
    assert worker.thread[3] == 0  # it was not started


def test_devices_are_watched(no_memory: pytest.MonkeyPatch) -> None:
    watching = Watching(lambda: ([], (None, None)), "the tests' watching")
    with pytest.raises(vc.DriverError, match="gives no thread"):
        watching.add(print)
    no_memory.undo()
    watching.add(print)()


def test_a_recording_without_memory_for_its_threads(no_memory: pytest.MonkeyPatch) -> None:
    driver = VirtualDriver([VirtualDevice("A", clock="stepped")])
    with pytest.raises(vc.DriverError, match="gives no thread"):
        vc.record(frames=100, driver=driver)
    no_memory.undo()
    vc.record(frames=100, driver=driver).stop()


def test_a_call_after_a_session_that_could_not_be_made() -> None:
    """The first call raises the error of its session. The call thread continues after that."""
    refused = [OSError("no session")]

    class Session:
        def __init__(self) -> None:
            if refused:
                raise refused.pop()

        def close(self) -> None:
            pass

    thread = CallThread("calls", "the tests' audio", Session)
    with pytest.raises(OSError, match="no session"):
        thread.call("one", lambda: 1, 60.0)
    assert thread.call("two", lambda: 2, 60.0) == 2
    assert thread.abandoned == []


# Each child process has another limit of memory. SIGALRM ends a child that hangs.
LIMITED = """
import os, resource, signal, sys, threading
import voicecoil as vc
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver

threading.stack_size(1 << 17)

def record(driver):
    vc.record(frames=100, driver=driver, buffer_s=0.1).stop()

def use_up(free):
    reserve, held = [bytearray(1000) for _ in range(free)], []
    pages = int(open("/proc/self/statm").read().split()[0])
    limit = pages * resource.getpagesize() + (300 << 10)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    try:
        while True:
            held.append(bytearray(1000))
    except MemoryError:
        pass
    reserve.clear()
    return held

def in_child(free):
    driver = VirtualDriver([VirtualDevice("A", clock="stepped")])
    record(driver)  # imports everything
    signal.alarm(60)
    held = use_up(free)
    try:
        record(driver)
    except (vc.VoicecoilError, MemoryError):
        pass
    os._exit(0)

for free in (1, 20, 60, 300, 600):
    child = os.fork()
    if not child:
        in_child(free)
    _, status = os.waitpid(child, 0)
    if status:
        sys.exit(f"with {free} KB free: {os.waitstatus_to_exitcode(status)}")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs RLIMIT_AS and /proc")
def test_a_recording_with_little_memory_ends_or_raises() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED], capture_output=True, text=True, timeout=400
    )
    assert done.returncode == 0, done.stderr[-2000:]


HANDLER_IN_A_START = """
import threading
from voicecoil.lifetime import thread

thread.LOCK_S = 0.05
with threading._active_limbo_lock:  # as a signal handler that interrupts the start of a thread
    try:
        thread.Thread(print, "never").start()
    except RuntimeError as error:
        assert "interrupted" in str(error), error
    else:
        raise SystemExit("it started")
ran = threading.Event()
thread.Thread(ran.set, "now").start()
assert ran.wait(20)
"""


@pytest.mark.skipif(not hasattr(threading, "_active_limbo_lock"), reason="has another lock")
def test_a_handler_that_interrupts_the_start_of_a_thread_does_not_hang() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HANDLER_IN_A_START], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")


FORK_IN_A_START = """
import os, signal, threading
from voicecoil.errors import ForkedError
from voicecoil.lifetime import thread
from voicecoil.lifetime.uninterrupted import uninterrupted

children = []

def fork(number, frame):
    child = os.fork()
    if child:
        children.append(child)

thread.LOCK_S = 2.0
signal.signal(signal.SIGALRM, fork)
with threading._active_limbo_lock:  # the start waits for it
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        done_by = uninterrupted("test", os.getpid)
    except ForkedError:
        os._exit(7)
assert done_by == os.getpid()
assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [7]
"""


@pytest.mark.skipif(
    not (hasattr(threading, "_active_limbo_lock") and hasattr(os, "fork")), reason="needs fork"
)
def test_a_child_forked_in_the_start_of_a_thread_does_not_do_the_work() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK_IN_A_START],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
