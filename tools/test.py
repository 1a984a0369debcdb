"""``make test``: checks style and types, and runs the tests on all Pythons of this machine, under
sanitizers, and for other platforms.

python3 tools/test.py [--only lint,docs,core,simulator,sanitizers,macos,workflows,newer,free,3.12]
                      [--long] [-- arguments of pytest]

On the oldest Python, all tests run. On each other Python, only the tests that depend on the
interpreter run, unless --long is given or --only names this Python. --long also repeats random
tests as often as `LONG` says, and takes about two hours.

Environments, compilers and checks do not depend on time, so they run first and in parallel. Then
the tests of the package run on one Python after the other, without other steps beside them.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import interpreters
import newer_pythons
import not_run

ROOT = Path(__file__).resolve().parent.parent
# Numbers of repetitions and seeds. Without --long, the tests use their own short defaults. An
# environment variable that is set already is kept.
LONG = {
    "VOICECOIL_RUNS": "20",
    "VOICECOIL_EXITS": "200",
    "VOICECOIL_RACES_S": "60",
    "VOICECOIL_EVERY_LINE": "1",
    "VOICECOIL_SEEDS": "1-200",
    "VOICECOIL_CHAOS": "1-2000",
    "VOICECOIL_CHAOS_EVENTS": "1000",
    "VOICECOIL_KILLS": "20",
    "VOICECOIL_OPENS": "200",
    # Virtual time: of a stream that converts, of the clocks of two devices, and of a recording.
    "VOICECOIL_HOURS": "10",
    "VOICECOIL_DRIFT_S": "7200",
    "VOICECOIL_TWO_DEVICES_S": "120",
    "VOICECOIL_RECORDED_HOURS": "2",
}
# For tests marked `interpreter`.
FEW = {"VOICECOIL_RUNS": "3", "VOICECOIL_SEEDS": "1-5", "VOICECOIL_EVERY_LINE": "41"}
CHECKED = ["src", "tests", "tools", "examples", "benchmarks", "noxfile.py"]


class Step:
    """One step of the test run, which passes or fails as a whole.

    Parameters
    ----------
    name : str
        The name in the summary.
    *commands : list of str
        The commands, which run one after the other.
    passing : tuple of int
        Exit codes that mean success.
    lane : str
        Steps of one lane run one after the other, in parallel with other lanes. Their output is
        shown when they are over. A step without a lane runs alone.
    """

    def __init__(
        self,
        name: str,
        *commands: list[str],
        passing: tuple[int, ...] = (0,),
        lane: str = "",
    ) -> None:
        self.name = name
        self.commands = commands
        self.passing = passing
        self.lane = lane
        self.result = "passed"  # or "failed", or "not run" if a part could not run
        self.seconds = 0.0
        self.failed: list[list[str]] = []  # commands

    def run(self) -> None:
        began = time.monotonic()
        with tempfile.TemporaryFile() if self.lane else contextlib.nullcontext() as output:
            for command in self.commands:
                heading = f"\n== {self.name}: {textwrap.shorten(' '.join(command), 160)}\n"
                if output is None:
                    print(heading, end="", flush=True)
                else:
                    output.write(heading.encode())
                    output.flush()
                done = subprocess.run(command, cwd=ROOT, stdout=output, stderr=output)
                self._count(command, done.returncode)
            if output is not None:
                output.seek(0)
                show(output.read().decode("utf-8", "replace"))
        self.seconds = time.monotonic() - began

    def _count(self, command: list[str], code: int) -> None:
        if code == not_run.EXIT_CODE and self.result == "passed":
            self.result = "not run"
        elif code not in (*self.passing, not_run.EXIT_CODE):
            self.result = "failed"
            self.failed.append(command)


_showing = threading.Lock()


def show(text: str) -> None:
    """Prints `text` in one piece, so that the output of parallel steps does not mix."""
    with _showing:
        sys.stdout.write(text)
        sys.stdout.flush()


def run_all(steps: list[Step]) -> None:
    """Runs the first step, which others need, then the lanes, then the steps without a lane."""
    lanes: dict[str, list[Step]] = {}
    for step in steps[1:]:
        if step.lane:
            lanes.setdefault(step.lane, []).append(step)

    def run_lane(name: str) -> None:
        for step in lanes[name]:
            step.run()

    steps[0].run()
    with ThreadPoolExecutor(max(1, len(lanes))) as pool:
        list(pool.map(run_lane, lanes))
    for step in steps[1:]:
        if not step.lane:
            step.run()


def c_files() -> list[str]:
    folders = ["src", "tests", "simulator", "benchmarks"]
    return sorted(str(p) for f in folders for p in (ROOT / f).rglob("*.[ch]") if p.is_file())


def lint(env: Path) -> Step:
    binaries = env / "bin"
    return Step(
        "style and types",
        [str(binaries / "ruff"), "check", *CHECKED],
        [str(binaries / "ruff"), "format", "--check", *CHECKED],
        [str(binaries / "clang-format"), "--dry-run", "--Werror", *c_files()],
        [str(binaries / "mypy")],
        [str(binaries / "mypy"), *examples()],
        ["env", "PYTHONPATH=src", str(binaries / "lint-imports"), "--no-cache"],
        [sys.executable, "tools/sizes.py"],
        [sys.executable, "tools/public_names.py", "--check"],
        [sys.executable, "tools/stream_parameters.py", "--check"],
        lane="other platforms",
    )


def simulator(python: str) -> Step:
    make = ["make", "--no-print-directory", "-s", "-j2", "-C", "simulator", "test"]
    return Step(
        "simulated CoreAudio",
        [python, "tools/coreaudio/generate.py", "--check"],
        make,
        [*make, "SANITIZE=address,undefined"],
        [*make, "SANITIZE=thread"],
    )


def examples() -> list[str]:
    return sorted(str(path) for path in (ROOT / "examples").glob("*.py"))


def steps(only: set[str], long: bool, pytest_arguments: list[str]) -> list[Step]:
    found, lacking = interpreters.find()
    print("Pythons:", ", ".join(f"{name} ({path})" for name, path in found.items()), flush=True)
    oldest = next(iter(found))
    wanted = [version for version in found if not only or version in only]
    newer = [version for version in newer_pythons.VERSIONS if version not in found]
    newer = newer if not only or "newer" in only else []
    newer_command = [sys.executable, "tools/newer_pythons.py", "--only", ",".join(newer)]

    listed = [
        environment(oldest, found[oldest], "lint", "docs"),
        *checks(only, found[oldest], oldest),
    ]
    if newer:
        listed.append(Step("newer Pythons", [*newer_command, "--set-up"], lane="Pythons"))
    listed += [environment(name, found[name]) for name in wanted if name != oldest]

    for version, path in lacking.items():
        if not only or version in only:
            why = f"{path} has no venv module or no headers"
            listed.append(Step(f"Python {version}", [sys.executable, "tools/not_run.py", why]))
    for version in wanted:
        whole = long or version == oldest or version in only
        listed.append(suite(version, whole, version == oldest, pytest_arguments))
    if newer:
        short = [] if only or long else ["--short"]
        name = f"Python {' and '.join(newer)}"
        listed.append(Step(name, [*newer_command, *short, "--", *pytest_arguments]))
    if "free" in only or long:  # the step compiles this Python first
        asked = [sys.executable, "tools/newer_pythons.py", "--only", newer_pythons.FREE]
        listed.append(Step(f"Python {newer_pythons.FREE}", [*asked, "--", *pytest_arguments]))
    return listed


def environment(version: str, python: str, *more: str) -> Step:
    folder = f"build/env-{version}"
    command = [python, "tools/environment.py", folder, "test", "optional", *more]
    return Step(f"environment of {version}", command, lane="Pythons")


def checks(only: set[str], python: str, version: str) -> list[Step]:
    """Returns the steps that run only once, because they do not depend on the version of Python."""
    env = ROOT / "build" / f"env-{version}"
    sanitizers = [str(env / "bin" / "python"), "tools/test_sanitizers.py"]
    possible = {
        "core": Step("core in C", [python, "tools/test_core.py"], lane="C"),
        # This step runs alone, because on a busy machine one of its threads may be too late.
        "simulator": simulator(python),
        "sanitizers": Step("CoreAudio under sanitizers", sanitizers, lane="C"),
        "macos": Step(
            "compiles elsewhere", [python, "tools/cross_macos.py"], lane="other platforms"
        ),
        "workflows": Step(
            "workflows", [python, "tools/check_workflows.py"], lane="other platforms"
        ),
        "lint": lint(env),
        "docs": Step("documentation", [str(env / "bin" / "python"), "tools/docs.py"], lane="C"),
    }
    return [step for name, step in possible.items() if not only or name in only]


def suite(version: str, whole: bool, first: bool, pytest_arguments: list[str]) -> Step:
    """Returns the step that tests the package on one Python, with all tests or only those that
    depend on the interpreter.
    """
    few = [] if whole else ["env", *(f"{name}={count}" for name, count in FEW.items())]
    pytest = [*few, str(ROOT / f"build/env-{version}/bin/python"), "-m", "pytest", "-q"]
    if not_run.in_ci():
        pytest += not_run.required(optional=not first)
    # Tests with real servers run in real time, so they run without other tests beside them.
    kind = "not realtime" if whole else "interpreter and not realtime"
    stepped = [*pytest, *newer_pythons.PARALLEL, "-m", kind, *pytest_arguments]
    realtime = [*pytest, "-m", "realtime", *pytest_arguments]
    tests = [stepped, realtime] if whole else [stepped]
    passing = (0, 5) if pytest_arguments else (0,)  # pytest exits with 5 if no test was selected
    return Step(f"Python {version}", *tests, passing=passing)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only",
        default="",
        help="lint, docs, core, simulator, sanitizers, macos, workflows, newer, free, 3.12 ...",
    )
    parser.add_argument("--long", action="store_true", help="everything on each Python, and often")
    parser.add_argument("pytest", nargs="*", help="arguments for pytest")
    given = parser.parse_args()
    os.environ.setdefault("PYTHONDONTWRITEBYTECODE", "1")
    if given.long:
        os.environ.update({name: os.environ.get(name, count) for name, count in LONG.items()})
    run = steps({part for part in given.only.split(",") if part}, given.long, given.pytest)
    run_all(run)
    return summary(run)


def summary(run: list[Step]) -> int:
    """Prints a line for each step, and the counts; returns the exit code."""
    print("\n" + "=" * 60)
    shown = {"passed": "passed ", "failed": "FAILED ", "not run": "NOT RUN"}
    for step in run:
        print(f"{shown[step.result]}  {step.name}  ({step.seconds:.0f} s)")
        for command in step.failed:
            print(f"         to repeat: {shlex.join(command)}")
    count = Counter(step.result for step in run)
    print(f"{count['passed']} passed, {count['failed']} failed, {count['not run']} not run")
    if count["not run"] and not_run.in_ci():
        print("This is a CI run, where a part that cannot run is a failure.")
        return 1
    return 1 if count["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
