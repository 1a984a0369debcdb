"""``make test``: style, types, the core under sanitizers, other platforms, and all Pythons here.

python3 tools/test.py [--only lint,core,simulator,sanitizers,macos,workflows,newer,free,3.12]
                      [-- arguments of pytest]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import interpreters
import newer_pythons

ROOT = Path(__file__).resolve().parent.parent
CHECKED = ["src", "tests", "tools", "examples", "benchmarks"]


class Step:
    """One thing that passes or fails."""

    def __init__(self, name: str, *commands: list[str], passing: tuple[int, ...] = (0,)) -> None:
        self.name = name
        self.commands = commands
        self.passing = passing  # exit codes
        self.failed = False
        self.seconds = 0.0

    def run(self) -> None:
        began = time.monotonic()
        for command in self.commands:
            shown = textwrap.shorten(" ".join(command), 160, placeholder=" ...")
            print(f"\n== {self.name}: {shown}", flush=True)
            if subprocess.run(command, cwd=ROOT).returncode not in self.passing:
                self.failed = True
        self.seconds = time.monotonic() - began


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
    )


def simulator(python: str) -> Step:
    make = ["make", "--no-print-directory", "-s", "-C", "simulator", "test"]
    return Step(
        "simulated CoreAudio",
        [python, "tools/coreaudio/generate.py", "--check"],
        make,
        [*make, "SANITIZE=address,undefined"],
        [*make, "SANITIZE=thread"],
    )


def examples() -> list[str]:
    return sorted(str(path) for path in (ROOT / "examples").glob("*.py"))


def steps(only: set[str], pytest_arguments: list[str]) -> list[Step]:
    listed = []
    found = interpreters.find()
    print("Pythons:", ", ".join(f"{name} ({path})" for name, path in found.items()), flush=True)
    first = True
    for version, python in found.items():
        env = ROOT / "build" / f"env-{version}"
        groups = ["test", "optional", *(["lint"] if first else [])]
        setup = [python, "tools/environment.py", str(env.relative_to(ROOT)), *groups]
        if first and (not only or "lint" in only):
            listed.append(Step("environment", setup))
            listed.append(lint(env))
        if first and (not only or "core" in only):
            listed.append(Step("core in C", [python, "tools/test_core.py"]))
        if first and (not only or "simulator" in only):
            listed.append(simulator(python))
        if first and (not only or "sanitizers" in only):
            checked = [str(env / "bin" / "python"), "tools/test_sanitizers.py"]
            listed.append(Step("CoreAudio under sanitizers", setup, checked))
        if first and (not only or "macos" in only):
            listed.append(Step("compiles for macOS", [python, "tools/cross_macos.py"]))
        if first and (not only or "workflows" in only):
            listed.append(Step("workflows", [python, "tools/check_workflows.py"]))
        if not only or version in only:
            # All seeds, and what is run twenty times, once.
            few = [] if first else ["env", "VOICECOIL_SEEDS=1-20", "VOICECOIL_RUNS=5"]
            pytest = [*few, str(env / "bin" / "python"), "-m", "pytest", "-q"]
            # Real servers have a clock that does not wait: those tests have the machine alone.
            stepped = [*pytest, "-n", "2", "-m", "not realtime", *pytest_arguments]
            realtime = [*pytest, "-m", "realtime", *pytest_arguments]
            tests = [stepped, realtime] if first or version == list(found)[-1] else [stepped]
            passing = (0, 5) if pytest_arguments else (0,)  # 5: none was chosen
            listed.append(Step(f"Python {version}", setup, *tests, passing=passing))
        first = False
    newer = [version for version in newer_pythons.VERSIONS if version not in found]
    command = [sys.executable, "tools/newer_pythons.py"]
    if newer and (not only or "newer" in only):
        asked = ["--only", ",".join(newer), *([] if only else ["--short"])]
        name = f"Python {' and '.join(newer)}"
        listed.append(Step(name, [*command, *asked, "--", *pytest_arguments]))
    if "free" in only:  # by name: it takes as long as all others together
        asked = ["--only", newer_pythons.FREE, "--", *pytest_arguments]
        listed.append(Step(f"Python {newer_pythons.FREE}", [*command, *asked]))
    return listed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only", default="", help="lint, core, simulator, sanitizers, macos, newer, free, 3.12 ..."
    )
    parser.add_argument("pytest", nargs="*", help="arguments for pytest")
    given = parser.parse_args()
    os.environ.setdefault("PYTHONDONTWRITEBYTECODE", "1")
    run = steps({part for part in given.only.split(",") if part}, given.pytest)
    for step in run:
        step.run()
    print("\n" + "=" * 60)
    for step in run:
        print(f"{'FAILED' if step.failed else 'passed'}  {step.name}  ({step.seconds:.0f} s)")
    failed = sum(step.failed for step in run)
    print(f"{len(run) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
