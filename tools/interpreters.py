"""Finds one Python interpreter of each version from 3.11 on that this machine has."""

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


def find() -> tuple[dict[str, str], dict[str, str]]:
    """Returns the usable Pythons and the others, each as {"3.12": path ...}, oldest first.

    The others have no venv module or no headers.
    """
    found: dict[str, str] = {}
    others: dict[str, str] = {}
    for name in candidates():
        try:
            answer = subprocess.run([name, "-c", PROBE], capture_output=True, text=True, timeout=30)
        except OSError:
            continue
        match = re.match(r"(3\.(\d+)t?) ([01]) (.+)", answer.stdout)
        if answer.returncode or not match or int(match[2]) < 11 or match[1] in found:
            continue
        (found if match[3] == "1" else others).setdefault(match[1], match[4])
    others = {version: path for version, path in others.items() if version not in found}
    return in_order(found), in_order(others)


def in_order(pythons: dict[str, str]) -> dict[str, str]:
    return dict(sorted(pythons.items(), key=lambda item: (int(item[0][2:].rstrip("t")), item[0])))


if __name__ == "__main__":
    usable, unusable = find()
    for version, path in usable.items():
        print(version, path)
    for version, path in unusable.items():
        print(version, path, "has no venv module or no headers")
