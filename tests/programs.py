"""Runs the programs of `lives/` in processes of their own, many times each.

``VOICECOIL_RUNS`` is the number of runs of each (8; tools/test.py --long: 20).
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import sysconfig
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from paths import LIVES

RUNS = int(os.environ.get("VOICECOIL_RUNS", "8"))
# Only a hang takes longer, even on a machine that is ten times slower. Without a GIL, each device
# with a free clock and each worker keeps a processor busy, and several programs run at once.
DEADLINE_S = 200.0
CPUS = os.cpu_count() or 1
STARTING_UP = 2 * CPUS  # number of simultaneous programs if these compute
WAITING = 20  # number of simultaneous programs if these mostly wait
FRESH = 2  # number of runs in a new interpreter
HUNG = 999
# Ends a program that hangs. With faulthandler, the program first prints the stacks of its threads.
SHOW_STACKS = signal.SIGABRT if sys.platform != "win32" else signal.SIGTERM
STACKS_S = 10.0

NOTHING = r""


@dataclass(frozen=True)
class Ended:
    code: int
    stderr: str


def environment() -> dict[str, str]:
    paths = sysconfig.get_paths()
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join({paths["platlib"]: "", paths["purelib"]: ""}),
        "OPENBLAS_NUM_THREADS": "1",  # NumPy's threads would make forks unsafe
    }


# Without `site`, an interpreter starts in half the time. The warning that is ignored is that of
# Python 3.12 about forks of a process with threads.
PYTHON = [sys.executable, "-S", "-X", "faulthandler", "-W", "ignore::DeprecationWarning:__main__"]


def run_fresh(life: str, *arguments: str, deadline_s: float = DEADLINE_S) -> Ended:
    """Runs the program once, in an interpreter of its own."""
    command = [*PYTHON, str(LIVES / f"{life}.py"), *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment(), stdout=pipe, stderr=pipe, text=True) as child:
        try:
            _, stderr = child.communicate(timeout=deadline_s)
        except subprocess.TimeoutExpired:
            child.send_signal(SHOW_STACKS)
            try:
                _, stderr = child.communicate(timeout=STACKS_S)
            except subprocess.TimeoutExpired:
                child.kill()
                _, stderr = child.communicate()
            return Ended(HUNG, f"HANGS; it said:\n{stderr}")
    return Ended(child.returncode, stderr)


def run_forks(count: int, at_once: int, life: str, *arguments: str) -> list[Ended]:
    """Runs the program `count` times, each time in a fork of an interpreter that has loaded the
    library.
    """
    if count == 0:
        return []
    with tempfile.TemporaryDirectory() as folder:
        command = [*PYTHON, str(LIVES / "zygote.py"), str(count), str(at_once), str(DEADLINE_S)]
        done = subprocess.run(
            [*command, folder, str(LIVES / f"{life}.py"), *arguments],
            env=environment(),
            capture_output=True,
            text=True,
            timeout=(DEADLINE_S + 2 * STACKS_S) * count,
        )
        assert done.returncode == 0, done.stderr
        codes = {int(line.split()[0]): int(line.split()[1]) for line in done.stdout.splitlines()}
        said = {number: Path(folder, f"{number}.stderr").read_text() for number in codes}
    assert len(codes) == count, done.stdout
    return [Ended(code, said[number]) for number, code in codes.items()]


def run(life: str, *arguments: str, at_once: int = STARTING_UP, runs: int = RUNS) -> list[Ended]:
    """Runs the program `runs` times. Some runs have a new interpreter, and the others are forks."""
    fresh = min(FRESH, runs)
    with ThreadPoolExecutor(1) as pool:
        forks = pool.submit(run_forks, runs - fresh, at_once, life, *arguments)
        ended = [
            run_fresh(life, *(a.format(runs - 1 - number) for a in arguments))
            for number in range(fresh)
        ]
        return ended + forks.result()


def check(ended: list[Ended], code: int = 0, stderr: str = NOTHING) -> None:
    for number, one in enumerate(ended):
        assert one.code == code, f"run {number}: {one.code}, not {code}\n{one.stderr}"
        assert re.fullmatch(stderr, one.stderr), f"run {number}: on stderr:\n{one.stderr}"
