#!/usr/bin/env python3
"""Checks on any machine that the package compiles for macOS, and its C code for other platforms.

    python3 tools/cross_macos.py

This program builds the whole package as a wheel for arm64 and for x86_64, in build/macos/*/wheel,
and checks each wheel: its tag, processor, oldest macOS, dependencies, undefined and exported
symbols. All C code of the project is compiled with warnings as errors, and the compiler checks that
functions marked VC_REALTIME call nothing that may block (-Wfunction-effects). The assertions over
CoreAudio's structs are compiled for both processors and for this machine. The other C code is
compiled for other Linuxes, the BSDs and Windows. Finally, each check gets an input that it must
refuse.

The compiled code is not run. The last line is "N passed, M failed". If the tools of the group
`macos` cannot be installed, a message says so and the exit code is the one of not_run.py.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import not_run
import realtime_marks
import zig

ROOT = Path(__file__).resolve().parent.parent
ENV = ROOT / "build" / f"env-macos-{sysconfig.get_config_var('py_version_nodot')}"
ABI = ROOT / "src" / "coreaudio_abi"
LAYOUT = [ABI / "layout_check.c", ROOT / "tools" / "coreaudio" / "verify_layout.c"]
# Folders whose C files are also compiled on platforms without CoreAudio.
PORTABLE = ["core", "bridge", "voicecoil/drivers/virtual", "voicecoil/drivers/miniaudio"]
PACKAGE = ROOT / "src" / "voicecoil"
CYTHON = [PACKAGE / "_core.pyx", *sorted((PACKAGE / "drivers").glob("*/_*.pyx"))]
STRICT = ["-Werror", "-Wfunction-effects"]
MINIMUM = (11, 0)


def enter_environment() -> bool:
    """Restarts this program in the environment of the group `macos`. Returns False if it cannot be
    made.
    """
    if Path(sys.prefix) == ENV:
        return True
    setup = [sys.executable, "tools/environment.py", str(ENV.relative_to(ROOT)), "--tools", "macos"]
    if subprocess.run(setup, cwd=ROOT).returncode:
        return False
    python = str(ENV / "bin" / "python")
    sys.stdout.flush()
    os.execv(python, [python, *sys.argv])


class Table:
    """A table of checks and their results. A result is the text of the fault, or "" for success."""

    def __init__(self) -> None:
        self.faults: list[str] = []

    def row(self, subject: str, target: str, fault: str, detail: str = "") -> None:
        self.faults.append(fault)
        verdict = "FAILED" if fault else "passed"
        print(f"{verdict}  {subject:<22} {target:<24} {detail}".rstrip(), flush=True)
        for line in fault.strip().splitlines():
            print(f"        {line}")

    def summary(self) -> int:
        failed = sum(1 for fault in self.faults if fault)
        print(f"{len(self.faults) - failed} passed, {failed} failed")
        return 1 if failed else 0


# ---- the package for macOS -----------------------------------------------------------------------


def check_wheel(table: Table, target: zig.Target, scratch: Path) -> bool:
    import macho
    import macos_wheel

    machine = macos_wheel.CPU[target][1]
    try:
        wheel = macos_wheel.build(target)
    except macos_wheel.BuildError as error:
        table.row("wheel", target.name, str(error)[-4000:])
        return False
    table.row("wheel", target.name, macho.tag(wheel, machine, macos_wheel.MINIMUM), wheel.name)
    try:
        modules = macho.modules(wheel, scratch / machine)
    except ValueError as error:
        table.row("extension module", target.name, str(error))
        return True
    for module, path in modules.items():
        faults = macho.faults(path, module, machine, MINIMUM)
        table.row("extension module", target.name, "\n".join(faults), path.name)
    return True


# ---- C -------------------------------------------------------------------------------------------


def compile_all(
    target: zig.Target, commands: dict[Path, list[str]], extra: list[str], into: Path
) -> tuple[str, list[Path]]:
    """Returns the compiler's messages and the object files."""
    into.mkdir(parents=True, exist_ok=True)
    objects = [into / f"{number}-{path.stem}.o" for number, path in enumerate(commands)]

    def compile_one(source: Path, flags: list[str], output: Path) -> str:
        return zig.cc(target, *flags, *extra, *STRICT, "-c", source, "-o", output)

    with ThreadPoolExecutor(max_workers=2) as pool:
        complaints = pool.map(compile_one, commands, commands.values(), objects)
        return "\n".join(text for text in complaints if text), objects


