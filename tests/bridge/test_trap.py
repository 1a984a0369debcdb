"""An IO cycle without Python makes no call that could block. The trap shim counts such calls."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from compiler import shared_library
from coreaudio import simulator_path
from paths import LIVES

PROGRAM = LIVES / "trap.py"

pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="NOT TESTED: the trap shim needs glibc"
)


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("trap")
    return shared_library("shim/trap.c", folder), shared_library("native.c", folder)


def tripped(libraries: tuple[Path, Path], *arguments: str) -> str:
    shim, _ = libraries
    done = subprocess.run(
        [sys.executable, str(PROGRAM), *arguments],
        env={**os.environ, "LD_PRELOAD": str(shim)},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_native_cycles_trip_nothing(libraries: tuple[Path, Path]) -> None:
    assert tripped(libraries, "native", str(libraries[1])) == ""


def test_native_cycles_of_coreaudio_trip_nothing(libraries: tuple[Path, Path]) -> None:
    assert tripped(libraries, "coreaudio", str(libraries[1]), simulator_path()) == ""


def test_coreaudios_ioproc_trips_nothing(libraries: tuple[Path, Path], tmp_path: Path) -> None:
    """Runs the whole IOProc, on several kinds of buffer lists."""
    caller = shared_library("ioproc.c", tmp_path, "coreaudio_abi", "voicecoil/drivers/coreaudio")
    assert tripped(libraries, "ioproc", str(libraries[1]), str(caller)) == ""


@pytest.mark.parametrize("whose", ["mixer", "recorder"])
def test_cycles_of_play_and_record_trip_nothing(whose: str, libraries: tuple[Path, Path]) -> None:
    assert tripped(libraries, whose) == ""


def test_cycles_whose_callback_runs_ahead_trip_nothing(libraries: tuple[Path, Path]) -> None:
    assert tripped(libraries, "ahead") == ""


def test_the_trap_shim_catches_calls(libraries: tuple[Path, Path]) -> None:
    """The first cycle of a Python callback allocates a thread state. The shim must notice this
    allocation.
    """
    assert "calloc" in tripped(libraries, "python")
