"""Asks RealtimeKit for a real-time priority, which an ordinary user of Linux cannot set.

Desktop systems run RealtimeKit, a service on the system's D-Bus. It gives threads of ordinary users
a real-time priority up to some level. The process must have a limit on how long such a thread
computes without a pause (RLIMIT_RTTIME).

A daemon thread makes the request, so that no stream waits for the answer. If the stream has ended
meanwhile, no request is made. After one failure, this process makes no more requests.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from functools import partial
from typing import Any

from voicecoil import _core
from voicecoil.lifetime.background_thread import BackgroundThread

__all__ = ["answer", "raise_soon"]

NAME = "org.freedesktop.RealtimeKit1"
PATH = "/org/freedesktop/RealtimeKit1"
SOCKETS = ("/run/dbus/system_bus_socket", "/var/run/dbus/system_bus_socket")
LEVEL = 2  # the same as VC_WORKER_PRIORITY in C
ANSWER_S = 5.0  # the service may have to be started
BEGIN_S = 5.0  # how long to wait until the worker's thread has begun

_answer = "not asked"
_given_up = False
_asking = threading.Lock()


def answer() -> str:
    """The outcome of the last request, in words."""
    return _answer


def raise_soon(worker: _core.Worker) -> None:
    """Requests a real-time priority for the worker's thread if it has none. Returns at once."""
    if sys.platform != "linux" or _given_up or not _has_bus():
        return
    # The system cannot start a thread, there is no memory for it, or the interpreter is ending.
    with contextlib.suppress(RuntimeError, MemoryError):
        BackgroundThread(partial(_raise, worker), "voicecoil realtimekit").start()


def _has_bus() -> bool:
    return "DBUS_SYSTEM_BUS_ADDRESS" in os.environ or any(map(os.path.exists, SOCKETS))


def _raise(worker: _core.Worker) -> None:
    global _answer, _given_up
    with _asking:
        if _given_up or not _needs_it(worker):
            return
        try:
            _answer = _ask(worker)
        except ImportError:
            _answer, _given_up = "needs the package jeepney", True
        except Exception as error:
            # The service refuses, or the bus does not exist or does not answer. The next stream
            # would fail in the same way, so it does not ask.
            _answer, _given_up = str(error) or type(error).__name__, True


def _needs_it(worker: _core.Worker) -> bool:
    until = time.monotonic() + BEGIN_S
    while worker.thread[3] == 0:
        if time.monotonic() > until:
            return False
        time.sleep(0.001)
    policy, _, error, _ = worker.thread
    return policy == 0 and error != 0


def _ask(worker: _core.Worker) -> str:
    from jeepney import DBusAddress, Properties, new_method_call
    from jeepney.io.blocking import open_dbus_connection
    from jeepney.wrappers import unwrap_msg

    service = DBusAddress(PATH, bus_name=NAME, interface=NAME)
    with open_dbus_connection(bus="SYSTEM") as connection:

        def call(message: Any) -> Any:
            return unwrap_msg(connection.send_and_get_reply(message, timeout=ANSWER_S))

        def value(name: str) -> int:
            return int(call(Properties(service).get(name))[0][1])

        most = value("MaxRealtimePriority")
        if not _core.guard_hard(value("RTTimeUSecMax")):
            return "not asked: the program handles SIGXCPU itself"
        level = min(LEVEL, most)
        number = worker.thread[3]
        if number == 0:
            return "not asked: the thread has ended"
        call(new_method_call(service, "MakeThreadRealtime", "tu", (number, level)))
    return "granted" if worker.granted(level) else "granted too late"
