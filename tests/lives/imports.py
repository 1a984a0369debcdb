"""Checks that no module is imported on the IO thread, from the first block to the last.

Argument: the way in which the stream ends.
"""

import contextlib
import sys
import threading
from typing import Any

import numpy as np
from life import HOME, devices

import voicecoil as vc

main = threading.get_ident()
imported_on_io_thread: list[str] = []


class Finder:
    """Records threads. Python calls this finder for every module that is not loaded yet."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> None:
        if threading.get_ident() == io_thread:
            imported_on_io_thread.append(name)


io_thread = 0
blocks = 0
ending = sys.argv[1]


def callback(block: vc.Block) -> None:
    global io_thread, blocks
    io_thread = threading.get_ident()
    blocks += 1
    block.output[:, 0] = np.sin(np.arange(block.frames)) * np.float32(0.5)
    block.output[:, 1] = block.input[:, 0].mean() + block.time.now_ns
    repr(block), repr(block.time), block.xrun
    if blocks == 3:
        if ending == "stop":
            raise vc.Stop
        if ending == "error":
            raise KeyError("meant")
        if ending == "result":
            return 5
        if ending == "kept":
            kept.append(block.output)


kept: list[Any] = []
wanted = {"zero_copy": True, "latency": "low"} if ending == "kept" else {"latency": HOME}
sys.meta_path.insert(0, Finder())
stream = vc.Stream(callback, driver=devices(), **wanted)
stream.start()
try:
    stream.wait(20)
except (KeyError, vc.CallbackResultError, vc.EscapedBlockError):
    assert ending != "stop"
stream.close()
assert blocks == 3
assert not imported_on_io_thread, imported_on_io_thread
# Check that Python calls the finder at all.
io_thread = main
with contextlib.suppress(ImportError):
    import there_is_no_such_module  # noqa: F401
assert imported_on_io_thread == ["there_is_no_such_module"]
