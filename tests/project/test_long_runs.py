"""With --long, the tests repeat as often as they can, and not as often as by default."""

from __future__ import annotations

import importlib
import re
import sys

import pytest

from paths import ROOT, TESTS

# The seed is no number of repetitions. With greater values of the others, the run takes hours.
APART = {"FUZZ_SEED", "FUZZ_FILES", "MEMORY_S", "NETWORK_S"}
READ = re.compile(r'environ\.get\("VOICECOIL_(\w+)", ')


def test_each_number_of_repetitions_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the fix, races and interrupted calls were as short with --long as without it."""
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    monkeypatch.delitem(sys.modules, "test", raising=False)  # Python also has a package `test`
    raised = importlib.import_module("test").LONG
    monkeypatch.delitem(sys.modules, "test")
    read = {name for path in TESTS.rglob("*.py") for name in READ.findall(path.read_text())}
    assert {"RACES_S", "RUNS", "SEEDS"} <= read
    assert {name for name in read - APART if f"VOICECOIL_{name}" not in raised} == set()
    assert raised["VOICECOIL_EVERY_LINE"] == "1", "every line"
