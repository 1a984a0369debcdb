"""Times and losses that a stream reports if a real jackd stalls or gets another period."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import voicecoil as vc
from coded import assert_coded
from driver_contract import CodedOutput
from rig import until
from servers.jack import JackServer, SoundCard, use
from voicecoil.drivers.miniaudio import _io
from voicecoil.drivers.miniaudio.driver import MiniaudioDriver
from voicecoil.drivers.miniaudio.stream import MiniaudioStream

pytest.importorskip("_miniaudio", reason="NOT TESTED: the package miniaudio is not installed")
pytestmark = pytest.mark.realtime

STALLS, STALL_S = 2, 0.4
OTHER_PERIOD_FRAMES = 512


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[JackServer]:
    server = JackServer(ports=2)
    use(server, monkeypatch)
    driver = MiniaudioDriver("jack")
    server.processes.until_ready(lambda: bool(driver.devices()), "jackd")
    yield server
    server.close()


def test_times_of_blocks_are_on_the_drivers_clock(server: JackServer) -> None:
    """NTP does not correct jackd's clock. Soon after boot, it differs by about 100 ms."""
    ages: list[int] = []

    def look(block: vc.Block) -> None:
        ages.append(stream.now_ns() - block.time.now_ns)

    with vc.OutputStream(look, driver="miniaudio:jack", latency="low") as stream:
        until(lambda: len(ages) > 40)
    period_ns = server.period_frames * 1e9 / 48_000
    assert 0 <= min(ages) < period_ns


def test_time_between_two_runs_is_counted(server: JackServer) -> None:
    times: list[tuple[int, int]] = []  # position in frames, and time in ns

    def look(block: vc.Block) -> None:
        assert block.time.now_frames is not None
        assert block.time.now_ns is not None
        times.append((block.time.now_frames, block.time.now_ns))

    with vc.OutputStream(look, driver="miniaudio:jack", latency="low") as stream:
        until(lambda: len(times) > 20)
        stream.stop()
        before, runs = times[-1], len(times)
        stream.start()
        until(lambda: len(times) > runs + 20)
    frames, passed_ns = (times[-1][i] - before[i] for i in (0, 1))
    assert frames > 20 * server.period_frames
    assert abs(frames - passed_ns * 48e-6) < server.period_frames


def test_losses_of_a_stalled_server_are_reported(server: JackServer) -> None:
    """The server's frame counter does not advance while the server stalls. After the stall, its
    times are wrong.
    """
    seen: list[int] = []  # time of each block on the clock of this process, ns

    def look(block: vc.Block) -> None:
        seen.append(time.monotonic_ns())

    with vc.OutputStream(look, driver="miniaudio:jack", latency="low") as stream:
        until(lambda: len(seen) > 20)
        for _ in range(STALLS):
            server.process.send_signal(signal.SIGSTOP)
            time.sleep(STALL_S)  # the length of the stall, not a synchronisation
            server.process.send_signal(signal.SIGCONT)
            wanted = len(seen) + 40
            until(lambda wanted=wanted: len(seen) > wanted)
        counted = stream.statistics()
        events = stream.events()
    lost = np.diff(np.asarray(seen)) * 48e-6 - server.period_frames
    # After a long gap, the server catches up at most one period.
    long = lost[lost > 10 * server.period_frames]
    assert len(long) >= STALLS
    assert abs(counted.lost_frames - lost.sum()) < (STALLS + 2) * server.period_frames
    assert counted.overloads >= STALLS
    assert sum(event.kind == "overload" for event in events) == counted.overloads
    assert sum(e.value for e in events if e.kind == "xrun") == counted.lost_frames


def set_period(server: JackServer, frames: int) -> None:
    env = {**server.processes.env, **server.env, "PATH": "/usr/bin:/bin"}
    subprocess.run(["jack_bufsize", str(frames)], env=env, check=True, timeout=20)


def test_another_period_is_followed_without_loss_ahead_of_the_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = JackServer()
    use(server, monkeypatch)
    card = SoundCard(server, tmp_path)
    callback = CodedOutput()
    try:
        with vc.OutputStream(callback, driver="miniaudio:jack", latency="safe") as stream:
            for frames in (OTHER_PERIOD_FRAMES, server.period_frames // 2):
                card.advance(5)
                set_period(server, frames)
            card.advance(30)
            assert stream.state == "running"
            assert stream.device.uid == "jack"
        card.advance(1)
        heard = card.heard()
        assert len(heard) > 20 * server.period_frames
        assert_coded(heard)
    finally:
        card.unplug()
        server.close()


def test_another_period_ends_a_stream_on_the_io_thread_or_is_recovered_from(
    server: JackServer,
) -> None:
    callback = CodedOutput()
    with vc.OutputStream(callback, driver="miniaudio:jack", latency="low") as stream:
        until(lambda: callback.blocks > 5)
        set_period(server, OTHER_PERIOD_FRAMES)
        with pytest.raises(
            vc.DeviceLostError,
            match=f"from {server.period_frames} to {OTHER_PERIOD_FRAMES} frames",
        ):
            stream.wait(10)
    callback = CodedOutput()
    with vc.OutputStream(
        callback, driver="miniaudio:jack", latency="low", on_device_lost="wait"
    ) as stream:
        until(lambda: callback.blocks > 5)
        set_period(server, server.period_frames)
        until(lambda: any(event.kind == "back" for event in stream.events()))
        blocks = callback.blocks
        until(lambda: callback.blocks > blocks + 5)


def test_all_clients_are_lost_when_libjack_reports_one(server: JackServer) -> None:
    """After a loss, libjack frees all clients when the next one is opened. Before the fix, stopping
    one of the freed clients crashed.
    """
    tell_gone = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(_io.gone_address())
    streams = [vc.OutputStream(lambda block: None, driver="miniaudio:jack") for _ in range(3)]
    for stream in streams:
        stream.start()
    told = streams[1]._connection and streams[1]._connection.driver_stream
    assert isinstance(told, MiniaudioStream)
    tell_gone(told._opened.io.address)  # libjack makes this call when it loses the server
    with vc.OutputStream(lambda block: None, driver="miniaudio:jack") as fresh:
        for stream in streams:
            until(lambda stream=stream: stream.state == "finished")
            with pytest.raises(vc.DeviceLostError):
                stream.stop()
            stream.close()
        assert fresh.state == "running"
