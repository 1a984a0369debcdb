"""Builds the documentation site into ``build/docs`` and runs the examples of its pages.

python3 tools/docs.py [--links]

A warning counts as an error. With --links, the program also follows every link to another site,
which needs a network.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "build" / "docs"


def build(builder: str) -> None:
    """Runs one of Sphinx's builders over ``docs``."""
    command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "-q"]
    command += ["-d", str(SITE / "doctrees"), "-b", builder, str(ROOT / "docs")]
    environment = {**os.environ, "VOICECOIL_DRIVER": "virtual"}
    done = subprocess.run([*command, str(SITE / builder)], cwd=ROOT, env=environment)
    if done.returncode:
        sys.exit(f"the {builder} builder failed with exit code {done.returncode}")


def main() -> None:
    for builder in ("html", "doctest", *(["linkcheck"] if "--links" in sys.argv[1:] else [])):
        build(builder)
    print(f"open {os.path.relpath(SITE / 'html' / 'index.html', ROOT)}")


if __name__ == "__main__":
    main()
