"""Counts the allocations that Python makes on the IO thread during many blocks. Prints the number.

Arguments, as JSON: the options of the device, the options of the stream, the number of blocks, and
the name of the callback.
"""

import json
import sys
import threading
from functools import partial

from life import devices, spare_the_looking_thread, until

import voicecoil as vc
from voicecoil import _core
from voicecoil.testing import SimulatedCoreAudio

shape, wanted, blocks, work = json.loads(sys.argv[1])


def read(block: vc.Block) -> None:
    """Reads every property of a block whose getter must not allocate."""
    if block.xrun or block.frames != 64 or block.samplerate != 48_000.0:
        raise AssertionError(repr(block))
    if block.output is block.input or block.time is None:
        raise AssertionError(repr(block))


def vary(block: vc.Block) -> None:
    """Reads the same properties on a device whose cycles vary in length."""
    if block.output is block.input or block.time is None or block.frames not in sizes:
        raise AssertionError(repr(block))


def allocate(block: vc.Block) -> None:
    kept[0] = [block.frames]


class Instrument:
    def play(self, block: vc.Block) -> None:
        read(block)


kept: list[list[int]] = [[]]
sizes = set(shape.get("pattern", ()))
work = {"read": read, "vary": vary, "allocate": allocate, "method": Instrument().play}[work]
if "simulator" in shape:
    world = SimulatedCoreAudio(
        shape["simulator"],
        devices=[f"uid=allocations; in=2; out={shape['streams']}; buffer=64; rate=48000"],
    )
    driver = world.driver

    def step(cycles: int) -> None:
        world.advance((cycles + 1) * 64 / 48_000)

else:
    driver = devices(clock="stepped", **shape)
    device = driver.virtual_devices[0]
    step = partial(device.step, timeout_s=None)


def only_idle_threads() -> bool:
    return {thread.name for thread in threading.enumerate()} <= {"MainThread", "voicecoil control"}


_core.count_allocations()
with vc.Stream(work, driver=driver, **wanted) as stream:
    # The input is silent. The warning of it comes from a thread of its own, which would be counted.
    stream._connection.device.silence = None
    step(100)
    spare_the_looking_thread()
    until(only_idle_threads)  # then CoreAudio's control thread is idle, too
    before, begun = _core.counted_allocations(), stream.statistics().blocks
    step(blocks)
    after = _core.counted_allocations()
    assert shape.get("pattern") or stream.statistics().blocks >= begun + blocks
    assert stream.statistics().copied_blocks == 0
    stream.abort()
print(after - before)
