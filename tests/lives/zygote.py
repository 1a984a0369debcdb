"""Runs a program of this folder many times at the cost of starting one interpreter.

This process loads the modules of the program once. For each run, it then forks a child, which runs
the program as its main module and ends like any program. This process waits for the children.

Arguments: the number of runs, the number of simultaneous runs, the deadline (s), a folder for the
output, the program, and the arguments of the program, in which "{}" stands for the number of the
run. Prints one line for each run: its number, its exit code (999 for a hang) and its duration in
seconds.
"""

import os
import signal
import sys
import time
from pathlib import Path

import voicecoil.drivers.virtual.driver
import voicecoil.streams.stream

program = Path(sys.argv[5])
source = program.read_text()
if "numpy" in source or "vc.record" in source or "vc.render" in source:
    import numpy  # noqa: F401
if "vc.record" in source or "vc.play" in source:
    import voicecoil.files
    import voicecoil.sounds.play
    import voicecoil.sounds.record  # noqa: F401


def end_with_stacks(child: int) -> None:
    """Ends a child that hangs. With faulthandler, it first prints the stacks of its threads."""
    os.kill(child, signal.SIGABRT)
    for _ in range(1000):
        if os.waitpid(child, os.WNOHANG)[0]:
            return
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def fork_all(runs: int, at_once: int, deadline_s: float, folder: Path) -> int | None:
    """Forks the children. Returns the number of the run in a child, and None in the parent after
    all runs have ended.
    """
    began: dict[int, tuple[int, float]] = {}
    waiting = list(reversed(range(runs)))
    while waiting or began:
        while waiting and len(began) < at_once:
            number = waiting.pop()
            child = os.fork()
            if child == 0:
                stderr = os.open(folder / f"{number}.stderr", os.O_WRONLY | os.O_CREAT, 0o600)
                os.dup2(stderr, 2)
                os.close(stderr)
                return number
            began[child] = number, time.monotonic()
        for child, (number, since) in list(began.items()):
            seconds = time.monotonic() - since
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended or seconds > deadline_s:
                if not ended:
                    end_with_stacks(child)
                code = os.waitstatus_to_exitcode(status) if ended else 999
                print(number, code, f"{seconds:.3f}", flush=True)
                del began[child]
        time.sleep(0.002)
    return None


_run = fork_all(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), Path(sys.argv[4]))
if _run is not None:
    sys.argv = [str(program), *(argument.format(_run) for argument in sys.argv[6:])]
    exec(compile(source, program, "exec"), globals())
