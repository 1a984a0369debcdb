"""An exception of a callback is reported, although the program never asks for it.

Argument: the way in which the stream ends.
"""

import sys
import weakref

from life import HOME, devices, until

import voicecoil as vc


def fail(block: vc.Block) -> None:
    raise RuntimeError("meant")


stream = vc.OutputStream(fail, driver=devices(), arrays="memoryview", latency=HOME)
stream.start()
until(lambda: stream.state == "finished")
if sys.argv[1] == "dropped":
    connection = weakref.ref(stream._connection)
    del stream
    until(lambda: connection() is None)
