"""Every call in the right column of the tables in docs/migration.md runs on the virtual device."""

from __future__ import annotations

import os
import re
import subprocess
import sys

from paths import DOCS

PAGE = (DOCS / "migration.md").read_text()
ROW = re.compile(r"^\| (?!--)(.*?) \| (.*) \|$", re.MULTILINE)
CODE = re.compile(r"`([^`]+)`")
BEFORE = """
import sys
import numpy as np
import soundfile
import voicecoil as vc
soundfile.write("song.ogg", np.zeros((48_000 * 3, 2)), 48_000)
soundfile.write("laser.wav", np.zeros((4_800, 2)), 48_000)
fs, n, x = 48_000, 480, 0.0
data = np.zeros(4800, np.float32)
mic, speakers = vc.default_device("input"), vc.default_device("output")
def f(*given): pass
callback = f
made = []
def keep(value):
    if hasattr(value, "close"):
        made.append(value)
    return value
"""
AFTER = """
for value in [*made, *list(globals().values())]:
    if hasattr(value, "close") and type(value).__module__.startswith("voicecoil"):
        value.close()
vc.stop_all()
"""


def here_column(section: str) -> list[str]:
    """Returns the first piece of code in the right column of each row of a section."""
    rows = [match[2] for match in ROW.finditer(section)]
    calls = [CODE.search(cell) for cell in rows]
    return [call[1] for call in calls if call is not None]


def program() -> str:
    """Returns all calls of the page, in their order, as one program."""
    outside, lines = PAGE, []
    if inside := re.search(r"^Inside the callback:$(.*?)^## ", PAGE, re.MULTILINE | re.DOTALL):
        outside = PAGE.replace(inside[1], "")
        head, *body = here_column(inside[1])
        lines += [f"{head}:".replace("def f", "def rows"), *(f"    {line}" for line in body)]
        lines += ["with vc.Stream(rows) as stream: assert stream.wait(timeout=60)"]
    for call in here_column(outside):
        *statements, last = call.split("; ")
        lines += [*statements, last if re.match(r"[\w.]+ = ", last) else f"keep(({last}))"]
    return BEFORE + "\n".join(lines) + AFTER


def test_each_call_of_the_migration_tables_runs(tmp_path: object) -> None:
    text = program()
    assert text.count("\n") > 50, "the tables were not found"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", text],
        cwd=str(tmp_path),
        env={**os.environ, "VOICECOIL_DRIVER": "virtual"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert (done.returncode, done.stderr) == (0, ""), text


def test_each_row_of_the_migration_tables_has_a_call_on_both_sides() -> None:
    rows = list(ROW.finditer(PAGE))
    assert rows
    for row in rows:
        heads = {"sounddevice", "PyAudio", "rtmixer", "pygame.mixer"}
        assert row[1] in heads or (CODE.search(row[1]) and CODE.search(row[2])), row[0]
