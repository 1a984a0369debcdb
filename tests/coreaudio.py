"""Helpers of the CoreAudio driver's tests, which make simulated CoreAudios when tests need them."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from paths import ROOT
from voicecoil.errors import StreamStateError
from voicecoil.testing import SimulatedCoreAudio


@cache
def simulator_path() -> str:
    """Builds the simulator's library if its sources have changed, and returns its path."""
    if sys.platform != "linux":
        pytest.skip("NOT TESTED: the simulated CoreAudio needs Linux")
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "simulator.py")], capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout.strip()


class Worlds:
    """Makes simulated CoreAudios. At the end of the test, checks and ends each of them."""

    def __init__(self) -> None:
        self.made: list[SimulatedCoreAudio] = []

    def __call__(self, *fixtures: int, **options: Any) -> SimulatedCoreAudio:
        for earlier in self.made:
            self.finish(earlier)
        world = SimulatedCoreAudio(simulator_path(), fixtures=fixtures, **options)
        self.made.append(world)
        return world

    def finish(self, world: SimulatedCoreAudio) -> None:
        if world._open:
            world.library.sim_stop_clock()
            world.check_clean()
            world.close()

    def __enter__(self) -> Worlds:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        for world in self.made:
            if error is not None:
                world.close()
            else:
                try:
                    self.finish(world)
                finally:
                    world.close()


class SteppedCoreAudio:
    """One simulated device with the methods of a virtual device, for the tests of streams."""

    def __init__(self, name: str) -> None:
        self.world = SimulatedCoreAudio(
            simulator_path(),
            devices=[
                f"uid=virtual:{name}; name={name}; in=2; out=2; buffer=64; buffer_range=64-64; "
                "rates=8000-192000; rate=48000; loopback=1"
            ],
        )
        self.simulated = self.world.device(f"virtual:{name}")
        self.driver = self.world.driver
        self._unplugged = False

    def step(self, cycles: int = 1, timeout_s: float | None = None) -> None:
        if self.world.counter("live_running_io_procs") == 0:
            if self._unplugged:  # the stream has already noticed the loss and stopped
                return
            raise StreamStateError("no stream runs, so its clock stands still")
        self.simulated.run_cycles(cycles, frames=64)

    def capture(self) -> None:
        self.driver.forget_content()

    def heard(self) -> NDArray[np.float32]:
        return self.driver.content(self.simulated)

    def replug(self) -> None:
        self.simulated.replug()
        self._unplugged = False

    def inject(self, fault: str, value: int = 0, at_frame: int = 0) -> None:
        if fault == "unplug":
            self._unplugged = True
            self.simulated.remove()
            self.world.advance(0.01)
        elif fault == "rate":
            self.simulated.change_rate(float(value))
            self.world.advance(0.1)
        else:
            pytest.skip(f"the simulated CoreAudio has no fault {fault!r}")

    def __enter__(self) -> SteppedCoreAudio:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        try:
            if error is not None:
                return  # not clean, because the traceback has references to open objects
            # Another thread closes dropped streams.
            until = time.monotonic() + 20
            while self.driver.open_streams and time.monotonic() < until:
                gc.collect()
                threading.Event().wait(0.001)
            self.world.check_clean()
        finally:
            self.world.close()
