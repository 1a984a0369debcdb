"""Counts the allocations that Python makes on the IO thread in an isolated interpreter.

Arguments, as JSON: a folder for sys.path, the name of the callable in it, and the number of blocks.
Prints the count.
"""

import json
import sys

from life import devices, spare_the_looking_thread

import voicecoil as vc
from voicecoil import _core

folder, name, blocks = json.loads(sys.argv[1])
sys.path.append(folder)
driver = devices(clock="stepped")
device = driver.virtual_devices[0]
stream = vc.OutputStream(
    f"isolated_callables:{name}",
    isolated=True,
    driver=driver,
    parameters={"gain": 0.5, "on": True},
    results={"on": False, "blocks": 0},
)
_core.count_allocations()
with stream:
    device.step(1000)  # then the block count is no longer a small integer, which Python keeps
    spare_the_looking_thread()
    before = _core.counted_allocations()
    device.step(blocks, timeout_s=None)
    after = _core.counted_allocations()
    assert stream.statistics().blocks == blocks + 1000
    stream.abort()
print(after - before)
