"""Names, signatures and defaults are those of the installed sounddevice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).with_name("signatures_of.py")


def signatures(module: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), module],
        env={**os.environ, "VOICECOIL_DRIVER": "virtual", "JACK_NO_START_SERVER": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    if done.returncode and module == "sounddevice":
        why = done.stderr.strip().splitlines()[-1:]
        pytest.skip(f"NOT TESTED: sounddevice cannot be imported: {why}")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def theirs() -> dict[str, Any]:
    return signatures("sounddevice")


@pytest.fixture(scope="module")
def ours() -> dict[str, Any]:
    return signatures("voicecoil.sounddevice")


def test_versions_and_default_values_are_the_same(
    ours: dict[str, Any], theirs: dict[str, Any]
) -> None:
    for name in ("__version__", "default values"):
        assert ours[name] == theirs[name]


def test_each_name_exists(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    assert set(theirs) - set(ours) == set()


def test_functions_have_the_same_parameters_and_defaults(
    ours: dict[str, Any], theirs: dict[str, Any]
) -> None:
    functions = {name for name, one in theirs.items() if "parameters" in one}
    assert len(functions) >= 16
    for name in functions:
        assert ours[name]["parameters"] == theirs[name]["parameters"], name


def test_classes_have_the_same_methods_properties_and_parameters(
    ours: dict[str, Any], theirs: dict[str, Any]
) -> None:
    compared = 0
    for name, one in theirs.items():
        for member, value in one.get("members", {}).items() if isinstance(one, dict) else ():
            assert ours[name]["members"].get(member) == value, f"{name}.{member}"
            compared += 1
    assert compared >= 100


def test_docstrings_are_our_own(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    for name, one in theirs.items():
        if isinstance(one, dict) and "text" in one and not name.startswith("_"):
            assert ours[name]["text"], name
            assert ours[name]["text"] != one["text"], name
