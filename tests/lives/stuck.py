"""A callback does not return while the program continues.

Arguments: the next call, and the way in which the program ends.
"""

import sys
import threading
import time

from life import HOME, PATIENCE_S, devices

import voicecoil as vc

what, end = sys.argv[1:]
inside = threading.Event()


def callback(block: vc.Block) -> None:
    inside.set()
    while what == "loop":
        pass
    time.sleep(2.0 if what == "sleep" else 1000.0)


if end in ("with", "error"):
    with vc.OutputStream(callback, driver=devices(), arrays="memoryview", latency=HOME):
        assert inside.wait(PATIENCE_S)
        if end == "error":
            raise KeyboardInterrupt
stream = vc.OutputStream(callback, driver=devices(), arrays="memoryview", latency=HOME)
stream.start()
assert inside.wait(PATIENCE_S)
if end == "stop":
    began = time.monotonic()
    stream.stop()
    assert 1.0 < time.monotonic() - began < 4.5
elif end == "drop":
    del stream
