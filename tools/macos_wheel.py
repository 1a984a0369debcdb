"""Builds the package's wheel for macOS on a machine that is none, with zig as the compiler.

What is unlike a build on a Mac: Python's headers are this machine's (both are LP64, and what
differs in pyconfig.h the public headers do not use), and so are the facts in which meson-python
looks up how an extension module is called; they are handed over with Darwin's names in them.
Without that it would put a Mach-O file into a wheel for Linux, which is one of the things that
`macho` refuses.
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
CPU = {zig.ARM64: ("aarch64", "arm64"), zig.X86_64: ("x86_64", "x86_64")}  # meson's, Apple's

HOOK = """
import json, sys, mesonpy
out, settings = json.loads(sys.argv[1])
print(mesonpy.build_wheel(out, settings))
"""


class BuildError(Exception):
    """The package did not build; the text says why."""


def folder(target: zig.Target) -> Path:
    """Where the target's build lies: one for each Python, so that none builds another's again."""
    return BUILD / f"{CPU[target][1]}-{sysconfig.get_config_var('py_version_nodot')}"


def headers() -> Path:
    """A folder with this Python's headers that serves every target.

    Debian's own pyconfig.h only asks for which of its architectures to include another one.
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
    """A folder to put on PYTHONPATH: this Python's build-time facts, as a Mac's would call them."""
    into = folder(target) / "sysconfig"
    into.mkdir(parents=True, exist_ok=True)
    here = importlib.import_module(sysconfig._get_sysconfigdata_name())
    machine = here.build_time_vars["MULTIARCH"]
    facts = {}
    for name, value in here.build_time_vars.items():
        # Suffixes only: paths that hold the machine's name lead to files that are here.
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
    """The wheel; built if a source is newer than the last one."""
    here = folder(target)
    wheels = here / "wheel"
    stamp = here / "wheel.stamp"
    newest = max(environment.newest_source(), *(p.stat().st_mtime for p in own_files()))
    if stamp.exists() and stamp.stat().st_mtime > newest:
        return next(wheels.glob("*.whl"))
    shutil.rmtree(wheels, ignore_errors=True)
    meson = here / "meson"
    if stamp.exists() and stamp.stat().st_mtime < max(p.stat().st_mtime for p in own_files()):
        shutil.rmtree(meson, ignore_errors=True)  # Meson keeps what it was first told of compilers
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
    """What decides how is built."""
    return [Path(__file__), Path(zig.__file__)]


def c_commands(target: zig.Target) -> dict[Path, list[str]]:
    """{source: flags} of the C files of ours that were compiled for the wheel.

    The flags without those that name files to write or say how to optimise.
    """
    database = folder(target) / "meson" / "compile_commands.json"
    commands = {}
    for entry in json.loads(database.read_text()):
        source = Path(entry["directory"], entry["file"]).resolve()
        if source.suffix != ".c" or ROOT / "src" not in source.parents:
            continue  # what Cython generated
        flags = []
        for flag in entry["command"].replace('"', "").replace("'", "").split():
            if flag.startswith("-I"):
                flags.append(f"-I{Path(entry['directory'], flag[2:]).resolve()}")
            elif flag.startswith(("-D", "-W", "-std=")) and not flag.startswith("-Winvalid"):
                flags.append(flag)
        commands[source] = flags
    return dict(sorted(commands.items()))
