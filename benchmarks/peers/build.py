"""Compiles the C parts of these benchmarks into a folder."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
CORE = HERE.parent.parent / "src" / "core"


def shared(source: str, target: Path, *options: str) -> Path:
    compiler = os.environ.get("CC", "cc").split()
    flags = ["-O2", "-Wall", "-Wextra", "-shared", "-fPIC", f"-I{CORE}"]
    command = [*compiler, *flags, str(HERE / source), "-o", str(target), *options]
    subprocess.run([*command, "-lpthread", "-ldl"], check=True)
    return target


def all_of_it(folder: Path) -> dict[str, Path]:
    """Compiles everything. Returns the paths of the libraries "native" and "count", and the path
    of the folder "stand_in", which contains a libjack.so.0.
    """
    stand_in = folder / "jack_stand_in"
    stand_in.mkdir()
    shared("jack_stand_in.c", stand_in / "libjack.so.0", "-Wl,-soname,libjack.so.0")
    (stand_in / "libjack.so").symlink_to("libjack.so.0")
    return {
        "native": shared("native.c", folder / "native.so"),
        "count": shared("count_allocations.c", folder / "count.so"),
        "stand_in": stand_in,
    }
