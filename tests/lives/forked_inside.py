"""A callback forks. When the callback returns in the child, the child must end.

Argument: the action of the child before that. Before the fix, the child repeated the loop of the
device's or the worker's thread for ever.
"""

import os
import sys
import tempfile
from functools import partial
from typing import Any

from life import Beat, code_of, devices, playing, until

import voicecoil as vc

deed = sys.argv[1]
CODES = {"returns": 0, "stops": 0, "raises": 1, "leaves": 7, "exits": 5, "calls": 3}


def refused(stream: vc.OutputStream) -> None:
    """Checks that every call that needs the parent's device is refused at once."""
    of_the_stream = [stream.start, stream.abort, partial(stream.swap, print)]
    for call in [*of_the_stream, *(call for o in parents for call in (o.stop, o.wait))]:
        try:
            call()
        except vc.ForkedError:
            continue
        os._exit(11)
    for one in parents:
        one.events(), repr(one)
    stream.close()
    playing(Beat())  # the child can open a stream of its own
    os._exit(CODES["calls"])


class Forks(Beat):
    armed = False
    child = 0

    def __call__(self, block: vc.Block) -> None:
        super().__call__(block)
        if self.child or not self.armed:
            return
        log.write("once")  # in a buffer, which the fork copies
        self.child = os.fork()
        if self.child:
            return
        if deed == "stops":
            raise vc.Stop
        if deed == "raises":
            raise ValueError("the child's")
        if deed == "leaves":
            sys.exit(CODES[deed])
        if deed == "exits":
            os._exit(CODES[deed])
        if deed == "calls":
            refused(stream)


log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - until the program ends
beat = Forks()
driver = devices()
stream = playing(beat, driver=driver)
parents: list[Any] = [stream]
if deed == "calls":
    import numpy as np

    sound = np.zeros((480_000, 2), np.float32)
    parents += [vc.play(sound, 48_000, driver=driver), vc.record(driver=driver)]
beat.armed = True
until(lambda: beat.child)
code = code_of(beat.child)
assert code == CODES[deed], code
beat.wait(3)  # the stream of the parent continues
assert stream.active
for one in parents:
    getattr(one, "abort", one.stop)()
stream.close()
log.seek(0)
assert log.read() == "once"
