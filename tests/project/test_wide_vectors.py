"""The build enables wide vectors, which not every processor has, only for suitable compilers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from compiler import CORE

COMPILER = os.environ.get("CC", "cc").split()
WIDE = tuple(f"interleave_{n}_{wide}" for n in (2, 8) for wide in ("avx2", "avx512"))
WIDE += ("interleave_4_avx2", "make_mono_avx2", "make_stereo_avx2")
WIDE += ("add_avx512", "add_avx2")


def preprocessed(*flags: str) -> str:
    sources = [str(CORE / "interleave.c"), str(CORE / "between.c"), str(CORE / "gains.c")]
    command = [*COMPILER, "-E", *flags, f"-I{CORE}", *sources]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="the other systems compare the two")
@pytest.mark.skipif(shutil.which(COMPILER[0]) is None, reason="NOT TESTED: there is no C compiler")
def test_gcc_for_windows_is_given_none() -> None:
    """The stack of gcc for Windows is not aligned for wide vectors (gcc bug 54412)."""
    here = preprocessed()
    if "__clang__" in preprocessed("-dM") or not all(name in here for name in WIDE):
        pytest.skip("NOT TESTED: needs gcc 12 or later for x86-64")
    windows = preprocessed("-D_WIN32")
    assert [name for name in WIDE if name in windows] == []
