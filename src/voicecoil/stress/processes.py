"""Runs each cell in a process with a deadline, and ends the process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

from voicecoil.stress.cell import Setting
from voicecoil.stress.seen import Cell

__all__ = ["OTHER_S", "run_cell"]

OTHER_S = 0.9  # typical time that a cell takes in addition to its load
DEADLINE_S = 40.0  # longest time that a cell may take in addition to its load
LOOK_S = 0.02


def run_cell(
    setting: Setting,
    while_it_runs: Callable[[], None] = lambda: None,
    deadline_s: float = DEADLINE_S,
) -> Cell:
    """Measure one setting in a new process.

    The new process has a session of its own, so that only this process receives Ctrl-C. This
    process then ends the new one.
    """
    # -P keeps the working directory out of sys.path, because it may have a file such as json.py.
    command = [sys.executable, "-P", "-m", "voicecoil.stress.cell", setting.as_json()]
    with tempfile.TemporaryFile() as told, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=told, stderr=errors, start_new_session=True
        )
        until = time.monotonic() + setting.seconds + deadline_s
        try:
            while process.poll() is None:
                if time.monotonic() > until:
                    failed = f"it hung for {setting.seconds + deadline_s:g} s"
                    return Cell(setting.home, setting.load, failed=failed)
                while_it_runs()
                time.sleep(LOOK_S)
        finally:
            _end(process)
        if process.returncode == 0:
            told.seek(0)
            return Cell.from_json(json.loads(told.read()))
        errors.seek(0)
        lines = errors.read().decode(errors="replace").strip().splitlines()
        failed = f"exit code {process.returncode}: {lines[-1] if lines else 'no word'}"
        return Cell(setting.home, setting.load, failed=failed)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.wait()
    if process.stdin is not None:
        process.stdin.close()
