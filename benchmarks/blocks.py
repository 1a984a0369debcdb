"""Measures the cost of a block with native and Python callbacks, by channels and frames."""

from __future__ import annotations

import itertools
import json
from functools import partial
from pathlib import Path
from typing import Any

from look import look
from measure import ROOT, block_us, free_device, in_a_process, median_of

CHANNELS = (1, 2, 8, 16, 64)
FRAMES = (16, 64, 256, 1024, 4096)
LIVES = ROOT / "tests" / "lives"
MEMORY = """
import os, sys, threading
sys.path.insert(0, sys.argv[2])
import voicecoil as vc
from measure import free_device
from voicecoil.drivers.virtual.driver import VirtualDriver

def callback(block):
    block.output

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

pause = threading.Event()
stream = vc.OutputStream(callback, driver=VirtualDriver([free_device()]), latency="low")
with stream:
    while stream.statistics().blocks < 100_000:
        pause.wait(0.01)
    before, first = resident(), stream.statistics().blocks
    while stream.statistics().blocks < first + int(sys.argv[1]):
        pause.wait(0.01)
    print(resident() - before)
    stream.abort()
"""


def native(function: Any, seconds: float) -> float:
    return median_of(lambda: block_us(function, seconds))


def python(seconds: float, **wanted: Any) -> float:
    return median_of(lambda: block_us(look, seconds, **wanted))


def isolated(seconds: float, **wanted: Any) -> float:
    return median_of(lambda: block_us("look:look", seconds, isolated=True, **wanted))


CONVERSION = """
import sys, threading, time, warnings
import voicecoil as vc
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver

from_hz, to_hz, seconds = map(float, sys.argv[1].split())
pause = threading.Event()
warnings.simplefilter("ignore", vc.SilentInputWarning)  # the input of this device is silent

def busy_s(samplerate):
    device = VirtualDevice(clock="free", samplerate=from_hz, frames=512, loopback=False)
    with vc.InputStream(
        lambda block: None, driver=VirtualDriver([device]), channels=1, samplerate=samplerate
    ) as stream:
        while stream.statistics().cycles < 100:
            pause.wait(0.001)
        first, before = stream.statistics().cycles, time.process_time()
        while (cycles := stream.statistics().cycles - first) < seconds * from_hz / 512:
            pause.wait(0.01)
        used = time.process_time() - before
        stream.abort()
    return used / (cycles * 512 / from_hz)

print(min(busy_s(to_hz) - busy_s(None) for _ in range(3)))
"""


def conversion_percent(from_hz: int, to_hz: int, seconds: float) -> float:
    """Returns the processor time that a conversion adds, in percent of the sound's duration."""
    return 100 * float(in_a_process(CONVERSION, f"{from_hz} {to_hz} {seconds}"))


def allocations(blocks: int) -> int:
    """Returns the number of allocations that Python makes while it plays `blocks` blocks."""
    arguments = json.dumps([{}, {"latency": "low"}, blocks, "read"])
    program = f"import sys\nsys.path.insert(0, {str(LIVES)!r})\n"
    return int(in_a_process(program + (LIVES / "allocations.py").read_text(), arguments))


def growth_bytes(blocks: int) -> int | None:
    """Returns how much resident memory grows while `blocks` blocks are played, or None if the
    system does not report resident memory.
    """
    if not Path("/proc/self/statm").exists():
        return None
    return int(in_a_process(MEMORY, str(blocks), str(Path(__file__).parent)))


def by_size(function: Any, seconds: float) -> dict[tuple[int, int], tuple[float, float, float]]:
    """Returns the costs of one block by (channels, frames), us.

    The three costs are those of a native callback, of a Python callback, and of a Python callback
    that gets the device's own buffers (zero_copy).
    """

    def cost(channels: int, frames: int, callback: Any, zero_copy: bool) -> float:
        device = free_device(channels, frames)
        return block_us(callback, seconds, device=device, zero_copy=zero_copy)

    table = {}
    for size in itertools.product(CHANNELS, FRAMES):
        table[size] = (
            median_of(partial(cost, *size, function, False), 3),
            median_of(partial(cost, *size, look, False), 3),
            median_of(partial(cost, *size, look, True), 3),
        )
    return table
