"""Finds the Python interpreters, 3.11 or later, that this machine has: one of each kind."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PROBE = """
import sys, sysconfig, importlib.util, pathlib
able = all(importlib.util.find_spec(m) for m in ("venv", "ensurepip"))
able = able and pathlib.Path(sysconfig.get_paths()["include"], "Python.h").exists()
free = "t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
print(f"{sys.version_info[0]}.{sys.version_info[1]}{free}", int(able), sys.executable)
"""


def candidates() -> list[str]:
    names = [sys.executable]
    for minor in range(11, 20):
        names += [f"python3.{minor}", f"python3.{minor}t"]
    for root in (Path.home() / ".pyenv/versions", Path("/opt")):
        names += [str(path) for path in sorted(root.glob("*/bin/python3"))]
    return names


def find() -> dict[str, str]:
    """{"3.12": path, "3.14t": path ...}, oldest first."""
    found: dict[str, str] = {}
    for name in candidates():
        try:
            answer = subprocess.run([name, "-c", PROBE], capture_output=True, text=True, timeout=30)
        except OSError:
            continue
        match = re.match(r"(3\.(\d+)t?) ([01]) (.+)", answer.stdout)
        if answer.returncode or not match or int(match[2]) < 11 or match[1] in found:
            continue
        if match[3] == "1":
            found[match[1]] = match[4]
        else:
            print(f"LEFT OUT {name}: no venv module or no headers", file=sys.stderr)
    return dict(sorted(found.items(), key=lambda item: (int(item[0][2:].rstrip("t")), item[0])))


if __name__ == "__main__":
    for version, path in find().items():
        print(version, path)
