"""Measures the CoreAudio driver on the simulated CoreAudio: the cost of an IO cycle, of reading a
property, and of listing all devices.
"""

from __future__ import annotations

import ctypes
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from measure import ROOT, compile_c, median_of

from voicecoil import _core
from voicecoil.drivers.coreaudio import _hal
from voicecoil.drivers.coreaudio.hal import GLOBAL, INPUT, OUTPUT, Hal
from voicecoil.testing import SimulatedCoreAudio

COREAUDIO = ROOT / "src" / "voicecoil" / "drivers" / "coreaudio"
TIMEBASE = (125, 3)  # Apple silicon's timebase; Intel's 1/1 costs a little less
CYCLE = {"input_channels": 0, "output_channels": 2, "block_frames": 0, "period_frames": 64}
DEVICES = 64
SOURCE = Path(__file__).with_name("ioproc.c")
# Thirty properties of a device: how they are read, their scopes, and their selectors.
PROPERTIES: list[tuple[Callable[..., object], tuple[int, ...], str]] = [
    (Hal.string, (GLOBAL,), "uid  lnam lmak muid"),
    (Hal.u32, (GLOBAL,), "clas bcls tran clkd livn goin gone hidn fsiz"),
    (Hal.u32, (INPUT, OUTPUT), "dflt sflt ltnc saft"),
    (Hal.f64, (GLOBAL,), "nsrt asrt"),
    (Hal.range, (GLOBAL,), "fsz#"),
    (Hal.ranges, (GLOBAL,), "nsr#"),
    (Hal.ids, (INPUT, OUTPUT), "stm#"),
    (Hal.ids, (GLOBAL,), "ownd akin ctrl"),
]


def reads(hal: Hal, device: int) -> list[Callable[[], object]]:
    """Returns functions that read the properties of `PROPERTIES` from the device."""
    return [
        partial(get, hal, device, texts[at : at + 4], scope)
        for get, scopes, texts in PROPERTIES
        for scope in scopes
        for at in range(0, len(texts), 5)
    ]


class _Timebase(ctypes.Structure):
    _fields_ = (("numerator", ctypes.c_uint32), ("denominator", ctypes.c_uint32))


def simulator_path() -> str:
    command = [sys.executable, str(ROOT / "tools" / "simulator.py")]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def ioproc_us(function: Any, cycles: int, folder: Path) -> tuple[float, float]:
    """Returns the duration of the engine's part of a cycle and that of the IOProc's part, us."""
    library = compile_c(SOURCE.read_text(), folder, ROOT / "src" / "coreaudio_abi", COREAUDIO)
    for name in ("vc_bench_ioproc", "vc_bench_cycles"):
        getattr(library, name).restype = ctypes.c_double
    address = ctypes.cast(function, ctypes.c_void_p).value
    # The engine has no reference to its code, so this variable keeps the code alive.
    code = _core.NativeCode(address, 0, (function,))
    engine = _core.Engine(
        code,
        samplerate_hz=48_000.0,
        flags=0,
        **CYCLE,
    )
    run = _core.cycle_run_address()
    ioproc = _hal.IOProc(engine, run, [], [(0, 0), (0, 1)], 0, 37, 100, TIMEBASE, 48_000.0)
    count = ctypes.c_uint64(cycles)
    engine.start()

    def pointer(address: int) -> ctypes.c_void_p:
        return ctypes.c_void_p(address)

    def bare() -> float:
        ns: float = library.vc_bench_cycles(pointer(run), pointer(engine.address), count)
        return ns / 1e3

    def through() -> float:
        ns: float = library.vc_bench_ioproc(
            pointer(_hal.ioproc_address()), pointer(ioproc.address), count, _Timebase(*TIMEBASE)
        )
        return ns / 1e3

    alone = median_of(bare)
    # Each difference is taken between two runs in a row, because the machine's speed varies.
    added = median_of(lambda: through() - bare())
    engine.abort()
    assert ioproc.counts()["oddities"] == 0
    return alone, added


def property_us(calls: int) -> float:
    """Returns the time in which Python reads, checks and converts one scalar property, us."""

    def measure(world: SimulatedCoreAudio, device: int) -> float:
        def loop() -> float:
            began = time.process_time()
            for _ in range(calls):
                world.driver.hal.f64(device, "nsrt")
            return (time.process_time() - began) / calls * 1e6

        return world.driver.call("measuring", loop, 60.0)

    with simulated_world(1) as world:
        return median_of(lambda: measure(world, world.device("bench:0").id))


def listing_ms() -> float:
    """Returns the time in which `devices()` lists all devices, and the time in which 30 properties
    of each device are read, ms.
    """

    def measure(world: SimulatedCoreAudio, ids: list[int]) -> float:
        wanted = [read for device in ids for read in reads(world.driver.hal, device)]
        assert len(wanted) == 30 * DEVICES

        def look() -> None:
            for read in wanted:
                read()

        began = time.process_time()
        listed = world.driver.devices()
        world.driver.call("measuring", look, 60.0)
        taken = time.process_time() - began
        assert len(listed) == DEVICES
        return taken * 1e3

    with simulated_world(DEVICES) as world:
        ids = [world.device(f"bench:{i}").id for i in range(DEVICES)]
        return median_of(lambda: measure(world, ids))


def simulated_world(devices: int) -> SimulatedCoreAudio:
    described = [
        f"uid=bench:{i}; name=Benchmark {i}; maker=voicecoil; model=bench; in=2; out=2,2,8"
        for i in range(devices)
    ]
    return SimulatedCoreAudio(simulator_path(), devices=described)
