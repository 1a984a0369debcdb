"""Runs each library on a real server in real time: measures lost blocks, delays and costs."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Callable

import clients
import measuring

IMPORTS = {
    "Voicecoil": "voicecoil",
    "RtMixer": "rtmixer",
    "JackClient": "jack",
    "Miniaudio": "miniaudio",
    "SoundDevice": "sounddevice",
    "PyAudio": "pyaudio",
    "SoundCard": "soundcard",
}

HEAD = [
    "",
    "blocks, %",
    "late us: median / 99 % / max",
    "xruns",
    "IO thread, us a block",
    "open to first block / first one after opening, ms",
    "resident, MiB",
]


def shown(ms: float) -> str:
    return "not timed" if math.isnan(ms) else f"{ms:.1f}"


def table(
    server: str,
    environment: dict[str, str],
    xruns: Callable[[], int | None],
    frames: int,
    seconds: float,
    runs: int,
) -> list[list[str]]:
    """Returns one row for each library. The function `xruns` returns the number of xruns that the
    server has counted so far.
    """
    names = [name for name, kind in clients.ALL.items() if server in kind.servers]
    seen: dict[str, list[measuring.Seen]] = {name: [] for name in names}
    options = ["--server", server, "--frames", frames, "--seconds", seconds, "--times"]
    for _ in range(runs):
        for name in names:
            seen[name].append(measuring.run_counting(xruns, name, environment, *options))
    rows = [HEAD]
    for name in names:
        good = [one for one in seen[name] if not one.failed]
        if not good:
            rows.append([clients.ALL[name].name, seen[name][0].failed, *[""] * (len(HEAD) - 2)])
            continue
        counted = [one.xruns for one in seen[name] if one.xruns is not None]
        late = sorted(late for one in good for late in one.late_us(frames))

        def middle(key: str, good: list[measuring.Seen] = good) -> float:
            return measuring.median([one.values[key] for one in good])

        rows.append(
            [
                clients.ALL[name].name,
                f"{measuring.median([one.share(frames) for one in good]) * 100:.1f}",
                measuring.spread(late),
                f"{measuring.median(counted):.0f}" if counted else "",
                f"{middle('audio_us_per_block'):.1f}",
                f"{middle('opened_ms'):.1f} / {shown(middle('connected_ms'))}",
                f"{middle('resident_kib') / 1024:.0f}",
            ]
        )
    return rows


def import_table(runs: int, environment: dict[str, str]) -> list[list[str]]:
    """Returns the processor time for importing each library, without the interpreter's start, ms.

    A PulseAudio server must run, because otherwise SoundCard cannot be imported.
    """
    rows = [["", "import, ms"]]
    for name, module in IMPORTS.items():
        program = (
            f"import time; t = time.process_time(); import {module}; print(time.process_time() - t)"
        )
        times = []
        for _ in range(runs):
            done = subprocess.run(
                [sys.executable, "-c", program, "SoundCard wants an argument"],
                env={**os.environ, **environment},
                capture_output=True,
                text=True,
            )
            if done.returncode == 0:
                times.append(float(done.stdout) * 1e3)
        text = f"{measuring.median(times):.0f}" if times else "failed"
        rows.append([clients.ALL[name].name.split(",")[0], text])
    return rows
