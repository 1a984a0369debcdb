"""C libraries may write to the standard error while the display is shown."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from programs import environment

PROGRAM = r"""
import os, sys
from rich.console import Console
from voicecoil.cli.display import Display, showing

console = Console(stderr=True, force_terminal=True, width=80, highlight=False)
with showing(console, Display("song", "somewhere", 10.0), True) as show:
    show(1.0, [])
    os.write(2, b"[libmpg123] \x1b[2J bad frame\n" * 1000)
    show(2.0, [])
    console.print("from Python")
print("after", file=sys.stderr)
"""


@pytest.mark.skipif(os.name == "nt", reason="the console of Windows is no file")
def test_lines_of_c_libraries_are_shown_after_the_display() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**environment(), "TERM": "xterm"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stderr.count("bad frame") == 1
    assert r"[libmpg123] \x1b[2J bad frame" in done.stderr
    display_ends = done.stderr.rindex("\x1b[?25h")  # shows the cursor again
    assert done.stderr.index("from Python") < display_ends < done.stderr.index("[libmpg123]")
    assert done.stderr.splitlines()[-1] == "after"
