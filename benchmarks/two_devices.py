"""The input of a second device: the cost of its resampler, and its error."""

from __future__ import annotations

import ctypes
import os
import subprocess
from pathlib import Path

from measure import ROOT, in_a_process

CORE = ROOT / "src" / "core"
SOURCES = ["drift", "resampler", "ring", "queue", "memory", "clock", "clock_line", "convert"]
SOURCES += ["interleave", "splice"]
PERIOD_NS = 512 / 48_000 * 1e9


def percent(channels: int, input_hz: float, cycles: int, folder: Path) -> float:
    """Returns the cost of both sides of the resampler to 48 kHz, in percent of a core."""
    target = folder / "two_devices.so"
    if not target.exists():
        files = [Path(__file__).with_suffix(".c"), *(CORE / f"{name}.c" for name in SOURCES)]
        flags = ["-std=c11", "-O3", "-DNDEBUG", "-shared", "-fPIC", f"-I{CORE}"]
        command = [*os.environ.get("CC", "cc").split(), *flags, *map(str, files)]
        subprocess.run([*command, "-o", str(target), "-lm", "-pthread"], check=True)
    run = ctypes.CDLL(str(target)).vc_bench_two_devices
    run.restype = ctypes.c_double
    run.argtypes = [ctypes.c_uint32, ctypes.c_double, ctypes.c_int]
    return 100 * min(float(run(channels, input_hz, cycles)) for _ in range(3)) / PERIOD_NS


# The tests have a module `coreaudio` as well, so this runs in a process of its own.
ERROR = """
import sys
import numpy as np
sys.path[:0] = sys.argv[2:]
from test_two_devices import Desk, sine_error_db

desk, heard = Desk(300.0, -300.0), []
with desk.hear(desk.sing), desk.stream(lambda b: heard.append(b.input[:, 1].copy())) as stream:
    desk.step(float(sys.argv[1]))
    stream.abort()
print(sine_error_db(np.concatenate(heard)[-96_000:]))
"""


def error_db(seconds: float) -> float:
    """Returns the level of everything that is not the sine, for a sine of 997 Hz through the
    resampler, dB. The two clocks differ by 600 millionths.
    """
    tests = ROOT / "tests"
    return float(in_a_process(ERROR, str(seconds), str(tests), str(tests / "streams")))
