"""`voicecoil render` imports the right modules, although it searches the user's folder first."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from programs import environment

SCRIPT = """
import atexit, sys
before = {name.partition(".")[0] for name in sys.modules}

def late():
    after = {name.partition(".")[0] for name in sys.modules}
    print("LATE", *sorted(after - before), file=sys.stderr)

atexit.register(late)

def voice(block):
    block.output[:] = 0.5

def broken(block):
    raise ZeroDivisionError
"""


def render(folder: Path, *tokens: str) -> subprocess.CompletedProcess[str]:
    # With -P, Python does not search the working directory, like the installed command.
    command = [sys.executable, "-P", "-m", "voicecoil", "render", *tokens]
    return subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize(
    ("tokens", "code"),
    [
        (["synth.py:voice", "a.wav"], 0),
        (["synth.py:voice", "a.flac", "--json"], 0),
        (["synth:voice", "a.mp3"], 0),
        (["synth.py:broken", "a.wav"], 1),
        (["synth.py:nothing", "a.wav"], 2),
    ],
)
def test_nothing_is_imported_after_the_users_file(
    tmp_path: Path, tokens: list[str], code: int
) -> None:
    (tmp_path / "synth.py").write_text(SCRIPT)
    done = render(tmp_path, *tokens, "-d", "0.1")
    assert done.returncode == code, done.stderr
    assert done.stderr.splitlines()[-1].split() == ["LATE"]


@pytest.mark.parametrize("name", ["soundfile", "soxr", "numpy"])
def test_a_users_file_does_not_replace_a_library(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.py").write_text(SCRIPT)
    (tmp_path / "synth.py").write_text(SCRIPT)
    for script in ("synth", name):
        done = render(tmp_path, f"{script}.py:voice", f"{script}.wav", "-d", "0.1")
        assert done.returncode == 0, done.stderr
        assert (tmp_path / f"{script}.wav").stat().st_size > 4800 * 8
