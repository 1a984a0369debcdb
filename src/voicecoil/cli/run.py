"""The command ``voicecoil run``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Literal, get_args

from cyclopts import Parameter

from voicecoil.cli.app import DriverName, command
from voicecoil.drivers.choose import get_driver
from voicecoil.errors import ArgumentError

__all__ = ["run"]

# Not imported from `voicecoil.sounddevice`: that reads the variable, and refuses a wrong value.
REPLACEMENTS = Path(__file__).parents[1] / "sounddevice" / "replacements"
LOST_VARIABLE = "VOICECOIL_ON_DEVICE_LOST"
Lost = Literal["stop", "wait", "default"]


@command("""
    voicecoil run --as-sounddevice record.py --seconds 5
    voicecoil run --as-sounddevice --on-device-lost default player.py song.wav
    voicecoil run --as-sounddevice -m package.module
""")
def run(
    *program: Annotated[
        str,
        Parameter(
            allow_leading_hyphen=True,
            help="A Python file, or -m and a module, then the program's own arguments.",
        ),
    ],
    as_sounddevice: Annotated[
        bool,
        Parameter(
            negative="",
            show_default=False,
            help="`import sounddevice` and `import pyaudio` import voicecoil's replacements.",
        ),
    ] = False,
    on_device_lost: Annotated[
        Lost | None,
        Parameter(
            help="The action of its streams when their device is removed. Without it: that of the "
            f"environment variable {LOST_VARIABLE}, or stop."
        ),
    ] = None,
    driver: DriverName = None,
) -> int:
    """Run a program that was written for sounddevice or PyAudio, without a change.

    The program gets its arguments, its exit code is passed on, and Python processes that it starts
    use the replacements as well.
    """
    if not program:
        raise ArgumentError("no program; give a Python file, or -m and a module")
    if not as_sounddevice:
        raise ArgumentError(
            "give --as-sounddevice before the program; without it, run the program with python"
        )
    if program[0] == "-m" and len(program) < 2:
        raise ArgumentError("-m: give the name of a module")
    if program[0] != "-m" and not Path(program[0]).exists():
        raise ArgumentError(f"there is no file {program[0]!r}")
    environment = dict(os.environ)
    paths = [str(REPLACEMENTS), *environment.get("PYTHONPATH", "").split(os.pathsep)]
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    if on_device_lost is not None:
        environment[LOST_VARIABLE] = on_device_lost
    elif environment.get(LOST_VARIABLE) not in (None, "", *get_args(Lost)):
        raise ArgumentError(
            f"the environment variable {LOST_VARIABLE}={environment[LOST_VARIABLE]!r}; possible "
            f"are {', '.join(map(repr, get_args(Lost)))}"
        )
    if driver is not None:
        get_driver(driver)  # refuses a wrong name before the program runs
        environment["VOICECOIL_DRIVER"] = driver
    # A process of its own: the program has its own `__main__`, signals and exit.
    words = [sys.executable, *program]
    sys.stdout.flush()
    if os.name == "nt":
        return subprocess.run(words, env=environment, check=False).returncode
    os.execve(sys.executable, words, environment)
