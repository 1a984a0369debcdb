"""Builds the package's wheel for macOS on another system, with zig as the compiler.

The build differs from one on a Mac in two ways. It uses the Python headers of this machine: both
systems are LP64, and the public headers do not use the parts of pyconfig.h that differ. It also
uses this machine's configuration variables with the names that Darwin uses, because meson-python
derives the names of extension modules from them. Otherwise meson-python would put a Mach-O file
into a wheel for Linux. `macho` refuses such a wheel.
"""

from __future__ import annotations

import importlib
import json
import os
import pprint
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import environment
import zig

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "macos"
MINIMUM = "11.0"
# names that meson uses and that Apple uses
CPU = {zig.ARM64: ("aarch64", "arm64"), zig.X86_64: ("x86_64", "x86_64")}

HOOK = """
import json, sys, mesonpy
out, settings = json.loads(sys.argv[1])
print(mesonpy.build_wheel(out, settings))
"""


class BuildError(Exception):
    """The package could not be built. The message states the reason."""


def folder(target: zig.Target) -> Path:
    """Returns the folder of the target's build. Each Python has its own, so that builds are not
    repeated.
    """
    return BUILD / f"{CPU[target][1]}-{sysconfig.get_config_var('py_version_nodot')}"


def headers() -> Path:
    """Returns a folder with headers of this Python that can be used for every target.

    Debian's own pyconfig.h only includes another file, depending on the architecture.
    """
    include = Path(sysconfig.get_paths()["include"])
    config = (include / "pyconfig.h").read_text()
    machine = sysconfig.get_config_var("MULTIARCH") or ""
    forward = re.search(rf"<({re.escape(machine)}/.+?/pyconfig\.h)>", config)
    if forward is None:
        return include
    copy = BUILD / f"include-{sysconfig.get_config_var('py_version_nodot')}"
    shutil.copytree(include, copy, dirs_exist_ok=True)
    shutil.copy(include.parent / forward[1], copy / "pyconfig.h")
    return copy


def sysconfig_data(target: zig.Target, include: Path) -> Path:
    """Makes a folder for PYTHONPATH that contains this Python's configuration variables, with the
    names and suffixes of a Mac.
    """
    into = folder(target) / "sysconfig"
    into.mkdir(parents=True, exist_ok=True)
    here = importlib.import_module(sysconfig._get_sysconfigdata_name())
    machine = here.build_time_vars["MULTIARCH"]
    facts = {}
    for name, value in here.build_time_vars.items():
        # Only these three variables are changed. In a path, the name of the machine is part of an
        # existing folder's name.
        named = name in {"EXT_SUFFIX", "SOABI", "MULTIARCH"}
        facts[name] = value.replace(machine, "darwin") if named else value
    facts["INCLUDEPY"] = facts["CONFINCLUDEPY"] = str(include)
    text = f"build_time_vars = {pprint.pformat(facts)}\n"
    (into / "_sysconfigdata__darwin_darwin.py").write_text(text)
    return into


def cross_file(target: zig.Target, include: Path) -> Path:
    family = CPU[target][0]
    path = folder(target) / "cross.ini"
    compiler = [zig.executable(), "cc", "-target", target.triple, f"-I{include}"]
    path.write_text(f"""[binaries]
c = {compiler!r}
ar = {[zig.executable(), "ar"]!r}
strip = ['true']  # arm64 wants the signature that the linker made
cython = {str(Path(sys.executable).parent / "cython")!r}

[host_machine]
system = 'darwin'
cpu_family = '{family}'
cpu = '{family}'
endian = 'little'
""")
    return path


def build(target: zig.Target) -> Path:
    """Returns the wheel. It is built if a source is newer than the last one."""
    here = folder(target)
    wheels = here / "wheel"
    stamp = here / "wheel.stamp"
    newest = max(environment.newest_source(), *(p.stat().st_mtime for p in own_files()))
    if stamp.exists() and stamp.stat().st_mtime > newest:
        return next(wheels.glob("*.whl"))
    shutil.rmtree(wheels, ignore_errors=True)
    meson = here / "meson"
    if stamp.exists() and stamp.stat().st_mtime < max(p.stat().st_mtime for p in own_files()):
        # Meson keeps the compilers with which a build folder was configured
        shutil.rmtree(meson, ignore_errors=True)
    wheels.mkdir(parents=True)
    include = headers()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {
        **zig.environment(),
        "PATH": path,
        "PYTHONPATH": str(sysconfig_data(target, include)),
        "MACOSX_DEPLOYMENT_TARGET": MINIMUM,
        "_PYTHON_HOST_PLATFORM": f"macosx-{MINIMUM}-{CPU[target][1]}",
        "_PYTHON_SYSCONFIGDATA_NAME": "_sysconfigdata__darwin_darwin",
    }
    settings = {
        "build-dir": str(meson),
        "setup-args": [f"--cross-file={cross_file(target, include)}"],
    }
    command = [sys.executable, "-c", HOOK, json.dumps([str(wheels), settings])]
    started = environment.stamp_time()
    done = subprocess.run(
        command, cwd=ROOT, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    (here / "build.log").write_text(done.stdout)
    if done.returncode:
        raise BuildError(done.stdout)
    stamp.touch()
    os.utime(stamp, (started, started))
    return next(wheels.glob("*.whl"))


def own_files() -> list[Path]:
    """Returns the files that determine the build besides the sources."""
    return [Path(__file__), Path(zig.__file__)]


def c_commands(target: zig.Target) -> dict[Path, list[str]]:
    """Returns {source: flags} of the project's C files that were compiled for the wheel.

    Flags that name output files or control optimisation are left out.
    """
    database = folder(target) / "meson" / "compile_commands.json"
    commands = {}
    for entry in json.loads(database.read_text()):
        source = Path(entry["directory"], entry["file"]).resolve()
        if source.suffix != ".c" or ROOT / "src" not in source.parents:
            continue  # a file that Cython has generated
        flags = []
        for flag in entry["command"].replace('"', "").replace("'", "").split():
            if flag.startswith("-I"):
                flags.append(f"-I{Path(entry['directory'], flag[2:]).resolve()}")
            elif flag.startswith(("-D", "-W", "-std=")) and not flag.startswith("-Winvalid"):
                flags.append(flag)
        commands[source] = flags
    return dict(sorted(commands.items()))
