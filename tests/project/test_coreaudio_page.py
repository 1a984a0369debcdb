"""The files and tests that docs/coreaudio.md names exist."""

from __future__ import annotations

import re

import pytest

from paths import ROOT, TESTS

PAGE = (ROOT / "docs" / "coreaudio.md").read_text()
ROWS = dict(re.findall(r"^\| (\d+) \|(.*)\|$", PAGE, re.MULTILINE))


def source(place: str) -> str:
    """Returns the source text of the tests at a place that the page names."""
    if place == "core":
        return "".join(path.read_text() for path in sorted((TESTS / "core").glob("test_*.c")))
    names = [f"test_coreaudio_{place}.py", f"test_{place}.py"]
    return next(path.read_text() for name in names for path in TESTS.rglob(name))


def test_the_page_has_forty_rows() -> None:
    assert list(map(int, ROWS)) == list(range(1, 41))


@pytest.mark.parametrize("row", ROWS)
def test_each_row_names_its_test_or_is_for_later(row: str) -> None:
    *_, where, tests = (cell.strip() for cell in ROWS[row].split("|"))
    if tests == "next":
        return
    named = 0
    for part in tests.split(";"):
        place, _, rest = part.strip().partition(":")
        for name in re.findall(r"`(\w+)`", rest):
            pattern = rf"static void {name}\(" if place == "core" else rf"def test_{name}\("
            assert re.search(pattern, source(place)), f"{place} has no test {name}"
            named += 1
    assert named > 0
    for file in re.findall(r"`([\w.]+\.\w+)`", where):
        assert list((ROOT / "src").rglob(file)), f"there is no {file}"
