"""Makes a virtual environment with this package in it, or updates it if something has changed.

    python3 tools/environment.py FOLDER [--tools] [GROUP ...]

With --tools, only the packages of the groups are installed: neither this package nor its
dependencies.

The first run needs Python 3.11 or later, its headers, `venv`, a C compiler and a network. Later
runs install dependencies only if the list of them has changed, and build the package only if a
source is newer than the last build.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("src", "meson.build", "meson.options", "pyproject.toml")
OPTIONAL = ("optional", "mixers")  # groups of packages that may be unavailable


def missing_system_packages() -> list[str]:
    """Returns descriptions of the tools that the machine lacks."""
    missing = []
    if importlib.util.find_spec("ensurepip") is None or importlib.util.find_spec("venv") is None:
        missing.append("Python's venv module (Debian: apt install python3-venv)")
    if not Path(sysconfig.get_paths()["include"], "Python.h").exists():
        missing.append("Python's headers (Debian: apt install python3-dev)")
    compiler = os.environ.get("CC", "").split()[:1] or ["cc", "gcc", "clang"]
    if not any(shutil.which(name) for name in compiler):
        missing.append(
            "a C compiler (Debian: apt install build-essential; macOS: xcode-select --install)"
        )
    return missing


def dependencies(groups: list[str], tools: bool) -> tuple[list[str], list[str]]:
    """Returns the requirements that must be installed, and those that may be unavailable."""
    import tomllib  # imported here, so that an older Python gets as far as the message of `main`

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    needed = []
    if not tools:
        needed = project["build-system"]["requires"] + ["ninja"]
        needed = needed + project["project"]["dependencies"]
    optional: list[str] = []
    for group in groups:
        if group in OPTIONAL:
            optional = optional + project["dependency-groups"][group]
        else:
            needed = needed + project["dependency-groups"][group]
    return needed, optional


def run(*command: str | Path, env: dict[str, str] | None = None) -> None:
    result = subprocess.run([str(part) for part in command], cwd=ROOT, env=env)
    if result.returncode:
        sys.exit(f"failed with exit code {result.returncode}: {' '.join(map(str, command))}")


def python_in(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def install_dependencies(folder: Path, groups: list[str], tools: bool = False) -> None:
    needed, optional = dependencies(groups, tools)
    state = hashlib.sha256(repr((sys.version, needed, optional)).encode()).hexdigest()
    stamp = folder / "dependencies.stamp"
    if stamp.exists() and stamp.read_text() == state:
        return
    print(
        f"setting up {os.path.relpath(folder, ROOT)} for Python {sys.version.split()[0]}",
        flush=True,
    )
    if not is_of_this_python(folder):
        run(sys.executable, "-m", "venv", "--clear", folder)
    pip = [python_in(folder), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run(*pip, *needed)
    for requirement in optional:
        command = [*map(str, pip), "--only-binary=:all:", requirement]
        if subprocess.run(command, cwd=ROOT, capture_output=True).returncode:
            print(f"NOT INSTALLED, so what needs it is left out: {requirement}", flush=True)
    stamp.write_text(state)


def is_of_this_python(folder: Path) -> bool:
    """Returns whether `folder` is an environment of this interpreter in which pip can install."""
    try:
        lines = (folder / "pyvenv.cfg").read_text().splitlines()
    except OSError:
        return False
    config = dict(map(str.strip, line.split("=", 1)) for line in lines if "=" in line)
    same = Path(config.get("home", "")) == Path(sys.executable).resolve().parent
    if not same or config.get("version") != sys.version.split()[0]:
        return False
    # An interrupted set-up leaves an interpreter without pip.
    packages = [folder / "Lib/site-packages", *folder.glob("lib/python*/site-packages")]
    has_pip = any((path / "pip/__main__.py").exists() for path in packages)
    return has_pip and python_in(folder).exists()


def newest_source() -> float:
    newest = 0.0
    for name in SOURCES:
        path = ROOT / name
        files = path.rglob("*") if path.is_dir() else [path]
        for file in files:
            if file.is_file() and "__pycache__" not in file.parts:
                newest = max(newest, file.stat().st_mtime)
    return newest


def install_package(folder: Path) -> None:
    stamp = folder / "package.stamp"
    if stamp.exists() and stamp.stat().st_mtime > newest_source():
        return
    print("building voicecoil", flush=True)
    python = python_in(folder)
    env = {**os.environ, "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"}
    env.pop("PIP_BUILD_CONSTRAINT", None)  # pip 26 refuses this variable if builds are not isolated
    build = folder / "meson"
    log = folder / "build.log"
    options = ["--no-build-isolation", "--no-deps", "--no-index", "--quiet"]
    # Debian 12's pip does not know the short option -C
    options.append(f"--config-settings=build-dir={build}")
    command = [str(python), "-m", "pip", "install", *options]
    started = stamp_time()
    with log.open("w") as output:
        result = subprocess.run(
            [*command, "."], cwd=ROOT, env=env, stdout=output, stderr=subprocess.STDOUT
        )
    if result.returncode:
        sys.exit(log.read_text() + f"\nthe build failed; its output is in {log}")
    stamp.touch()
    os.utime(stamp, (started, started))


def stamp_time() -> float:
    """Returns the current time on the clock of the file system.

    A source that is saved while the build runs must count as newer than the build.
    """
    probe = ROOT / "build" / ".now"
    probe.touch()
    return probe.stat().st_mtime


def main() -> None:
    if sys.version_info < (3, 11):
        sys.exit(
            f"voicecoil needs Python 3.11 or later, this is {sys.version.split()[0]}; "
            "name another one: make PYTHON=python3.12"
        )
    missing = missing_system_packages()
    if missing:
        sys.exit("this machine lacks " + "\n  and ".join(missing))
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", help="of the environment, as seen from the project's")
    parser.add_argument("groups", nargs="*", help="of dependencies, as pyproject.toml names them")
    parser.add_argument("--tools", action="store_true", help="the groups and nothing else")
    given = parser.parse_intermixed_args()
    folder = (ROOT / given.folder).resolve()
    anew = not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))
    if not anew and not (folder / "pyvenv.cfg").exists():
        sys.exit(
            f"{folder} is no virtual environment, and what is in it would be deleted; "
            "name an empty folder, or a new one"
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    install_dependencies(folder, given.groups, given.tools)
    if not given.tools:
        install_package(folder)


if __name__ == "__main__":
    main()
