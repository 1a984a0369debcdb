"""Four threads and a signal handler start, stop, abort, wait for and close one stream.

Argument: a seed. ``VOICECOIL_RACES_S`` is the duration. Each call must succeed, or raise the error
that the stream already runs or is closed. The main thread is one of the four threads, and the
handler interrupts its calls.
"""

import faulthandler
import os
import random
import signal
import sys
import threading
import time

from life import HOME, PATIENCE_S, Beat, devices, nothing_under_way, until

import voicecoil as vc

seed = sys.argv[1]
SECONDS = float(os.environ.get("VOICECOIL_RACES_S", "1"))
DEEPEST = 20  # handlers that interrupt each other
EXPECTED = (vc.StreamStateError, vc.StreamClosedError)
faulthandler.enable()
faulthandler.dump_traceback_later(SECONDS + 30, exit=True)  # for hangs
chosen = devices(clock="real")
inside = threading.Lock()
counts: dict[str, int] = {}


class Callback:
    """A callback that is sometimes slow and sometimes ends its stream. It checks that only one
    thread at a time calls it.
    """

    def __init__(self) -> None:
        self.blocks = 0

    def __call__(self, block: vc.Block) -> None:
        if not inside.acquire(blocking=False):
            os.write(2, b"two threads are in the callback\n")
            os._exit(3)
        self.blocks += 1
        if self.blocks % 7 == 0:
            time.sleep(0.003)
        ends = self.blocks % 5 == 0
        inside.release()
        if ends:
            raise vc.Stop


def opened() -> vc.OutputStream:
    return vc.OutputStream(Callback(), driver=chosen, arrays="memoryview", latency=HOME)


def do(stream: vc.OutputStream, dice: random.Random, closing: float) -> None:
    calls = ("start", "start", "start", "stop", "abort", "wait", "state")
    name = "close" if dice.random() < closing else dice.choice(calls)
    try:
        if name == "wait":
            stream.wait(0.01)
        elif name == "state":
            repr(stream), stream.events()
        else:
            getattr(stream, name)()
    except EXPECTED:
        name += " refused"
    counts[name] = counts.get(name, 0) + 1


def handle(signum: int, frame: object) -> None:
    """Makes a call. Signals can interrupt the handler itself, and on a busy machine they come
    faster than it returns. The limit of the depth keeps it from a RecursionError.
    """
    global depth
    if depth == DEEPEST:
        return
    depth += 1
    try:
        do(current[0], from_handler, 0.01)
    finally:
        depth -= 1


def work(number: int) -> None:
    dice = random.Random(f"{seed} {number}")
    try:
        # On a busy machine, a second is too short for every method.
        while time.monotonic() < ends or (
            not counts.keys() >= WANTED and time.monotonic() < ends + PATIENCE_S / 4
        ):
            stream = current[0]
            do(stream, dice, 0.01)
            if stream.state == "closed":
                with replacing:
                    if current[0] is stream:
                        current[0] = opened()
    except BaseException as error:
        failures.append(error)
        raise


WANTED = {"start", "stop", "abort", "wait", "close", "start refused"}
depth = 0
from_handler = random.Random(f"{seed} handler")
replacing = threading.Lock()
failures: list[BaseException] = []
current = [opened()]
ends = time.monotonic() + SECONDS
signal.signal(signal.SIGALRM, handle)
signal.setitimer(signal.ITIMER_REAL, 0.003, 0.003)
threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 4)]
for thread in threads:
    thread.start()
work(0)
signal.setitimer(signal.ITIMER_REAL, 0)
for thread in threads:
    thread.join(PATIENCE_S)
    assert not thread.is_alive()
assert not failures
current[0].close()
assert counts.keys() >= WANTED, counts
beat = Beat()
with vc.OutputStream(beat, driver=chosen, arrays="memoryview", latency=HOME):
    beat.wait()
until(nothing_under_way)
if os.environ.get("VOICECOIL_RACES_TELL"):
    print(counts)
