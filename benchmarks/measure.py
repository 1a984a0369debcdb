"""Functions that all measurements use: a free-running device, medians, and the processor's clock.

Costs per block are processor time of the whole process (`time.process_time`) while the main thread
sleeps. This excludes the time that other programs on the same machine take.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import voicecoil as vc
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver

ROOT = Path(__file__).resolve().parent.parent
RUNS = 5
EMPTY = """
#include "voicecoil.h"
int32_t vc_bench_empty(float *output, const float *input, uint32_t frames, const vc_block *block,
                       void *user);
int32_t vc_bench_empty(float *output, const float *input, uint32_t frames, const vc_block *block,
                       void *user) {
    (void)output, (void)input, (void)frames, (void)block, (void)user;
    return VC_CONTINUE;
}
"""


def median_of(measure: Callable[[], float], runs: int = RUNS) -> float:
    return statistics.median(measure() for _ in range(runs))


def free_device(channels: int = 2, frames: int = 64, layout: str = "interleaved") -> VirtualDevice:
    return VirtualDevice(
        "Benchmark",
        input_channels=0,
        output_channels=channels,
        frames=frames,
        layout=layout,  # type: ignore[arg-type]
        clock="free",
        loopback=False,
    )


def block_us(
    callback: Any, seconds: float, *, device: VirtualDevice | None = None, **wanted: Any
) -> float:
    """Returns the processor time of one block on the device's thread, us."""
    wanted.setdefault("latency", "low")
    device = device or free_device()
    stream = vc.OutputStream(
        callback, driver=VirtualDriver([device]), channels=device.output_channels, **wanted
    )
    pause = threading.Event()
    with stream:
        while stream.statistics().blocks < 100:
            pause.wait(0.001)
        first, began = stream.statistics().blocks, time.process_time()
        pause.wait(seconds)
        while (last := stream.statistics().blocks) < first + 10:
            pause.wait(0.001)
        taken = time.process_time() - began
        if wanted.get("zero_copy"):
            assert stream.statistics().copied_blocks == 0
        stream.abort()
    return taken / (last - first) * 1e6


def native_empty(folder: Path) -> Any:
    """Returns a C function that does nothing, for use as a callback."""
    from voicecoil.native import ctypes_type

    return ctypes_type()(("vc_bench_empty", compile_c(EMPTY, folder)))


def compile_c(source: str, folder: Path, *include: Path) -> ctypes.CDLL:
    """Compiles C source text into a shared library. The same text is compiled only once."""
    target = folder / f"{zlib.crc32(source.encode()):x}.so"
    if not target.exists():
        target.with_suffix(".c").write_text(source)
        compiler = os.environ.get("CC", "cc").split()
        flags = ["-std=c11", "-O2", "-shared", "-fPIC", f"-I{ROOT / 'src' / 'core'}"]
        flags += [f"-I{path}" for path in include]
        command = [*compiler, *flags, str(target.with_suffix(".c")), "-o", str(target)]
        subprocess.run(command, check=True)
    return ctypes.CDLL(str(target))


def in_a_process(
    program: str, *arguments: str, bare: bool = False, environment: dict[str, str] | None = None
) -> str:
    """Runs a program in a process of its own, with more variables in its environment, and returns
    its output.

    `bare` starts Python without `site`, which would hide the cost of imports.
    """
    paths = sysconfig.get_paths()
    variables = {**os.environ, "PYTHONPATH": paths["platlib"], **(environment or {})}
    command = [sys.executable, *(["-S"] if bare else []), "-c", program, *arguments]
    done = subprocess.run(command, env=variables, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip()


def counting(library: Path | str) -> dict[str, str]:
    """Returns the environment in which a library counts the calls of malloc of a Python program.

    The calls include those for Python objects, except in a free-threaded Python: it ends if it is
    asked for another allocator than its own.
    """
    environment = {"LD_PRELOAD": str(library)}
    if not sysconfig.get_config_var("Py_GIL_DISABLED"):
        environment["PYTHONMALLOC"] = "malloc"
    return environment


def scratch() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory()


def machine() -> str:
    """Returns the processor, the number of processors, and the system."""
    import platform

    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        name = lines[0].split(":")[1].strip() if lines else name
    elif shutil.which("sysctl"):
        name = subprocess.run(
            ["sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True
        ).stdout.strip()
    return f"{name}, {os.cpu_count()} processors, {platform.system()} {platform.machine()}"
