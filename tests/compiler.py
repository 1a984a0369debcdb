"""Compiles C for tests that need a native function or the trap shim. Without a compiler, they are
skipped as NOT TESTED.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from paths import TESTS

CORE = TESTS.parent / "src" / "core"


def shared_library(source: str, folder: Path, *include: str) -> Path:
    """Compiles `tests/<source>` into a shared library in `folder`. `include` lists more folders of
    `src`.
    """
    return compiled_library(TESTS / source, folder, *(CORE.parent / name for name in include))


def compiled_library(source: Path, folder: Path, *more: Path | str) -> Path:
    """Compiles `source` into a shared library in `folder`. `more` lists folders of headers, and
    libraries.
    """
    command = os.environ.get("CC", "cc").split()
    if shutil.which(command[0]) is None:
        pytest.skip(f"NOT TESTED: there is no C compiler {command[0]!r}; set CC")
    target = folder / (source.stem + ".so")
    flags = ["-std=c11", "-O2", "-g", "-pthread", "-shared", "-fPIC", f"-I{CORE}"]
    # Code from cffi uses the limited API by default. A free-threaded Python 3.13 does not have it.
    flags += ["-D_CFFI_NO_LIMITED_API"]
    flags += [f"-I{one}" if Path(one).is_dir() else str(one) for one in more]
    if sys.platform == "darwin":
        # The loader finds Python's symbols when it loads the library.
        flags += ["-undefined", "dynamic_lookup"]
    done = subprocess.run(
        [*command, *flags, str(source), "-o", str(target), "-ldl"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return target
