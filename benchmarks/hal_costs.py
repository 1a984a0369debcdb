"""Measures `voicecoil.hal` on the simulated CoreAudio: reading properties by their attributes, and
watching them.
"""

from __future__ import annotations

import statistics
import time

from measure import RUNS, median_of

from coreaudio import DEVICES, simulated_world
from voicecoil import hal
from voicecoil.drivers.coreaudio.hal import GLOBAL, selector
from voicecoil.testing import SimulatedCoreAudio

CALLS = 1000
FRAMES = selector("fsiz")


def scalar_us() -> float:
    """Returns the time in which an attribute of a device returns a scalar property, us.

    It is elapsed time, because the thread that reads an attribute and the thread that calls
    CoreAudio wait for each other. The fastest run is the one that the fewest other programs
    interrupted.
    """
    with simulated_world(1) as world:
        device = hal.connect(world.driver).device("bench:0")

        def loop() -> float:
            began = time.perf_counter()
            for _ in range(CALLS):
                _ = device.nominal_sample_rate
            return (time.perf_counter() - began) / CALLS * 1e6

        return min(loop() for _ in range(20 * RUNS))


def properties_ms() -> float:
    """Returns the processor time in which all properties of all devices are read, ms."""
    with simulated_world(DEVICES) as world:
        system = hal.connect(world.driver)

        def look() -> float:
            began = time.process_time()
            found = [device.properties() for device in system.devices]
            taken = time.process_time() - began
            assert len(found) == DEVICES
            return taken * 1e3

        return median_of(look)


def latency_ms(changes: int) -> tuple[float, float]:
    """Returns the median and the 95th percentile of the time from a change to its watcher, ms.

    The time begins before CoreAudio notifies its listeners. It ends when the loop over the watch
    has the change.
    """
    with simulated_world(1) as world:
        device = hal.connect(world.driver).device("bench:0")
        found = []
        with hal.watch(device, "buffer_frames") as watched:
            for turn in range(changes):
                _set_frames(world, 256 << (turn % 2))
                time.sleep(0.002)  # the threads fall asleep, as in a program
                began = time.perf_counter()
                world.advance(0.01)
                assert watched.wait(10.0) is not None
                found.append((time.perf_counter() - began) * 1e3)
    found.sort()
    return statistics.median(found), found[int(len(found) * 0.95)]


def _set_frames(world: SimulatedCoreAudio, frames: int) -> None:
    """Requests another buffer size, about which CoreAudio notifies when time goes on."""
    device, size = world.device("bench:0").id, frames.to_bytes(4, "little")
    status = world.driver.call(
        "setting the size", lambda: world.driver.library.set(device, FRAMES, GLOBAL, 0, size), 10.0
    )
    assert status == 0


def idle_us(watches: int, names: tuple[str, ...], rest_s: float, seconds: float) -> float:
    """Returns the processor time that watches take in a second without a change, us.

    Parameters
    ----------
    watches : int
        How many watches there are.
    names : tuple of str
        The properties; none: all properties of the device.
    rest_s : float
        Time before the measurement, s. Two seconds after the last call, the thread of calls ends.
    seconds : float
        Duration of the measurement, s.
    """
    with simulated_world(1) as world:
        device = hal.connect(world.driver).device("bench:0")
        watched = [hal.watch(device, *names) for _ in range(watches)]
        time.sleep(rest_s)
        began, since = time.process_time(), time.perf_counter()
        time.sleep(seconds)
        taken = (time.process_time() - began) / (time.perf_counter() - since) * 1e6
        for one in watched:
            one.close()
        return taken
