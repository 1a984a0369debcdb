"""tools/mutants.toml: each place that is changed still exists, so that no change is left out."""

from __future__ import annotations

import tomllib
from collections import Counter

from paths import ROOT


def test_each_place_occurs_once() -> None:
    mutants = tomllib.loads((ROOT / "tools" / "mutants.toml").read_text())["mutant"]
    counts = {one["name"]: (ROOT / one["file"]).read_text().count(one["before"]) for one in mutants}
    assert {name: count for name, count in counts.items() if count != 1} == {}
    assert max(Counter(one["name"] for one in mutants).values()) == 1
