"""jackd with its dummy driver, and a sound card on it that records its output."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from compiler import shared_library
from rig import until
from servers.processes import Processes, needs

__all__ = ["JackServer", "SoundCard", "use"]


class JackServer:
    """A jackd for the tests.

    The server is synchronous. It waits for its clients in each cycle, so none of them is ever late.

    Parameters
    ----------
    period_frames : int
        Frames per period.
    samplerate : int
        Rate, Hz.
    ports : int
        Number of ports of the dummy driver in each direction. With 0, a `SoundCard` makes ports.
    role : str
        A part of the server's name, which distinguishes servers that run at the same time.
    before : sequence of str
        Words in front of the command, such as a command that enters a network namespace.
    """

    def __init__(
        self,
        period_frames: int = 256,
        samplerate: int = 48_000,
        ports: int = 0,
        *,
        role: str = "main",
        before: Sequence[str] = (),
    ) -> None:
        needs("jackd")
        # The tests use few names. A machine has room for eight servers, and a killed server takes
        # its place until a server with the same name starts.
        self.name = f"voicecoil-{role}-{os.environ.get('PYTEST_XDIST_WORKER', 'gw')}"
        self.period_frames = period_frames
        self.processes = Processes()
        self.env = {"JACK_DEFAULT_SERVER": self.name, "JACK_NO_AUDIO_RESERVATION": "1"}
        self._command = [*before, "jackd", "-n", self.name, "--no-realtime", "-S"]
        self._command += ["-t", "5000"]
        self._command += ["-d", "dummy", "-r", str(samplerate), "-p", str(period_frames)]
        self._command += ["-C", str(ports), "-P", str(ports)]
        self.start()

    def start(self) -> None:
        """Starts the server, also after it was killed. The server is ready some time later."""
        self.process = self.processes.start(self._command, **self.env)

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def kill(self) -> None:
        """Kills the server, so that it ends as in a crash."""
        self.processes.end(signal.SIGKILL)

    def close(self) -> None:
        self.processes.close()


class SoundCard:
    """A sound card made of two JACK clients, see jack_card.c. A process can have one.

    Parameters
    ----------
    server : JackServer
        The server, which the process must be able to find.
    folder : Path
        The folder for the compiled library.
    """

    SECONDS = 60

    def __init__(self, server: JackServer, folder: Path, channels: int = 2) -> None:
        self.library = ctypes.CDLL(str(shared_library("servers/jack_card.c", folder)))
        self.library.card_plug.argtypes = [ctypes.c_uint, ctypes.c_void_p, ctypes.c_size_t]
        self.library.card_frames.restype = ctypes.c_size_t
        self.library.card_cycles.restype = ctypes.c_uint64
        self.memory = np.zeros((48_000 * self.SECONDS, channels), np.float32)
        place = (channels, self.memory.ctypes.data, len(self.memory))
        server.processes.until_ready(
            lambda: bool(self.library.card_plug(*place) == 0), "jackd with a sound card"
        )

    def advance(self, cycles: int) -> None:
        """Waits until `cycles` cycles have passed, but at most for a second."""
        wanted = self.library.card_cycles() + cycles + 1
        with contextlib.suppress(AssertionError):
            until(lambda: bool(self.library.card_cycles() >= wanted), patience=1000)

    def heard(self) -> NDArray[np.float32]:
        """Returns the output from the first frame that is not silent to the last one."""
        frames = self.memory[: self.library.card_frames()]
        loud = np.flatnonzero(frames.any(axis=1))
        return frames[loud[0] : loud[-1] + 1] if len(loud) else frames[:0]

    def reset(self) -> None:
        self.library.card_reset()

    def unplug(self) -> None:
        self.library.card_unplug()


def use(server: JackServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes clients in this process find the server."""
    for name, value in server.env.items():
        monkeypatch.setenv(name, value)
