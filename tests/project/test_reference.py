"""The API reference names every public name once."""

from __future__ import annotations

import re

import pytest

import voicecoil as vc
from coreaudio import ROOT

PAGES = sorted((ROOT / "docs" / "reference").glob("*.md"))
NAMED = re.findall(
    r"^\.\. auto(?:class|function):: voicecoil\.(\S+)",
    "\n".join(page.read_text() for page in PAGES),
    re.MULTILINE,
)


@pytest.mark.parametrize("name", sorted(set(vc.__all__) - {"__version__"} - set(vc.errors.__all__)))
def test_every_public_name_is_in_the_reference_once(name: str) -> None:
    assert NAMED.count(name) == 1


@pytest.mark.parametrize("module", ["files", "conversion", "testing"])
def test_every_name_of_a_public_module_is_in_the_reference(module: str) -> None:
    names = {name for name in getattr(vc, module).__all__ if not name.startswith("check_")}
    names -= {"QUALITIES"}
    assert {f"{module}.{name}" for name in names} <= set(NAMED)
