#!/usr/bin/env python3
"""Runs the tests of CoreAudio's driver with all C code of this project under sanitizers.

    build/env-3.x/bin/python tools/test_sanitizers.py [pytest arguments]

The extension modules and the simulated CoreAudio are built with AddressSanitizer and
UndefinedBehaviorSanitizer, and once more with ThreadSanitizer. Python is not rebuilt. The
sanitizers see its use of memory through malloc, and its locks through pthread.

The last line is "N passed, M failed". If a sanitizer is not available, a message says so, and that
is no failure.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import not_run
from environment import newest_source
from test_core import CC, launcher

ROOT = Path(__file__).resolve().parent.parent
TESTS = [
    str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("tests/drivers/coreaudio/test_*.py"))
]
# {name: (sanitizers for meson, kind of test_core.py, libraries to preload, seeds for
# test_coreaudio_seeds.py)}
KINDS = {
    "memory and behaviour": ("address,undefined", "asan", ("libasan.so", "libubsan.so"), "1-4"),
    "threads": ("thread", "tsan", ("libtsan.so",), "1-2"),
}
OPTIONS = {
    # Leak detection is off, because Python never frees some memory, and reports of it would hide
    # leaks of this library. The simulator finds those.
    "ASAN_OPTIONS": "detect_leaks=0",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1",
    "PYTHONMALLOC": "malloc",
}
FAULTY = """
#include <stdlib.h>
static int shared;
int beyond(void);
int beyond(void) { volatile char *memory = malloc(8); return memory[8]; }
void race(void);
void race(void) { for (int i = 0; i < 1000000; i++) { shared++; } }
"""
CALLS = {
    "memory and behaviour": "library.beyond()",
    "threads": """
import threading
threads = [threading.Thread(target=library.race) for _ in range(2)]
for thread in threads: thread.start()
for thread in threads: thread.join()
""",
}


def build(kind: str) -> Path | None:
    """Builds the package with that sanitizer in a folder of its own. Returns None if it cannot be
    built.
    """
    sanitizer = KINDS[kind][0]
    name = sanitizer.replace(",", "-")
    folder = ROOT / "build" / f"sanitized-{name}"
    stamp = folder / "package.stamp"
    if stamp.exists() and stamp.stat().st_mtime > newest_source():
        return folder
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--upgrade", "--no-deps"]
    command += ["--no-build-isolation", "--no-index", f"--target={folder}"]
    # Only one argument is given, because pip before 23.1 (Debian 12 has it) uses only the last of
    # several.
    options = ROOT / "build" / f"sanitized-{name}.ini"
    options.write_text(
        f"[built-in options]\nb_sanitize = '{sanitizer}'\nb_lundef = false\n"
        "optimization = '1'\ndebug = true\n"
    )
    command += [f"--config-settings=build-dir={ROOT / 'build' / f'meson-{name}'}"]
    command += [f"--config-settings=setup-args=--native-file={options}"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [*command, "."],
        cwd=ROOT,
        env={**os.environ, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        print(done.stdout)
        return None
    stamp.touch()
    return folder


def environment(kind: str, package: Path) -> dict[str, str]:
    sanitizer, _, libraries, seeds = KINDS[kind]
    found = [
        subprocess.run([*CC, f"-print-file-name={name}"], capture_output=True, text=True)
        for name in libraries
    ]
    return {
        **os.environ,
        **OPTIONS,
        "LD_PRELOAD": " ".join(done.stdout.strip() for done in found),
        "PYTHONPATH": str(package),
        "VOICECOIL_SANITIZE": sanitizer,
        "VOICECOIL_SEEDS": os.environ.get("VOICECOIL_SEEDS", seeds),
    }


def is_set(kind: str, prefix: list[str], package: Path) -> str:
    """Checks that the sanitizer is active, with code that has a fault. Returns "" if the sanitizer
    finds the fault, and otherwise a description or the program's output.
    """
    runtime = f"__{KINDS[kind][1]}_".encode()
    for module in package.glob("voicecoil/**/*.so"):
        if runtime not in module.read_bytes():
            return f"{module} was built without the sanitizer"
    library = package / "faulty.so"
    source = library.with_suffix(".c")
    source.write_text(FAULTY)
    flags = [f"-fsanitize={KINDS[kind][0]}", "-g", "-shared", "-fPIC", str(source)]
    subprocess.run([*CC, *flags, "-o", str(library)], check=True)
    program = f"""
import ctypes
import voicecoil._core
assert voicecoil._core.__file__.startswith({str(package)!r})
library = ctypes.CDLL({str(library)!r})
{CALLS[kind]}"""
    command = [*prefix, sys.executable, "-c", program]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(kind, package), capture_output=True, text=True
    )
    return "" if done.returncode and "Sanitizer" in done.stderr else done.stdout + done.stderr


def main() -> int:
    passed = failed = lacking = 0
    for kind, (_, name, _, _) in KINDS.items():
        probe = ROOT / "build" / "sanitizers"
        probe.mkdir(parents=True, exist_ok=True)
        prefix = launcher(name, probe)
        if prefix is None:
            print(f"*** NOT CHECKED: {kind}: this compiler or system has no such sanitizer ***")
            lacking += 1
            continue
        package = build(kind)
        good = package is not None
        if package is not None:
            said = is_set(kind, prefix, package)
            if said:
                print(f"a fault in {kind} was not found:\n{said}")
            pytest = [sys.executable, "-m", "pytest", "-q", *TESTS, *sys.argv[1:]]
            done = subprocess.run([*prefix, *pytest], cwd=ROOT, env=environment(kind, package))
            good = not said and done.returncode == 0
        passed, failed = passed + good, failed + (not good)
        print(f"{'passed' if good else 'FAILED'}  {kind}", flush=True)
    print(f"{passed} passed, {failed} failed, {lacking} not run")
    return 1 if failed else not_run.EXIT_CODE if lacking else 0


if __name__ == "__main__":
    sys.exit(main())