def check_own_c(table: Table, target: zig.Target, include: Path, scratch: Path) -> None:
    import macos_wheel

    commands = macos_wheel.c_commands(target)
    # A function that is newer than macOS 11 would prevent the module from loading there.
    extra = [f"-I{include}", "-Wunguarded-availability"]
    fault, _ = compile_all(target, commands, extra, scratch)
    marked = sum(len(realtime_marks.marked(path)) for path in own_headers(commands))
    detail = f"{len(commands)} C files, {marked} functions proven real-time safe"
    table.row("our own C", target.name, fault, detail)


def check_marks(table: Table, scratch: Path) -> None:
    """Checks that no function lacks its mark VC_REALTIME, because the compiler does not check
    functions without the mark.
    """
    import macos_wheel

    headers = own_headers(macos_wheel.c_commands(zig.ARM64))
    missing = [f"{path.name}: {name}" for path in headers for name in realtime_marks.unmarked(path)]
    fault = f"not marked VC_REALTIME: {', '.join(missing)}" if missing else ""
    table.row("real-time marks", "headers", fault, f"{len(headers)} headers")
    header = scratch / "scratch.h"
    header.write_text("/* Does it. [IO] */\nvoid forgotten(void);\n")
    refused = realtime_marks.unmarked(header) == ["forgotten"]
    table.row("refused: marks", "headers", "" if refused else "was accepted", "one forgotten")


def own_headers(commands: dict[Path, list[str]]) -> list[Path]:
    return sorted({header for source in commands for header in source.parent.glob("*.h")})


def portable(commands: dict[Path, list[str]]) -> dict[Path, list[str]]:
    folders = [ROOT / "src" / name for name in PORTABLE]
    return {path: flags for path, flags in commands.items() if path.parent in folders}


def check_unix(table: Table, target: zig.Target, include: Path, scratch: Path) -> None:
    """Also links the files that need no Python, to check that the C library has all functions they
    call.
    """
    import macos_wheel

    commands = portable(macos_wheel.c_commands(zig.ARM64))
    fault, objects = compile_all(target, commands, [f"-I{include}", "-fPIC"], scratch)
    linked = [
        made
        for source, made in zip(commands, objects, strict=True)
        if source.parent.name != "bridge"
    ]
    if not fault:
        whole = ["-shared", "-Wl,-z,defs", "-lpthread", "-lm", "-o", scratch / "core.so"]
        fault = zig.cc(target, *linked, *whole)
    detail = f"{len(commands)} C files, compiled; {len(linked)} of them linked"
    table.row("portable C", target.name, fault, detail)


def check_windows(table: Table, include: Path, scratch: Path) -> None:
    """Also links the files that need no Python, because only the linker knows whether threads are
    available.
    """
    import macos_wheel

    ours = macos_wheel.c_commands(zig.ARM64)
    commands = portable(ours)
    commands = {path: flags for path, flags in commands.items() if path.parent.name != "bridge"}
    fault, objects = compile_all(zig.WINDOWS, commands, [], scratch)
    if not fault:
        fault = zig.cc(zig.WINDOWS, "-shared", *objects, "-o", scratch / "core.dll")
    detail = f"{len(commands)} C files, linked"
    table.row("portable C", zig.WINDOWS.name, fault, detail)

    headers = [f"-I{windows_headers(include, scratch / 'include')}"]
    rest = {
        path: [flag for flag in flags if not finds_python(flag)]
        for path, flags in ours.items()
        if path not in commands
    }
    fault, _ = compile_all(zig.WINDOWS, rest, headers, scratch / "rest")
    generated = [cythonize(source, scratch) for source in CYTHON]
    headers += [f"-I{folder}" for folder in {path.parent for path in ours}]
    headers += [f"-I{ABI}", f"-I{PACKAGE / 'include'}", f"-I{PACKAGE / 'drivers' / 'miniaudio'}"]
    for source in generated:
        fault += zig.cc(zig.WINDOWS, *headers, "-c", source, "-o", source.with_suffix(".o"))
    detail = f"{len(rest) + len(generated)} C files with Python.h, compiled"
    table.row("bridge and modules", zig.WINDOWS.name, fault, detail)


def finds_python(flag: str) -> bool:
    return flag.startswith("-I") and Path(flag[2:], "Python.h").exists()


def cythonize(source: Path, into: Path) -> Path:
    made = into / f"{source.stem}.c"
    command = [sys.executable, "-m", "cython", "-3", f"-I{PACKAGE}", f"-I{PACKAGE / 'drivers'}"]
    command.append(f"-I{source.parent}")
    subprocess.run([*command, str(source), "-o", str(made)], check=True)
    return made


