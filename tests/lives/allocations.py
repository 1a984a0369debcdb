"""Counts Python's allocations on the IO thread over many blocks and prints how many; arguments: as
JSON, the device's and the stream's, how many blocks, and what the callback does.
"""

import json
import sys

from life import devices

import voicecoil as vc
from voicecoil import _core

shape, wanted, blocks, work = json.loads(sys.argv[1])


def read(block: vc.Block) -> None:
    """Looks at everything that costs no allocation."""
    if block.xrun or block.frames != 64 or block.samplerate != 48_000.0:
        raise AssertionError(repr(block))
    if block.output is block.input or block.time is None:
        raise AssertionError(repr(block))


def allocate(block: vc.Block) -> None:
    kept[0] = [block.frames]


class Instrument:
    def play(self, block: vc.Block) -> None:
        read(block)


kept: list[list[int]] = [[]]
work = {"read": read, "allocate": allocate, "method": Instrument().play}[work]
driver = devices(clock="stepped", **shape)
device = driver.virtual_devices[0]
_core.count_allocations()
with vc.Stream(work, driver=driver, **wanted) as stream:
    device.step(100)
    before = _core.counted_allocations()
    device.step(blocks, timeout_s=None)
    after = _core.counted_allocations()
    assert shape.get("pattern") or stream.statistics().blocks == blocks + 100
    assert stream.statistics().copied_blocks == 0
    stream.abort()
print(after - before)
