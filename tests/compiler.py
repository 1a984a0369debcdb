"""Compiles C for tests that need a native function or the trap shim; skips loudly without."""

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
    """A shared library of `tests/<source>` in `folder`; `include`: more folders of `src`."""
    return compiled_library(TESTS / source, folder, *(CORE.parent / name for name in include))


def compiled_library(source: Path, folder: Path, *more: Path | str) -> Path:
    """A shared library of `source` in `folder`; `more`: folders of headers, libraries."""
    command = os.environ.get("CC", "cc").split()
    if shutil.which(command[0]) is None:
        pytest.skip(f"NOT TESTED: there is no C compiler {command[0]!r}; set CC")
    target = folder / (source.stem + ".so")
    flags = ["-std=c11", "-O2", "-g", "-pthread", "-shared", "-fPIC", f"-I{CORE}"]
    # What cffi generates asks for the limited API, which a free-threaded Python 3.13 does not have.
    flags += ["-D_CFFI_NO_LIMITED_API"]
    flags += [f"-I{one}" if Path(one).is_dir() else str(one) for one in more]
    if sys.platform == "darwin":
        flags += ["-undefined", "dynamic_lookup"]  # what Python has
    done = subprocess.run(
        [*command, *flags, str(source), "-o", str(target), "-ldl"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return target
