"""A sound server does not answer for a while, during each kind of call that needs the server.

Run this as a program. Argument: the name of the server. A call that hangs is abandoned at its
deadline, and later calls are made on a new thread. When the server continues, the abandoned call
returns. It must not use any object of later calls, and must not leave anything open.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import voicecoil as vc
from rig import until
from servers.killed import SERVERS, Counter, goes_on
from voicecoil.drivers.miniaudio.driver import MiniaudioDriver
from voicecoil.drivers.miniaudio.kinds import KINDS, Timeouts
from voicecoil.drivers.miniaudio.system import system_of

SHORT = Timeouts(probe_s=0.3, look_s=0.3, open_s=0.3, start_s=0.3, stop_s=0.3, cycle_s=0.5)
ROUNDS = 4


@contextlib.contextmanager
def frozen(server: Any) -> Iterator[None]:
    """Stops all processes of the server, as on a machine that is suspended."""
    running = list(server.processes.running)
    for process in running:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in reversed(running):
            process.send_signal(signal.SIGCONT)


class InterruptedWaitError(Exception):
    pass


def interrupt(*_: object) -> None:
    raise InterruptedWaitError


def main(name: str) -> None:
    server = SERVERS[name]()
    os.environ.update(server.env)
    key = "jack" if name == "jack" else "pulse"
    driver = MiniaudioDriver(key, timeouts=SHORT)
    until(lambda: bool(driver.devices()))
    device = driver.devices()[0]
    signal.signal(signal.SIGALRM, interrupt)

    def clients() -> int:
        """Returns the number of connections to PulseAudio. JACK cannot list connections (0)."""
        listed = server.control("list", "short", "clients") if key == "pulse" else None
        return (listed or "").count("python")

    for number in range(ROUNDS):
        with frozen(server):
            # In every second round, a signal interrupts a call that hangs.
            if number % 2:
                signal.setitimer(signal.ITIMER_REAL, 0.1)
                with contextlib.suppress(InterruptedWaitError):
                    driver.devices()
            assert driver.devices() == []
            with contextlib.suppress(vc.VoicecoilError):
                vc.OutputStream(Counter(), driver=driver, device=device).close()
        until(lambda: bool(driver.devices()))

    counter = Counter()
    stream = vc.OutputStream(counter, driver=driver, device=device, on_device_lost="wait")
    stream.start()
    for _ in range(ROUNDS):
        goes_on([counter])
        with frozen(server):
            until(lambda: stream.state == "waiting")
        until(lambda: stream.state == "running")
    goes_on([counter])
    assert counter.frames == sorted(counter.frames)
    with frozen(server):
        until(lambda: stream.state == "waiting")
        stream.close()

    counter = Counter()  # this stream ends, and must not go on when the server continues
    stream = vc.OutputStream(counter, driver=driver, device=device)
    stream.start()
    goes_on([counter])
    with frozen(server):
        until(lambda: stream.state == "finished")
    until(lambda: bool(driver.devices()))
    blocks = counter.blocks
    for _ in range(3):
        until(lambda: bool(driver.devices()))
        assert (stream.state, counter.blocks) == ("finished", blocks)
    try:
        stream.wait(10)
        raise AssertionError("wait() did not raise DeviceLostError")
    except vc.DeviceLostError:
        stream.close()
    until(lambda: not system_of(KINDS[key]).thread.hanging)
    until(lambda: clients() <= 1)  # the connection for listing devices remains
    server.close()


if __name__ == "__main__":
    main(sys.argv[1])
