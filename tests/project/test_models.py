"""Checks the models of the lock-free parts with spin (Debian: apt install spin).

A model has the steps of two or three threads in the order of the C code, and spin tries all
interleavings. Because spin executes one step after the other, it does not check memory orders.
ThreadSanitizer checks these (tests/core). The head of each model names ways to break the model. If
spin did not find these faults, the model would check nothing.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from paths import MODELS

MODEL_FILES = sorted(MODELS.glob("*.pml"))
WRONG = [
    (path, int(number))
    for path in MODEL_FILES
    for number in re.findall(r"-DBROKEN=(\d)", path.read_text())
]
CC = os.environ.get("CC", "cc").split()
needs_spin = pytest.mark.skipif(
    not (shutil.which("spin") and shutil.which(CC[0])),
    reason="NOT TESTED: the models, without spin and a C compiler",
)


def check(model: Path, broken: int, folder: Path) -> str:
    """Checks a model with spin. Returns the output of the check."""
    for command in (
        ["spin", f"-DBROKEN={broken}", "-a", str(model)],
        [*CC, "-O1", "-w", "-DSAFETY", "-o", "pan", "pan.c"],
        ["./pan", "-m100000"],
    ):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100)
        assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@needs_spin
@pytest.mark.parametrize("model", MODEL_FILES, ids=lambda path: path.stem)
def test_every_interleaving(model: Path, tmp_path: Path) -> None:
    said = check(model, 0, tmp_path)
    assert "errors: 0" in said
    assert "max search depth too small" not in said
    assert "unreached in" in said, said
    unreached = re.findall(r'^\t.*state \d+, "(.*)"$', said, re.MULTILINE)
    assert all(step == "-end-" for step in unreached), said  # a thread may go on for ever


@needs_spin
@pytest.mark.parametrize(("model", "broken"), WRONG, ids=lambda value: getattr(value, "stem", None))
def test_a_broken_model_is_found(model: Path, broken: int, tmp_path: Path) -> None:
    assert "errors: 1" in check(model, broken, tmp_path)
