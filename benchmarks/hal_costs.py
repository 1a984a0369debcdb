"""Measures `voicecoil.hal` on the simulated CoreAudio: reading properties by their attributes, and
watching them.
"""

from __future__ import annotations

import ctypes
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from measure import ROOT, compile_c, median_of, scratch

from coreaudio import DEVICES, simulated_world
from voicecoil import hal
from voicecoil.drivers.coreaudio.hal import GLOBAL, selector
from voicecoil.hal import Device
from voicecoil.testing import SimulatedCoreAudio

CALLS = 1000
FRAMES = selector("fsiz")
GET = Path(__file__).with_name("hal_get.c")


@dataclass(frozen=True)
class Gets:
    """Times of getting a scalar property of a device, us. They are elapsed times.

    Attributes
    ----------
    floor_us : float
        CoreAudio's function alone, called from C: the median of all runs.
    least_us : float
        The attribute: the mean of a call in the run that other programs interrupted least.
    median_us : float
        The attribute: the median of single calls, with two reads of the clock.
    enumeration_us, get_us : float
        The least for an attribute whose value is a member of an enumeration, and for `get`.
    """

    floor_us: float
    least_us: float
    median_us: float
    enumeration_us: float
    get_us: float


def scalar(runs: int) -> Gets:
    """Measures gets of a scalar property, and CoreAudio's function in between.

    The thread that gets and the thread that calls CoreAudio wait for each other, so processor time
    would count their waiting twice.
    """
    ways: dict[str, Callable[[Device], object]] = {
        "attribute": lambda device: device.nominal_sample_rate,
        "enumeration": lambda device: device.transport_type,
        "get": lambda device: device.get("nominal_sample_rate"),
    }
    with simulated_world(1) as world, scratch() as folder:
        device = hal.connect(world.driver).device("bench:0")
        library = compile_c(GET.read_text(), Path(folder), ROOT / "src" / "coreaudio_abi")
        library.vc_bench_get.restype = ctypes.c_double
        function = ctypes.CDLL(world.driver.library.paths[0]).AudioObjectGetPropertyData
        arguments = (function, ctypes.c_uint32(device.object_id), ctypes.c_uint64(CALLS))

        def loop(way: Callable[[Device], object]) -> float:
            began = time.perf_counter()
            for _ in range(CALLS):
                way(device)
            return (time.perf_counter() - began) / CALLS * 1e6

        def single() -> float:
            began = time.perf_counter()
            _ = device.nominal_sample_rate
            return (time.perf_counter() - began) * 1e6

        floors: list[float] = []
        found: dict[str, list[float]] = {name: [] for name in ways}
        singles: list[float] = []
        for _ in range(runs):
            floors.append(library.vc_bench_get(*arguments) / 1e3)
            for name, way in ways.items():
                found[name].append(loop(way))
            singles.extend(single() for _ in range(CALLS))
    least = {name: min(times) for name, times in found.items()}
    return Gets(
        statistics.median(floors),
        least["attribute"],
        statistics.median(singles),
        least["enumeration"],
        least["get"],
    )


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
