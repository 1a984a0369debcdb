"""Helpers of the programs in this folder. A program needs NumPy only if it says so."""

from __future__ import annotations

import os
import signal
import threading
import warnings
from typing import Any

import voicecoil as vc
from voicecoil import _core
from voicecoil.drivers.choose import get_driver
from voicecoil.drivers.protocol import Driver
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver
from voicecoil.lifetime import exit_and_fork

# The input of the tests' devices is silent. On a slow machine, a program may run for the 2 s after
# which this is a warning.
warnings.simplefilter("ignore", vc.SilentInputWarning)
PATIENCE_S = 100.0
HOME: Any = os.environ.get("LIFE_LATENCY", "safe")  # home of the callbacks


def devices(count: int = 1, **shape: Any) -> Driver:
    if os.environ.get("LIFE_DRIVER") == "coreaudio":
        from voicecoil.testing import SimulatedCoreAudio

        clock = "running" if shape.get("clock") == "free" else "real"
        ones = [f"uid={i}; name=Life {i}; in=2; out=2; buffer=64" for i in range(count)]
        return SimulatedCoreAudio(devices=ones, clock=clock).driver
    if os.environ.get("LIFE_DRIVER") == "miniaudio":
        return get_driver("miniaudio:null")
    return VirtualDriver(
        [VirtualDevice(f"Life {i}", **{"frames": 64, **shape}) for i in range(count)]
    )


class Beat:
    """A callback that counts its calls and sets an event."""

    def __init__(self) -> None:
        self.blocks = 0
        self.called = threading.Event()

    def __call__(self, block: vc.Block) -> None:
        block.output[0, 0] = 0.5
        self.blocks += 1
        # `set` takes the event's lock. If each block took it, the waiting thread would not get it.
        if not self.called.is_set():
            self.called.set()

    def wait(self, times: int = 1) -> None:
        """Waits until the callback was called `times` more times."""
        for _ in range(times):
            self.called.clear()
            assert self.called.wait(PATIENCE_S), "the device does not call"


def playing(beat: Any = None, **wanted: Any) -> vc.OutputStream:
    """Returns a started stream whose callback has been called."""
    beat = beat or Beat()
    if "driver" not in wanted:
        wanted["driver"] = devices()
    wanted.setdefault("latency", HOME)
    stream = vc.OutputStream(beat, arrays="memoryview", **wanted)
    stream.start()
    beat.wait(2)
    return stream


def until(true: Any) -> None:
    """Waits until `true()` returns True."""
    pause = threading.Event()
    for _ in range(int(PATIENCE_S / 0.002)):
        if true():
            return
        pause.wait(0.002)
    raise AssertionError("the condition did not become true in time")


def code_of(child: int) -> int:
    """Returns the exit code of a forked child. Kills a child that does not end."""
    status: list[int] = []

    def ended() -> bool:
        pid, told = os.waitpid(child, os.WNOHANG)
        if pid != 0:
            status.append(told)
        return pid != 0

    try:
        until(ended)
    except AssertionError:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise
    return os.waitstatus_to_exitcode(status[0])


# Threads that may exist while no operation is in progress. They end after a long idle time, or with
# the program.
LASTING = ("voicecoil control", "voicecoil coreaudio", "voicecoil miniaudio", "voicecoil devices")


def nothing_under_way() -> bool:
    """Returns whether no thread of the library opens, starts, ends, reads or writes anything."""
    names = [thread.name for thread in threading.enumerate()]
    return not [n for n in names if n.startswith("voicecoil") and not n.startswith(LASTING)]


def spare_the_looking_thread() -> None:
    """Excludes the thread that checks devices from the count, because it is no IO thread."""
    spared = threading.Event()

    def spare() -> bool:
        _core.spare_allocations()
        spared.set()
        return False

    exit_and_fork.tick(spare)
    assert spared.wait(20)
