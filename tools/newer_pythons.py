#!/usr/bin/env python3
"""Runs the tests on Pythons that this machine's system does not have yet.

    python3 tools/newer_pythons.py [--only 3.15] [--short | --set-up] [-- pytest arguments]

debootstrap installs a newer Debian with its Pythons, their headers and a compiler in the folder
`build/newer/root`. This takes about a minute, and the folder is kept. The tests run in this Debian,
in a mount namespace that ends with the tests. The program needs root, debootstrap, unshare and
Debian's keys. If one of these is missing, a message says so and the exit code is the one of
not_run.py.

`--only 3.13t` selects a free-threaded Python. Debian has no package of it, so the program compiles
Debian's source of Python 3.13. This takes about five minutes, and the result is kept.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

import not_run

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "newer"
INSIDE = FOLDER / "root"
BUILD = FOLDER / "build"  # separate from ROOT / "build", because it needs the newer C library
SUITE = "forky"
KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
SCRIPTS = Path("/usr/share/debootstrap/scripts")
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
VERSIONS = ("3.14", "3.15")
FREE = "3.13t"  # the newest version whose source every mirror of Debian has
PACKAGES = [f"python{version}-{part}" for version in VERSIONS for part in ("dev", "venv")]
# g++ compiles the sdist of miniaudio, which has no wheels for the newest Python. The tests of
# RealtimeKit need dbus-daemon.
PACKAGES += ["gcc", "g++", "make", "libc6-dev", "ca-certificates", "dbus-daemon"]
FREE_SOURCE = f"python{FREE.rstrip('t')}"
FREE_NEEDS = ["xz-utils", "pkgconf", "libssl-dev", "zlib1g-dev", "libffi-dev"]
FREE_PREFIX = f"/opt/python{FREE}"
FREE_BUILD = f"""
set -e
mkdir -p /usr/src/{FREE}
cd /usr/src/{FREE}
apt-get source -qq --download-only {FREE_SOURCE}
tar --strip-components=1 -xf *.orig.tar.xz
./configure -q --disable-gil --prefix={FREE_PREFIX} --without-ensurepip --disable-test-modules
make -s -j"$(nproc)"
make -s install
rm -r /usr/src/{FREE}
"""
# cffi 2 does not support a free-threaded Python 3.13. With cffi 1, cffi itself and the code that it
# generates can be compiled if the limited API is off. The newest Hypothesis has no wheels for this
# Python, but older versions have.
FREE_PIP = {
    "PIP_CONSTRAINT": "/opt/constraints",
    "PIP_BUILD_CONSTRAINT": "/opt/constraints",
    "PIP_PREFER_BINARY": "1",
    "CFLAGS": "-D_CFFI_NO_LIMITED_API",
}
FEWER = {"VOICECOIL_RUNS": "4", "VOICECOIL_SEEDS": "1-5"}
SHORT = {"VOICECOIL_RUNS": "3", "VOICECOIL_SEEDS": "1-5", "VOICECOIL_EVERY_LINE": "41"}
# Arguments of pytest. Most tests wait for threads and processes, so four processes keep two cores
# busy. A process that has no test left takes one from another process: a few tests take a minute.
PARALLEL = ["-n", "4", "--dist", "worksteal"]
MOUNT = """
set -e
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
mount --bind "$2" "$1/src"
mount --bind "$3" "$1/src/build"
root=$1
shift 3
exec chroot "$root" "$@"
"""


def missing() -> str:
    """Returns a description of what the machine lacks; empty if nothing is missing."""
    if os.name != "posix" or os.geteuid() != 0:
        return "root"
    for program in ("debootstrap", "unshare", "chroot"):
        if shutil.which(program) is None:
            return f"the program {program} (Debian: apt install debootstrap util-linux)"
    if not KEYS.exists():
        return f"Debian's keys, {KEYS} (apt install debian-archive-keyring)"
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode:
        return "the right to mount (unshare --mount)"
    return ""


def mirror() -> str:
    """Returns the Debian mirror that apt is configured with, or the usual one."""
    asked = ["apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages"]
    try:
        sites = subprocess.run(asked, capture_output=True, text=True).stdout.split()
    except OSError:
        sites = []
    return next(
        (site for site in sites if site.endswith("/debian")), "http://deb.debian.org/debian"
    )


def enter(*command: str, **more: str) -> int:
    """Runs a command in the newer Debian, whose folder /src is this repository with another
    `build`. Returns the exit code.
    """
    for folder in (BUILD, INSIDE / "src"):
        folder.mkdir(parents=True, exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if name != "PIP_FIND_LINKS"}
    environment = {
        **kept,
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root",
        "PIP_CACHE_DIR": "/src/build/pip",
        "DEBIAN_FRONTEND": "noninteractive",
        **more,
    }
    start = ["unshare", "--mount", "--propagation", "private", "sh", "-c", MOUNT, "sh"]
    inside = ["env", "-C", "/src", *command]
    folders = [str(INSIDE), str(ROOT), str(BUILD)]
    return subprocess.run([*start, *folders, *inside], env=environment).returncode


def run(*command: str | Path) -> bool:
    return subprocess.run([str(part) for part in command]).returncode == 0


def make() -> bool:
    """Makes the newer Debian unless it exists already. Returns whether it exists."""
    stamp = FOLDER / "stamp"
    wanted = " ".join([SUITE, *PACKAGES])
    if stamp.exists() and stamp.read_text() == wanted:
        return True
    if not (INSIDE / "usr" / "bin" / "apt-get").exists():
        shutil.rmtree(INSIDE, ignore_errors=True)
        FOLDER.mkdir(parents=True, exist_ok=True)
        script = SCRIPTS / SUITE
        if not script.exists():  # the installed debootstrap does not know the suite yet
            script = SCRIPTS / "sid"
        options = ["--variant=minbase", f"--keyring={KEYS}"]
        with (FOLDER / "debootstrap.log").open("w") as log:
            command = ["debootstrap", *options, SUITE, str(INSIDE), mirror(), str(script)]
            if subprocess.run(command, stdout=log, stderr=subprocess.STDOUT).returncode:
                print(f"debootstrap failed; its output is in {log.name}")
                return False
    shutil.copy("/etc/resolv.conf", INSIDE / "etc" / "resolv.conf")
    if not apt("update") or not apt("install", "--no-install-recommends", *PACKAGES):
        return False
    apt("clean")
    if CERTIFICATES.exists():  # may include a proxy's certificate
        shutil.copy(CERTIFICATES, INSIDE / CERTIFICATES.relative_to("/"))
    stamp.write_text(wanted)
    return True


def apt(*arguments: str) -> bool:
    options = ["-o", "Acquire::Check-Valid-Until=false", "-qq", "-y"]
    return enter("apt-get", *options, *arguments) == 0


def make_free_threaded() -> bool:
    """Compiles the free-threaded Python unless it exists already. Returns whether it exists."""
    if (INSIDE / FREE_PREFIX.lstrip("/") / "bin" / f"python{FREE}").exists():
        return True
    sources = INSIDE / "etc" / "apt" / "sources.list"
    (sources.with_suffix(".list.d") / "sources.list").write_text(
        sources.read_text().replace("deb ", "deb-src ")
    )
    (INSIDE / "opt" / "constraints").write_text("cffi < 2\n")
    if not apt("update") or not apt("install", "--no-install-recommends", *FREE_NEEDS):
        return False
    log = BUILD / "free_threaded.log"
    print(f"compiling a free-threaded Python {FREE}; its output goes to {log}", flush=True)
    (INSIDE / "opt" / "build").write_text(FREE_BUILD)
    return enter("sh", "-c", f"sh /opt/build > /src/build/{log.name} 2>&1") == 0


def environment(version: str) -> str | None:
    """Makes the virtual environment of a Python unless it exists already. Returns its folder, or
    None if it cannot be made.
    """
    env = f"build/env-{version}-{SUITE}"
    python = f"{FREE_PREFIX}/bin/python{FREE}" if version == FREE else f"python{version}"
    more = FREE_PIP if version == FREE else {}
    failed = enter(python, "tools/environment.py", env, "test", "optional", **more)
    return None if failed else env


def test(version: str, short: bool, arguments: list[str]) -> bool:
    print(f"\n== Python {version} of Debian {SUITE}", flush=True)
    env = environment(version)
    if env is None:
        return False
    counts = SHORT if short else FEWER
    fewer = {name: os.environ.get(name, value) for name, value in counts.items()}
    kind = "interpreter and not realtime" if short else "not realtime"
    if version == FREE:
        # keeps the GIL off, even if a package declares that it needs the GIL
        fewer["PYTHON_GIL"] = "0"
    pytest = [f"{env}/bin/python", "-m", "pytest", "-q", *PARALLEL, "-m", kind]
    if not_run.in_ci():
        pytest += not_run.required(optional=True)
    pytest += arguments
    return enter(*pytest, PYTHONDONTWRITEBYTECODE="1", **fewer) == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", default=",".join(VERSIONS), help=f"3.14, 3.15, {FREE}")
    parser.add_argument("--short", action="store_true", help="only what depends on the interpreter")
    parser.add_argument("--set-up", action="store_true", help="all but the tests")
    parser.add_argument("pytest", nargs="*", help="arguments for pytest")
    options = parser.parse_args()
    versions = options.only.split(",")
    lacking = missing()
    if not lacking and not make():
        lacking = f"a Debian {SUITE}, which could not be made"
    if not lacking and FREE in versions and not make_free_threaded():
        lacking = f"a Python {FREE}, which could not be compiled"
    if lacking:
        print(f"*** NOT TESTED: Python {' and '.join(versions)}: this needs {lacking} ***")
        return not_run.EXIT_CODE
    if options.set_up:
        results = [environment(version) is not None for version in versions]
    else:
        results = [test(version, options.short, options.pytest) for version in versions]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
