"""The priority of the thread on which a callback runs ahead of the device."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import voicecoil as vc
from paths import LIVES, SERVERS
from servers.processes import needs
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems have no SCHED_FIFO")
# A program that runs with this command cannot raise the priority of a thread, not even as root.
UNPRIVILEGED = ["setpriv", "--bounding-set=-sys_nice", "--inh-caps=-sys_nice"]
NO_BUS = "unix:path=/nonexistent/voicecoil"


def lives(*arguments: str, bus: str = NO_BUS, may: bool = True) -> Any:
    command = [sys.executable, str(LIVES / "priority.py"), *arguments]
    done = subprocess.run(
        command if may else [*UNPRIVILEGED, *command],
        env={**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": bus},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def can_raise() -> bool:
    """Returns whether this process may use SCHED_FIFO. Another process tries this, because the
    process that tries keeps the policy.
    """
    return subprocess.run([sys.executable, "-c", TRY], timeout=60).returncode == 0


TRY = """
import os
os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(2))
"""


@contextmanager
def realtimekit(way: str) -> Iterator[str]:
    """Starts a D-Bus with a service in place of RealtimeKit and returns its address."""
    needs("dbus-daemon", "setpriv")
    pytest.importorskip("jeepney", reason="NOT TESTED: jeepney is not installed")
    if not can_raise():
        pytest.skip("NOT TESTED: the stand-in for RealtimeKit may raise no thread here")
    bus = subprocess.Popen(
        ["dbus-daemon", "--session", "--nofork", "--print-address"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert bus.stdout is not None
        address = bus.stdout.readline().strip()
        service = subprocess.Popen(
            [sys.executable, str(SERVERS / "realtimekit.py"), way],
            env={**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": address},
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert service.stdout is not None
            assert service.stdout.readline() == "ready\n"
            yield address
        finally:
            service.kill()
            service.communicate()
    finally:
        bus.kill()
        bus.communicate()


@on_linux
def test_the_worker_has_the_lowest_real_time_priority_and_all_threads_have_names() -> None:
    if not can_raise():
        pytest.skip("NOT TESTED: this process may have no real-time priority")
    (seen,) = lives("once")
    assert (seen["policy"], seen["level"], seen["detail"]) == ("fifo", 2, "")
    assert seen["threads"]["voicecoil work"] == os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
    assert "voicecoil io" in seen["threads"]
    assert 0 < seen["limits"][0] <= 200_000


@on_linux
def test_a_callback_that_spins_loses_it() -> None:
    if not can_raise():
        pytest.skip("NOT TESTED: this process may have no real-time priority")
    (seen,) = lives("spin")
    assert seen["policy"] == "lowered"
    assert "computed" in seen["detail"]
    assert seen["threads"]["voicecoil work"] & ~os.SCHED_RESET_ON_FORK == os.SCHED_OTHER


@on_linux
def test_a_program_that_takes_the_signal_back() -> None:
    """If the program handles SIGXCPU itself, the guard cannot work. The guard's timer must then not
    send this signal.
    """
    if not can_raise():
        pytest.skip("NOT TESTED: this process may have no real-time priority")
    (seen,) = lives("handled")
    assert seen["policy"] == "ordinary"
    assert "handles SIGXCPU itself" in seen["detail"]
    assert seen["threads"]["voicecoil work"] & ~os.SCHED_RESET_ON_FORK == os.SCHED_OTHER


@on_linux
def test_realtimekit_gives_it_where_the_system_does_not() -> None:
    with realtimekit("grant") as bus:
        (seen,) = lives("once", bus=bus, may=False)
    assert (seen["policy"], seen["level"], seen["detail"]) == ("rr", 2, "")
    assert seen["threads"]["voicecoil work"] == os.SCHED_RR | os.SCHED_RESET_ON_FORK
    assert seen["limits"] == [150_000, 200_000], "the signal handler runs before the stream ends"


@on_linux
def test_a_callback_that_spins_loses_the_priority_from_realtimekit() -> None:
    with realtimekit("grant") as bus:
        (seen,) = lives("spin", bus=bus, may=False)
    assert seen["policy"] == "lowered"
    assert seen["threads"]["voicecoil work"] & ~os.SCHED_RESET_ON_FORK == os.SCHED_OTHER


@on_linux
def test_a_refusal_is_reported_and_the_stream_continues() -> None:
    with realtimekit("refuse") as bus:
        first, second = lives("twice", bus=bus, may=False)
    for seen in (first, second):
        assert seen["policy"] == "ordinary"
        assert "Operation not permitted" in seen["detail"]
        assert "not for you" in seen["detail"]


@on_linux
def test_a_machine_without_realtimekit() -> None:
    needs("setpriv")
    (seen,) = lives("once", may=False)
    assert seen["policy"] == "ordinary"
    assert "Operation not permitted" in seen["detail"]
    assert "RealtimeKit: " in seen["detail"]


def test_there_is_none_on_the_devices_own_thread() -> None:
    driver = VirtualDriver([VirtualDevice("Real")])
    with vc.OutputStream(lambda block: None, driver=driver, latency="low") as stream:
        assert stream.worker_priority is None


def test_a_device_whose_clock_is_not_real_needs_none() -> None:
    driver = VirtualDriver([VirtualDevice("Stepped", clock="stepped")])
    with vc.OutputStream(lambda block: None, driver=driver, latency="safe") as stream:
        priority = stream.worker_priority
        assert priority is not None
        assert (priority.policy, priority.level, priority.is_realtime) == ("ordinary", 0, False)
        stream.abort()
