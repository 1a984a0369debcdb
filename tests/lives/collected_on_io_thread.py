"""A stream in a reference cycle is collected on an IO thread.

Argument: whether the collection runs in the callback of another stream or in its own.
"""

import gc
import sys
import threading
import weakref

from life import Beat, devices, playing, until

import voicecoil as vc

gc.disable()
main = threading.get_ident()
seen_on: list[int] = []


class Witness:
    """An object of the same reference cycle, which records the thread that collects it."""

    def __del__(self) -> None:
        seen_on.append(threading.get_ident())


class Collecting(Beat):
    collect = False

    def __call__(self, block: vc.Block) -> None:
        super().__call__(block)
        if self.collect:
            gc.collect()


def in_a_cycle(beat: Beat) -> weakref.ref:
    stream = playing(beat)
    holder = [stream, Witness()]
    holder.append(holder)
    return weakref.ref(stream._connection)


collector = Collecting()
if sys.argv[1] == "other":
    stream = playing(collector, driver=devices())
    connection = in_a_cycle(Beat())
else:
    connection = in_a_cycle(collector)
Collecting.collect = True
until(lambda: seen_on and connection() is None)
assert main not in seen_on
