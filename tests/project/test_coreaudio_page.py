"""The files and tests that docs/coreaudio.md names exist."""

from __future__ import annotations

import re

import pytest

from paths import ROOT, TESTS

PAGE = (ROOT / "docs" / "coreaudio.md").read_text()
RULES = re.findall(
    r"^\| .*$", PAGE.partition("## Rules of the HAL")[2].partition("## ")[0], re.MULTILINE
)
ROWS = dict(re.findall(r"^\| (\d+) \|(.*)\|$", PAGE, re.MULTILINE))
C_TESTS = {"core": TESTS / "core", "simulator": ROOT / "simulator" / "tests"}


def source(place: str) -> str:
    """Returns the source text of the tests at a place that the page names."""
    if place in C_TESTS:
        return "".join(path.read_text() for path in sorted(C_TESTS[place].glob("test_*.c")))
    names = [f"test_coreaudio_{place}.py", f"test_{place}.py"]
    return next(path.read_text() for name in names for path in TESTS.rglob(name))


def test_the_page_has_forty_rows() -> None:
    assert list(map(int, ROWS)) == list(range(1, 41))


@pytest.mark.parametrize("row", ROWS)
def test_each_row_names_its_test_or_is_for_later(row: str) -> None:
    *_, where, tests = (cell.strip() for cell in ROWS[row].split("|"))
    if tests != "next":
        check(where, tests)


def test_each_rule_of_the_hal_names_its_test() -> None:
    assert len(RULES) == 1 + 17  # with the heading
    for rule in RULES[1:]:
        _, _, where, tests = (cell.strip() for cell in rule.strip("| ").split("|"))
        check(where, tests)


def check(where: str, tests: str) -> None:
    named = 0
    for part in tests.split(";"):
        place, _, rest = part.strip().partition(":")
        for name in re.findall(r"`(\w+)`", rest):
            pattern = rf"static void {name}\(" if place in C_TESTS else rf"def test_{name}\("
            assert re.search(pattern, source(place)), f"{place} has no test {name}"
            named += 1
    assert named > 0
    for file in re.findall(r"`([\w.]+\.\w+)`", where):
        assert list((ROOT / "src").rglob(file)), f"there is no {file}"
