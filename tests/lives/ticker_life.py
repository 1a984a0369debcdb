"""Threads of another extension call Python.

Arguments: the path of the extension, the interpreter ("here" or "isolated"), and the next step of
the program.
"""

import gc
import os
import signal
import sys
import threading
from typing import Any

from life import until

build, where, what = sys.argv[1:]
sys.path.append(build)
import ticker  # noqa: E402 - it is built there

seen = threading.Event()


def tick(now: list[int]) -> None:
    if now[1] >= 3:
        seen.set()


def stuck_here(now: list[int]) -> None:
    threading.Event().wait(1000)


def ticking(name: str = "tick", **wanted: Any) -> Any:
    here = {"tick": tick, "stuck": stuck_here, "fails": fail}[name]
    one = ticker.Ticker(here if where == "here" else f"ticker_code:{name}", threads=3, **wanted)
    if name == "tick":
        until(lambda: one.calls > 10)
    return one


def fail(now: list[int]) -> None:
    raise RuntimeError("meant")


def dropped() -> None:
    one = ticking()
    del one
    gc.collect()


def many() -> None:
    for _ in range(20):
        one = ticking(ticks=5, pause_us=0)
        until(lambda one=one: one.threads_left == 3)
        one.close()
        assert (one.calls, one.raised) == (15, 0)


def never_closed() -> None:
    # The threads make pauses, because twelve threads without a GIL would use all processors.
    globals()["more"] = [ticking(pause_us=20) for _ in range(4)]


def unseen() -> None:
    one = globals()["one"] = ticking("fails", ticks=1)
    until(lambda: one.raised == 3)


def stuck() -> None:
    globals()["one"] = ticking("stuck")


def forked() -> None:
    child = os.fork()
    if child == 0:
        globals()["own"] = ticking()
        one.close()
        sys.exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0, status
    before = one.calls
    until(lambda: one.calls > before + 3)


one = ticking()
{
    "end": lambda: None,
    "sys.exit": lambda: sys.exit(3),
    "os._exit": lambda: os._exit(7),
    "signalled": lambda: (os.kill(os.getpid(), signal.SIGINT), threading.Event().wait(20)),
    **{f.__name__: f for f in (dropped, many, never_closed, unseen, stuck, forked)},
}[what]()