def windows_headers(include: Path, into: Path) -> Path:
    """Makes a folder with this Python's headers and a pyconfig.h with the differences of Windows.

    The real headers are only distributed with Python for Windows.
    """
    shutil.copytree(include, into)
    absent = "HAVE_(SYS_SELECT_H|SYS_TIME_H|PTHREAD_H|DYNAMIC_LOADING)|_POSIX_THREADS"
    absent += "|SIZEOF_(LONG|WCHAR_T)"
    config = re.sub(rf"#define ({absent})\b.*", "", (include / "pyconfig.h").read_text())
    windows = ["MS_WINDOWS", "MS_WIN32", "MS_WIN64", "NT_THREADS", "HAVE_DECLSPEC_DLL"]
    windows += ["SIZEOF_LONG 4", "SIZEOF_WCHAR_T 2"]
    added = "\n".join(f"#define {name}" for name in windows)
    (into / "pyconfig.h").write_text(f"#pragma once\n{added}\n{config}")
    return into


def check_layout(table: Table, scratch: Path) -> None:
    native = [*os.environ.get("CC", "cc").split(), "-fsyntax-only", "-std=c11", "-Werror"]
    faults = []
    for source in LAYOUT:
        done = subprocess.run([*native, f"-I{ABI}", str(source)], capture_output=True, text=True)
        faults.append(done.stderr if done.returncode else "")
    assertions = sum(source.read_text().count("_Static_assert") for source in LAYOUT)
    table.row("CoreAudio's layouts", "this machine", "".join(faults), f"{assertions} assertions")
    for target in zig.MACOS:
        commands = {source: [f"-I{ABI}", "-std=c11"] for source in LAYOUT}
        fault, _ = compile_all(target, commands, [], scratch / target.triple)
        table.row("CoreAudio's layouts", target.name, fault, f"{assertions} assertions")


# ---- checks that the checks can fail -------------------------------------------------------------

BLOCKING = {
    "allocates": "#include <stdlib.h>\nvoid *kept;\nstatic void act(void) { kept = malloc(8); }",
    "takes a lock": "#include <pthread.h>\nstatic pthread_mutex_t lock;\n"
    "static void act(void) { pthread_mutex_lock(&lock); }",
    "calls a pointer": "extern void (*pointer)(void);\nstatic void act(void) { pointer(); }",
    "calls into the unknown": "void elsewhere(void);\nstatic void act(void) { elsewhere(); }",
}
HARMLESS = {
    "computes": "static int sum;\nstatic void act(void) { sum++; }",
    "says why it may": "void elsewhere(void);\n"
    "static void act(void) VC_REALTIME { VC_UNPROVEN elsewhere(); VC_PROVEN_AGAIN }",
}
# The compiler includes this text before each file. It replaces memcpy by a function that the
# compiler does not know to be safe.
SLOW_MEMCPY = """#include <string.h>
void *slow_memcpy(void *to, const void *from, size_t bytes);
#undef memcpy
#define memcpy slow_memcpy
"""


def check_real_time_check(table: Table, target: zig.Target, scratch: Path) -> None:
    import macos_wheel

    source = scratch / "scratch.c"
    include = f"-I{ROOT / 'src' / 'core'}"

    def complaint(body: str) -> str:
        source.write_text(
            f'#include "voicecoil.h"\n{body}\n'
            "void scratch(void) VC_REALTIME;\nvoid scratch(void) { act(); }\n"
        )
        return zig.cc(target, include, "-std=c11", *STRICT, "-c", source, "-o", scratch / "x.o")

    for name, body in BLOCKING.items():
        refused = "-Wfunction-effects" in complaint(body)
        table.row("refused: real time", target.name, "" if refused else "was accepted", name)
    for name, body in HARMLESS.items():
        table.row("accepted: real time", target.name, complaint(body), name)
    slow = scratch / "slow_memcpy.h"
    slow.write_text(SLOW_MEMCPY)
    core = {
        path: flags
        for path, flags in macos_wheel.c_commands(target).items()
        if path.parent == ROOT / "src" / "core"
        and "memcpy(" in path.read_text()
        and not only_for_the_control_plane(path)
    }
    accepted = [
        path.name
        for path, flags in core.items()
        if "-Wfunction-effects"
        not in zig.cc(target, *flags, *STRICT, "-include", slow, "-c", path, "-o", scratch / "x.o")
    ]
    fault = f"accepted: {', '.join(accepted)}" if accepted or not core else ""
    detail = f"a memcpy that may block, in {len(core)} files of the core"
    table.row("refused: real time", target.name, fault, detail)


