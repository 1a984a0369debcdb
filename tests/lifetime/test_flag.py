"""The class Flag, which lets threads wait until it is set."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from voicecoil.lifetime.flag import Flag


def test_a_wait_ends_when_it_is_set_or_when_the_time_is_over() -> None:
    flag = Flag()
    assert not flag.wait(0.0)
    assert not flag.is_set()
    woken = []
    threads = [threading.Thread(target=lambda: woken.append(flag.wait(60))) for _ in range(4)]
    for thread in threads:
        thread.start()
    flag.set()
    flag.set()
    for thread in threads:
        thread.join(20)
    assert woken == [True] * 4
    assert flag.is_set()
    assert flag.wait(0.0)


INTERRUPTED = """
import signal, threading
from voicecoil.lifetime.flag import Flag

class Now(BaseException):
    pass

def raise_now(number, frame):
    global armed
    if armed:
        armed = False
        raise Now

# A function, because Python 3.13 may handle the signal in a jump that the try block does not cover.
def use(flag, fresh):
    while armed:
        fresh.wait(0.0)
        flag.set()

signal.signal(signal.SIGALRM, raise_now)
armed, interrupted = False, 0
for number in range(3000):
    flag, fresh = Flag(), Flag()
    try:
        armed = True
        signal.setitimer(signal.ITIMER_REAL, 1e-6 * (1 + number % 30))
        use(flag, fresh)
    except Now:
        interrupted += 1
    armed = False
    heard = []
    thread = threading.Thread(target=lambda: (flag.set(), fresh.set(), heard.append(flag.wait(5))))
    thread.start()
    thread.join(20)
    assert heard == [True], "a lock stayed locked"
assert interrupted > 0
"""


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
def test_a_signal_handler_that_raises_leaves_nothing_locked() -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=300
    )
    assert (done.returncode, done.stderr) == (0, "")
