"""Runs the zig compiler, which compiles C for other platforms than this one.

`ziglang` from PyPI is clang with the C libraries and headers of all its targets, including macOS.
It does not contain Apple's frameworks, but this package needs none of them to build.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TIMEOUT_S = 900  # the first link for a target compiles that target's C library


@dataclass(frozen=True)
class Target:
    """A platform to compile for. `triple` is zig's name for it."""

    name: str
    triple: str


ARM64 = Target("macOS arm64", "aarch64-macos.11.0")
X86_64 = Target("macOS x86_64", "x86_64-macos.11.0")
MACOS = (ARM64, X86_64)
WINDOWS = Target("Windows x86_64", "x86_64-windows-gnu")
LINUX = (
    Target("Linux x86_64, musl", "x86_64-linux-musl"),
    Target("Linux aarch64, glibc", "aarch64-linux-gnu"),
)
BSD = (
    Target("FreeBSD x86_64", "x86_64-freebsd"),
    Target("NetBSD x86_64", "x86_64-netbsd"),
    Target("OpenBSD x86_64", "x86_64-openbsd"),
)


def executable() -> str:
    spec = importlib.util.find_spec("ziglang")
    if spec is None or spec.origin is None:
        sys.exit("ziglang is not in this environment; see the group `macos` in pyproject.toml")
    return str(Path(spec.origin).parent / "zig")


def environment() -> dict[str, str]:
    """Environment variables that put zig's caches under build/."""
    cache = str(ROOT / "build" / "zig-cache")
    return {**os.environ, "ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache}


def cc(target: Target, *arguments: str | Path) -> str:
    """Runs the compiler. Returns its messages if it failed, otherwise "".

    Warnings of a compilation that succeeds get lost, because zig's cache does not repeat them.
    """
    # Without -O zig adds UBSan, and with it a runtime library that is not ours.
    command = [executable(), "cc", "-target", target.triple, "-O2", *map(str, arguments)]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=TIMEOUT_S
    )
    return "" if done.returncode == 0 else done.stderr or f"exit code {done.returncode}"