def only_for_the_control_plane(path: Path) -> bool:
    """Returns whether the header of this C file marks no function as real-time safe."""
    header = path.with_suffix(".h")
    return header.exists() and "VC_REALTIME" not in header.read_text()


def check_layout_check(table: Table, scratch: Path) -> None:
    moved = scratch / "moved.c"
    text = LAYOUT[1].read_text()
    moved.write_text(text.replace("  uint32_t mScope;\n", "  uint64_t mScope;\n", 1))
    refused = "static assertion failed" in zig.cc(
        zig.ARM64, "-std=c11", "-c", moved, "-o", scratch / "x.o"
    )
    table.row("refused: layout", zig.ARM64.name, "" if refused else "was accepted", "a wider field")


def check_library_check(table: Table, scratch: Path) -> None:
    """Checks that the check of libraries refuses each of several faulty libraries, and accepts one
    without a fault.
    """
    import macho

    foreign = scratch / "libforeign.dylib"
    name = scratch / "foreign.c"
    name.write_text("int foreign(void) { return 1; }\n")
    fault = zig.cc(zig.ARM64, "-dynamiclib", f"-Wl,-install_name,{foreign}", name, "-o", foreign)
    assert not fault, fault

    def faults(
        body: str = "", flags: tuple[str | Path, ...] = (), target: zig.Target = zig.ARM64
    ) -> str:
        source = scratch / "scratch.c"
        source.write_text(
            "void PyErr_Clear(void);\n"
            f"{body or 'static int act(void) { return 0; }'}\n"
            '__attribute__((visibility("default"))) void *PyInit_scratch(void);\n'
            "void *PyInit_scratch(void) { PyErr_Clear(); act(); return 0; }\n"
        )
        built = scratch / "scratch.so"
        common = ["-dynamiclib", "-fvisibility=hidden", "-undefined", "dynamic_lookup"]
        complaint = zig.cc(target, *common, source, *flags, "-o", built)
        return complaint or "; ".join(macho.faults(built, "scratch", "arm64", MINIMUM))

    cases: list[tuple[str, Callable[[], str], str]] = [
        ("nothing", faults, ""),
        (
            "a foreign library",
            lambda: faults("int foreign(void);\n#define act foreign", (foreign,)),
            "depends on",
        ),
        (
            "a symbol that no one has",
            lambda: faults("int nowhere(void);\n#define act nowhere"),
            "wants nowhere",
        ),
        (
            "a symbol that Python has not",
            lambda: faults("int PyNo_Such(void);\n#define act PyNo_Such"),
            "wants PyNo_Such",
        ),
        (
            "one export too many",
            lambda: faults('__attribute__((visibility("default"))) int act(void) { return 0; }'),
            "exports _act",
        ),
        (
            "a newer macOS",
            lambda: faults(target=zig.Target("", "aarch64-macos.12.0")),
            "needs macOS 12.0",
        ),
        ("another processor", lambda: faults(target=zig.X86_64), "is for X86_64"),
    ]
    for name_of, case, wanted in cases:
        found = case()
        right = wanted in found if wanted else not found
        kind = "refused: library" if wanted else "accepted: library"
        table.row(kind, zig.ARM64.name, "" if right else f"found: {found or 'nothing'}", name_of)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.parse_args()
    if not enter_environment():
        print("*** NOT CHECKED: the tools of the group `macos` (ziglang ...) are not to be had ***")
        print("0 passed, 0 failed, 1 not run")
        return not_run.EXIT_CODE
    import macos_wheel

    table = Table()
    scratch = Path(tempfile.mkdtemp(prefix="scratch-", dir=ROOT / "build"))
    try:
        built = [check_wheel(table, target, scratch) for target in zig.MACOS]
        include = macos_wheel.headers()
        check_layout(table, scratch / "layout")
        if all(built):
            for target in zig.MACOS:
                check_own_c(table, target, include, scratch / target.triple)
            for target in (*zig.LINUX, *zig.BSD):
                check_unix(table, target, include, scratch / target.triple)
            check_windows(table, include, scratch / "windows")
            check_marks(table, scratch)
            check_real_time_check(table, zig.ARM64, scratch)
        check_layout_check(table, scratch)
        check_library_check(table, scratch)
    finally:
        shutil.rmtree(scratch)
    return table.summary()


if __name__ == "__main__":
    sys.exit(main())
