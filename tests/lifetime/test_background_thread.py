"""Programs in subprocesses wait for the end of a thread while real signals arrive."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")

INTERRUPTED = """
import os, signal, threading, time
from voicecoil.lifetime.background_thread import BackgroundThread

release = threading.Event()
thread = BackgroundThread(release.wait, "waits")
thread.start()
main = threading.main_thread().ident
for _ in range(20):
    try:
        threading.Timer(0.002, signal.pthread_kill, (main, signal.SIGINT)).start()
        thread.join(20)
    except KeyboardInterrupt:
        assert thread.is_alive()
        assert not thread.join(0)
    else:
        raise SystemExit("the join was not interrupted")
release.set()
assert thread.join(20)
assert not thread.is_alive()
"""

INTERRUPTED_STARTS = """
import signal, sys
from voicecoil.lifetime.background_thread import BackgroundThread

class Now(BaseException):
    pass

def raise_now(number, frame):
    global armed
    if armed:  # Python may call this long after the signal, in a later line of this program
        armed = False
        raise Now

# Python shows an exception in a weak reference's callback, where nothing can catch it.
sys.unraisablehook = lambda found: None if found.exc_type is Now else sys.__unraisablehook__(found)
signal.signal(signal.SIGALRM, raise_now)
armed = False
ran = 0

def run():
    global ran
    ran += 1

interrupted = 0
for number in range(400):
    thread = BackgroundThread(run, "runs")
    before = ran
    try:
        armed = True
        signal.setitimer(signal.ITIMER_REAL, 1e-6 * (1 + number))
        thread.start()
        armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)
    except (Now, RuntimeError):  # Thread.start finds a lock of its own in disorder
        interrupted += 1
    assert thread.join(20), "it neither runs nor has ended"
    assert ran - before in (0, 1)
assert interrupted > 0
"""


def run(program: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_an_interrupted_join_does_not_end_the_thread() -> None:
    run(INTERRUPTED)


def test_a_thread_whose_start_is_interrupted_runs_or_has_ended() -> None:
    run(INTERRUPTED_STARTS)
