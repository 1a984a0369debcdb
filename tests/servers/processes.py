"""Runs servers as child processes with a runtime folder of their own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

__all__ = ["Processes", "needs"]

READY_S = 20.0
# Servers get a real-time priority if the system allows it. Otherwise a busy machine loses frames.
IN_TIME = ["chrt", "--fifo", "50"] if os.geteuid() == 0 and shutil.which("chrt") else []
# With this command, servers end if the test run is killed.
END_WITH_US = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []


def needs(*programs: str) -> None:
    """Skips the test as NOT TESTED if one of the programs is not installed."""
    if not sys.platform.startswith("linux"):
        pytest.skip("NOT TESTED: these servers are started on Linux only")
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        pytest.skip(f"NOT TESTED: {', '.join(missing)} not installed (docs/linux.md says how)")


class Processes:
    """Several processes that belong together, and their environment.

    Attributes
    ----------
    folder : Path
        The runtime folder of these processes, which is also their XDG_RUNTIME_DIR.
    env : dict of str
        The environment variables with which a client finds them.
    """

    def __init__(self) -> None:
        # short, because the path of a socket has a limit
        self.folder = Path(tempfile.mkdtemp(prefix="voicecoil-"))
        self.env = {"XDG_RUNTIME_DIR": str(self.folder), "HOME": str(self.folder)}
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self, command: Sequence[str], **env: str) -> subprocess.Popen[bytes]:
        """Starts a process. Its output goes to a file in the folder."""
        surroundings = {**os.environ, **self.env, **env}
        surroundings.pop("DISPLAY", None)
        # a sanitizer's library, which only the client needs
        surroundings.pop("LD_PRELOAD", None)
        log = self.folder / f"{len(self.running)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*END_WITH_US, *IN_TIME, *command],
                env=surroundings,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.running.append(process)
        return process

    def until_ready(self, ready: Callable[[], bool], what: str) -> None:
        """Waits until a server is ready. Otherwise, fails with the output of the processes."""
        until = time.monotonic() + READY_S
        while not ready():
            ended = [process for process in self.running if process.poll() is not None]
            if ended or time.monotonic() > until:
                said = "\n".join(path.read_text("utf-8", "replace")[-2000:] for path in self.logs())
                raise AssertionError(f"{what} did not get ready: {said}")
            time.sleep(0.01)
        self.hurry()

    def hurry(self) -> None:
        """Raises the priority of all threads. Some of them have set another priority."""
        for process in self.running:
            for thread in Path(f"/proc/{process.pid}/task").iterdir():
                with contextlib.suppress(OSError):
                    os.sched_setscheduler(int(thread.name), os.SCHED_FIFO, os.sched_param(50))

    def logs(self) -> list[Path]:
        return sorted(self.folder.glob("*.log"))

    def end(self, how: int = signal.SIGTERM) -> None:
        """Ends all processes, the last one first."""
        for process in reversed(self.running):
            if process.poll() is None:
                process.send_signal(how)
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5)
        self.running.clear()

    def close(self) -> None:
        self.end()
        shutil.rmtree(self.folder, ignore_errors=True)
