#!/usr/bin/env python3
"""Builds and runs the C tests: plain, and under sanitizers of memory, behaviour and threads.

    tools/test_core.py [plain] [asan] [tsan] [--only NAME] [--benchmark]

The last line is "N passed, M failed, K not run". The exit code is 1 if a test failed or could not
be built. It is the one of not_run.py if a sanitizer is not available. Needs only a C compiler ($CC
or cc).
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import not_run

ROOT = Path(__file__).resolve().parent.parent
TESTS = ROOT / "tests" / "core"
SHIM = ROOT / "tests" / "shim" / "trap.c"
VIRTUAL = ROOT / "src" / "voicecoil" / "drivers" / "virtual"
COREAUDIO = ROOT / "src" / "voicecoil" / "drivers" / "coreaudio"
MINIAUDIO = ROOT / "src" / "voicecoil" / "drivers" / "miniaudio"
SOURCES = [
    *sorted((ROOT / "src" / "core").glob("*.c")),
    *sorted(VIRTUAL.glob("*.c")),
    COREAUDIO / "ioproc.c",
    COREAUDIO / "listener.c",
    COREAUDIO / "quick.c",
    MINIAUDIO / "callback.c",
    MINIAUDIO / "jack_line.c",
    MINIAUDIO / "pulse_line.c",
    MINIAUDIO / "time_line.c",
    MINIAUDIO / "messages.c",
]
CC = os.environ.get("CC", "cc").split()
STRICT = ["-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-g", "-pthread"]
INCLUDES = [f"-I{ROOT / 'src' / 'core'}", f"-I{VIRTUAL}", f"-I{TESTS}"]
INCLUDES += [f"-I{COREAUDIO}", f"-I{MINIAUDIO}", f"-I{ROOT / 'src' / 'coreaudio_abi'}"]
KINDS = {
    "plain": ["-O2"],
    "asan": ["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"],
    # Without -Wno-tsan, gcc warns that ThreadSanitizer does not model fences. statistics.c uses
    # fences and explains why this hides no fault.
    "tsan": ["-O1", "-fsanitize=thread", "-Wno-tsan"],
}
BENCHMARK = ["-O3", "-DNDEBUG"]  # the flags of a release
TIMEOUT_S = 1000 + float(os.environ.get("VOICECOIL_DRIFT_S", "0")) / 10


def run(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        command, capture_output=True, text=True, timeout=TIMEOUT_S, **options
    )


def launcher(kind: str, build: Path) -> list[str] | None:
    """Returns the words to put before the command of a program of this kind, or None if its
    sanitizer does not work on this machine.
    """
    probe = build / "probe.c"
    probe.write_text("int main(void) { return 0; }\n")
    flags = [flag for flag in KINDS[kind] if flag.startswith("-f")]
    if run([*CC, *flags, str(probe), "-o", str(build / "probe")]).returncode != 0:
        return None
    # Older ThreadSanitizers do not start if the kernel randomises addresses in a wide range.
    for prefix in ([], ["setarch", "-R"]):
        if prefix and shutil.which(prefix[0]) is None:
            continue
        if run([*prefix, str(build / "probe")]).returncode == 0:
            return prefix
    return None


def is_older(target: Path, sources: list[Path]) -> bool:
    if not target.exists():
        return True
    return any(source.stat().st_mtime > target.stat().st_mtime for source in sources)


class Suite:
    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.flags = KINDS.get(kind, BENCHMARK)
        self.build = ROOT / "build" / f"core-{kind}"
        self.build.mkdir(parents=True, exist_ok=True)
        self.headers = [path for source in SOURCES for path in source.parent.glob("*.h")]
        self.headers += [*TESTS.glob("*.h"), Path(__file__)]

    def compile(self, source: Path) -> Path:
        target = self.build / f"{source.stem}.o"
        parts = [source, *self.headers]
        for part in parts:  # also the sources that an included source includes
            included = re.findall(r'#include "([^"]+\.c)"', part.read_text(encoding="utf-8"))
            parts += [part.parent / name for name in included]
        if is_older(target, parts):
            command = [*CC, *STRICT, *self.flags, *INCLUDES, "-c", str(source)]
            done = run([*command, "-o", str(target)])
            if done.returncode != 0:
                target.unlink(missing_ok=True)
                raise RuntimeError(f"{source.name} does not compile:\n{done.stderr}")
        return target

    def link(self, test: Path, objects: list[Path]) -> Path:
        target = self.build / test.stem
        parts = [self.compile(test), *objects]
        if is_older(target, parts):
            command = [*CC, *self.flags, "-pthread", *map(str, parts)]
            done = run([*command, "-o", str(target), "-lm", "-ldl"])
            if done.returncode != 0:
                raise RuntimeError(f"{test.name} does not link:\n{done.stderr}")
        return target

    def shim(self) -> Path:
        target = self.build / "trap.so"
        if is_older(target, [SHIM, Path(__file__)]):
            command = [*CC, *STRICT, "-O2", "-fPIC", "-shared", "-fvisibility=hidden", str(SHIM)]
            done = run([*command, "-o", str(target), "-ldl"])
            if done.returncode != 0:
                raise RuntimeError(f"{SHIM.name} does not build:\n{done.stderr}")
        return target


def run_test(suite: Suite, test: Path, objects: list[Path], prefix: list[str]) -> tuple[int, int]:
    """Returns the passed and failed tests of one program. Prints its output if any test failed."""
    name = f"{suite.kind} {test.stem}"
    try:
        program = suite.link(test, objects)
        environment = dict(os.environ, UBSAN_OPTIONS="print_stacktrace=1")
        if test.stem == "test_trap":
            environment["LD_PRELOAD"] = str(suite.shim())
        done = run([*prefix, str(program)], env=environment)
    except RuntimeError as error:
        print(f"{name}: {error}")
        return 0, 1
    except subprocess.TimeoutExpired:
        print(f"{name}: still running after {TIMEOUT_S} s")
        return 0, 1
    counts = re.search(r"(\d+) passed, (\d+) failed\s*\Z", done.stdout)
    passed, failed = (int(counts[1]), int(counts[2])) if counts else (0, 1)
    if done.returncode != 0 and failed == 0:
        failed = 1  # a report of a sanitizer, or a crash at exit
    if failed:
        print(f"{name}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return passed, failed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("kinds", nargs="*", metavar="plain|asan|tsan")
    parser.add_argument("--only", default="", help="tests whose name contains this")
    parser.add_argument("--benchmark", action="store_true", help="measure a cycle instead")
    options = parser.parse_args()
    if unknown := set(options.kinds) - set(KINDS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(KINDS)}")
    passed = failed = lacking = 0
    with ThreadPoolExecutor(max_workers=2) as pool:
        if options.benchmark:
            suite = Suite("benchmark")
            objects = list(pool.map(suite.compile, SOURCES))
            return subprocess.call([str(suite.link(TESTS / "benchmark_cycle.c", objects))])
        for kind in options.kinds or KINDS:
            suite = Suite(kind)
            prefix = launcher(kind, suite.build)
            if prefix is None:
                print(f"*** NOT TESTED: {kind}: this compiler or machine has no such sanitizer ***")
                lacking += 1
                continue
            try:
                objects = list(pool.map(suite.compile, SOURCES))
            except RuntimeError as error:
                print(f"{kind}: {error}")
                failed += 1
                continue
            tests = [test for test in sorted(TESTS.glob("test_*.c")) if options.only in test.stem]
            # The traps would also count the calls of malloc and of locks that a sanitizer makes.
            if kind != "plain":
                tests = [test for test in tests if test.stem != "test_trap"]
            job = partial(run_test, suite, objects=objects, prefix=prefix)
            for good, bad in pool.map(job, tests):
                passed += good
                failed += bad
    print(f"{passed} passed, {failed} failed, {lacking} not run")
    if failed or not (passed or lacking):
        return 1
    return not_run.EXIT_CODE if lacking else 0


if __name__ == "__main__":
    sys.exit(main())
