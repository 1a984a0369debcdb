"""A JACK server ends under several clients, and not all of them are told before one more is opened.

libjack tells each client on a thread of its own. When one has been told, libjack frees all clients
when the next one is opened, and the others are never told. Here two streams are never told, as if
their threads had not run in time. One of them runs.

Run this as a program. Argument: "stream" or "query", the only client that is told.
"""

from __future__ import annotations

import ctypes
import faulthandler
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import voicecoil as vc
from rig import until
from servers.jack import JackServer
from voicecoil.drivers.miniaudio import library
from voicecoil.drivers.miniaudio.driver import MiniaudioDriver
from voicecoil.drivers.miniaudio.session import Session
from voicecoil.drivers.miniaudio.stream import MiniaudioStream

Told = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
forget = Told(lambda _: None)


def open_stream(driver: MiniaudioDriver) -> tuple[vc.OutputStream, MiniaudioStream]:
    stream = vc.OutputStream(lambda block: None, driver=driver)
    on_device = stream._connection and stream._connection.driver_stream
    assert isinstance(on_device, MiniaudioStream)
    return stream, on_device


def is_never_told(on_device: MiniaudioStream) -> None:
    jack = library.jack()
    assert jack is not None
    address = ctypes.cast(forget, ctypes.c_void_p).value
    jack.jack_on_shutdown(on_device._opened.latencies._client, address, None)


def query_is_told(driver: MiniaudioDriver, server: JackServer) -> None:
    with driver.shared_session():
        assert driver.devices()  # leaves its client open for the stream that may follow
        session = driver._backends["jack"].system.thread.newest_session
        assert isinstance(session, Session)
        spare = session.spare()
        assert spare is not None
        server.kill()
        until(lambda: bool(spare._end.counts()["gone"]))


def main(told: str) -> None:
    faulthandler.enable()
    server = JackServer(ports=2, role="restarted")
    os.environ.update(server.env)
    driver = MiniaudioDriver("jack")
    until(lambda: bool(driver.devices()))
    opened = [open_stream(driver) for _ in range(2)]
    for _, on_device in opened:
        is_never_told(on_device)
    opened[1][0].start()
    if told == "query":
        query_is_told(driver, server)
    else:
        stream = open_stream(driver)[0]
        stream.start()
        server.kill()
        until(lambda: stream.state == "finished")
        stream.close()
    # Nothing that is open knows now that the server is gone.
    server.start()
    until(lambda: bool(driver.devices()))
    for late, on_device in opened:
        assert on_device._opened.dead  # its client was closed before libjack freed it
        late.close()
    with open_stream(driver)[0] as fresh:
        assert fresh.state == "running"
    server.close()


if __name__ == "__main__":
    main(sys.argv[1])
