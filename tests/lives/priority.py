"""Prints the priority of a stream's worker on a device in real time, as JSON.

Arguments: "once", "spin" (the callback computes until the priority is lowered), "twice" (two
streams), "handled" (the program handles SIGXCPU after the stream was started).
"""

import contextlib
import json
import os
import resource
import signal
import sys
import threading
import time

from life import devices, until

import voicecoil as vc

lowered, handled, computed = threading.Event(), threading.Event(), threading.Event()
spinning = sys.argv[1] == "spin"


def is_raised(thread: int) -> bool:
    return os.sched_getscheduler(thread) & ~os.SCHED_RESET_ON_FORK != os.SCHED_OTHER


def callback(block: vc.Block) -> None:
    thread = threading.get_native_id()
    if handled.is_set() and not computed.is_set():
        until_s = time.thread_time() + 0.5
        while time.thread_time() < until_s:
            pass
        computed.set()
    if spinning and is_raised(thread):
        for _ in range(100_000):
            if not is_raised(thread):
                lowered.set()
                return
            sum(range(1000))


def one() -> dict[str, object]:
    with vc.OutputStream(callback, driver=devices(clock="real")) as stream:

        def decided() -> bool:
            priority = stream.worker_priority
            assert priority is not None
            # The thread has not run yet, or RealtimeKit has not answered yet.
            waiting = ("nothing was asked", "not asked")
            return not any(text in priority.detail for text in waiting)

        until(decided)
        until(
            lambda: stream.statistics().cycles > 0
        )  # by then, the IO thread and the worker have begun
        if spinning:
            until(lambda: lowered.is_set() and stream.worker_priority.policy == "lowered")
        if sys.argv[1] == "handled":
            assert stream.worker_priority.is_realtime
            signal.signal(signal.SIGXCPU, signal.SIG_DFL)
            until(lambda: not stream.worker_priority.is_realtime)
            handled.set()  # now the callback computes for longer than the guard's timer
            until(computed.is_set)
        threads = {}
        for number in os.listdir("/proc/self/task"):
            with (
                contextlib.suppress(OSError),  # a thread of the start that has ended
                open(f"/proc/self/task/{number}/comm") as file,
            ):
                threads[file.read().strip()] = os.sched_getscheduler(int(number))
        priority = stream.worker_priority
        stream.abort()
    return {
        "policy": priority.policy,
        "level": priority.level,
        "detail": priority.detail,
        "threads": threads,
        "limits": resource.getrlimit(resource.RLIMIT_RTTIME),
    }


print(json.dumps([one() for _ in range(2 if sys.argv[1] == "twice" else 1)]))
