"""The sound servers of the benchmarks. They are started with the helpers of the tests."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from servers.processes import Processes

TITLES = {
    "jack": "jackd with its dummy driver",
    "pulse": "PulseAudio with a null sink",
    "virtual": "The virtual device in real time",
}

Running = tuple[dict[str, str], Callable[[], int | None]]


@contextlib.contextmanager
def running(server: str, frames: int) -> Iterator[Running]:
    """Runs a server with a period of `frames` frames.

    Yields the environment of its clients, and a function that returns the number of xruns that the
    server has counted so far, or None if the server does not report xruns.
    """
    processes = Processes()
    try:
        if server == "jack":
            yield _jack(processes, frames)
        elif server == "pulse":
            yield _pulse(processes)
        else:
            yield dict(processes.env), lambda: None
    finally:
        processes.close()


def _jack(processes: Processes, frames: int) -> Running:
    name = "voicecoil-bench"
    own = {
        "JACK_DEFAULT_SERVER": name,
        "JACK_NO_AUDIO_RESERVATION": "1",
        "JACK_NO_START_SERVER": "1",
    }
    # The server is asynchronous, as jackd is by default: it does not wait for late clients.
    dummy = ["-d", "dummy", "-r", "48000", "-p", str(frames)]
    processes.start(["jackd", "-n", name, "--no-realtime", *dummy], **own)
    (log,) = processes.logs()

    def lines(word: str) -> int:
        return log.read_text("utf-8", "replace").count(word)

    time.sleep(1.0)  # a client that connects earlier would find no server
    processes.until_ready(lambda: lines("JACK server starting") > 0, "jackd")
    return processes.env | own, lambda: lines("XRun") + lines("Process error")


def _pulse(processes: Processes) -> Running:
    folder = processes.folder / "pulse"
    folder.mkdir(mode=0o700)
    socket = folder / "native"
    modules = [
        "module-null-sink sink_name=null0 rate=48000 format=float32le norewinds=1",
        f"module-native-protocol-unix auth-anonymous=1 socket={socket}",
    ]
    command = ["pulseaudio", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "-n"]
    processes.start([*command, *(part for one in modules for part in ("-L", one))])
    processes.until_ready(socket.exists, "pulseaudio")
    return processes.env | {"PULSE_SERVER": f"unix:{socket}"}, lambda: None
