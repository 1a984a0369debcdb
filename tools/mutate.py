#!/usr/bin/env python3
"""Changes named places of the code, one at a time, and lists the changes that no test notices.

    tools/mutate.py [--only WORD] [--list]

tools/mutants.toml lists the places. Each entry has a file, a line that occurs once in this file,
the text that replaces the line, and the tests that must fail then. The program makes the changes in
a copy of the repository under build/. The last line is "N killed, M survived". The exit code is 1
if a change survived, or if a place no longer exists.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COPY = ROOT / "build" / "mutants"
PLACES = ROOT / "tools" / "mutants.toml"
TIMEOUT_S = 600
# Files and folders that are copied. Build folders are kept, so that only changed files are built
# again.
SOURCES = ("src", "tests", "tools", "simulator", "meson.build", "meson.options", "pyproject.toml")
SOURCES += ("README.md", "LICENSE", "docs", "CHANGELOG.md")


@dataclass(frozen=True)
class Mutant:
    """One change of the code.

    Attributes
    ----------
    name : str
        The name of the change.
    file : str
        The changed file.
    before, after : str
        A part of the file that occurs once, and the text that replaces it.
    tests : str
        "core NAME" for C tests (tools/test_core.py --only NAME), otherwise arguments of pytest.
    """

    name: str
    file: str
    before: str
    after: str
    tests: str


def load() -> list[Mutant]:
    return [Mutant(**entry) for entry in tomllib.loads(PLACES.read_text())["mutant"]]


def copy_sources() -> None:
    COPY.mkdir(parents=True, exist_ok=True)
    for name in SOURCES:
        source, target = ROOT / name, COPY / name
        if source.is_dir():
            # The copy must not contain files that the repository no longer has.
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(
                source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
            )
        elif source.exists():
            shutil.copy2(source, target)
    # An earlier run may have built objects of the changed files that are newer than the originals.
    for mutant in load():
        if (COPY / mutant.file).exists():
            (COPY / mutant.file).touch()


def passes(tests: str) -> bool:
    """Returns whether the tests pass in the copy of the sources."""
    if tests.startswith("core "):
        return run("tools/test_core.py", "plain", "--only", tests.split()[1])
    if not run("tools/environment.py", "build/env", "test", "optional"):
        return False  # a change that does not build counts as noticed
    python = COPY / "build" / "env" / "bin" / "python"
    return run("-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests.split(), python=python)


def run(*arguments: str, python: Path | str = sys.executable) -> bool:
    command = [str(python), *arguments]
    try:
        done = subprocess.run(command, cwd=COPY, capture_output=True, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def try_one(mutant: Mutant) -> str:
    """Returns "killed", "survived", or why the change cannot be made."""
    path = COPY / mutant.file
    text = path.read_text() if path.exists() else ""
    if text.count(mutant.before) != 1:
        return f"the place occurs {text.count(mutant.before)} times"
    path.write_text(text.replace(mutant.before, mutant.after))
    try:
        return "survived" if passes(mutant.tests) else "killed"
    finally:
        path.write_text(text)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", default="", help="changes whose name contains this")
    parser.add_argument("--list", action="store_true", help="only say which there are")
    options = parser.parse_args()
    mutants = [mutant for mutant in load() if options.only in mutant.name]
    if options.list:
        for mutant in mutants:
            print(f"{mutant.name}: {mutant.file} ({mutant.tests})")
        return 0
    copy_sources()
    for tests in sorted({mutant.tests for mutant in mutants}):
        if not passes(tests):
            print(f"without any change this does not pass: {tests}")
            return 1
    results = []
    for mutant in mutants:
        results.append(try_one(mutant))
        print(f"{results[-1]}: {mutant.name} ({mutant.file})", flush=True)
    killed = results.count("killed")
    print(f"{killed} killed, {len(results) - killed} survived")
    return 0 if results and killed == len(results) else 1


if __name__ == "__main__":
    sys.exit(main())
