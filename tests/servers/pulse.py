"""PulseAudio's server with a null sink, and a program that records from the sink's monitor."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from rig import until
from servers.processes import Processes, needs

__all__ = ["SURROUND", "Monitor", "PulseServer"]

SETTLE_FRAMES = 12_000  # more than any buffer of a server holds
STEREO = "front-left,front-right"
SURROUND = "front-left,front-right,rear-left,rear-right,front-center,lfe"
MODULE = (
    "module-null-sink sink_name={name} rate=48000 format=float32le channels={channels} norewinds=1"
)


class PulseServer:
    """A PulseAudio server with the sink "null0"."""

    def __init__(self, before: Sequence[str] = ()) -> None:
        needs("pulseaudio", "pactl", "parec")
        self.processes = Processes()
        self.socket = self.processes.folder / "native"
        self.env = {
            "PULSE_SERVER": f"unix:{self.socket}",
            "PULSE_RUNTIME_PATH": str(self.processes.folder),
            "PULSE_COOKIE": str(self.processes.folder / "cookie"),
        }
        self._before = before
        self.start()

    def start(self) -> None:
        """Starts the server, also after it was killed."""
        command = [*self._before, "pulseaudio", "--daemonize=no", "--exit-idle-time=-1"]
        command += ["--use-pid-file=no", "-n"]
        command += ["-L", MODULE.format(name="null0", channels=2)]
        command += ["-L", f"module-native-protocol-unix auth-anonymous=1 socket={self.socket}"]
        self.process = self.processes.start(command, **self.env)
        self.processes.until_ready(lambda: self.control("info") is not None, "pulseaudio")

    def control(self, *arguments: str) -> str | None:
        """Runs pactl. Returns its output, or None if it has failed."""
        done = subprocess.run(
            ["pactl", *arguments],
            env={**self.processes.env, **self.env, "PATH": "/usr/bin:/bin", "LC_ALL": "C"},
            capture_output=True,
            text=True,
            timeout=20,
        )
        return done.stdout if done.returncode == 0 else None

    def add_sink(self, name: str, channel_map: str = STEREO) -> str:
        """Adds a sink and returns the number of its module, with which it is unloaded."""
        words = MODULE.format(name=name, channels=channel_map.count(",") + 1).split()
        module = self.control("load-module", *words, f"channel_map={channel_map}")
        assert module is not None
        return module.strip()

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def kill(self) -> None:
        """Kills the server, so that it ends as in a crash."""
        self.processes.end(signal.SIGKILL)

    def close(self) -> None:
        self.processes.close()

    def use(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Makes clients in this process find the server."""
        for name, value in self.env.items():
            monkeypatch.setenv(name, value)


class Monitor:
    """Records the output of a sink with a program of the server."""

    def __init__(
        self, server: PulseServer, source: str = "null0.monitor", channel_map: str = ""
    ) -> None:
        self.server = server
        self.channels = channel_map.count(",") + 1 if channel_map else 2
        self.path = Path(server.processes.folder / f"{source}.raw")
        command = ["parec", "-d", source, "--raw", "--format=float32le", "--rate=48000"]
        command += [f"--channels={self.channels}", "--latency-msec=50", str(self.path)]
        if channel_map:
            command.insert(1, f"--channel-map={channel_map}")
        self.process = server.processes.start(command, **server.env)
        self.wait(1)
        server.processes.hurry()
        self.reset()

    @property
    def frames(self) -> int:
        return self.path.stat().st_size // (4 * self.channels) if self.path.exists() else 0

    def wait(self, frames: int) -> None:
        """Waits until `frames` more frames were recorded."""
        wanted = self.frames + frames
        until(lambda: self.frames >= wanted or self.process.poll() is not None)

    def reset(self) -> None:
        """Drops the frames that were recorded so far, and those that have not arrived yet."""
        while True:
            self.first = self.frames
            self.wait(SETTLE_FRAMES)
            if not self._recorded().any() or self.process.poll() is not None:
                return

    def _recorded(self) -> NDArray[np.float32]:
        recorded = np.fromfile(self.path, np.float32, self.frames * self.channels)
        return recorded.reshape(-1, self.channels)[self.first :]

    def heard(self) -> NDArray[np.float32]:
        """Waits until all frames have arrived. Returns them from the first frame that is not silent
        to the last one.
        """
        self.wait(2 * SETTLE_FRAMES)
        frames = self._recorded()
        loud = np.flatnonzero(frames.any(axis=1))
        return frames[loud[0] : loud[-1] + 1] if len(loud) else frames[:0]
