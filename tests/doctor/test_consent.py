"""The consent to use the microphone, with a stand-in for the frameworks of a Mac."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

import pytest

from compiler import shared_library
from coreaudio import Worlds
from voicecoil.doctor import consent
from voicecoil.doctor.finding import Subject


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared_library("doctor/consent_stand_in.c", tmp_path_factory.mktemp("consent"))


ANSWERS = [
    (0, "not asked", "skipped"),
    (1, "restricted", "warning"),
    (2, "denied", "warning"),
    (3, "granted", "ok"),
    (4, "status 4", "skipped"),
    (-1, None, "ok"),
]


@pytest.mark.parametrize(("status", "told", "verdict"), ANSWERS)
def test_the_consent_is_read(
    coreaudio: Worlds, stand_in: Path, status: int, told: str | None, verdict: str
) -> None:
    library = ctypes.CDLL(str(stand_in))
    ctypes.c_long.in_dll(library, "stand_in_status").value = status
    assert consent.microphone_consent([str(stand_in)]) == told
    found = consent.judge(Subject(coreaudio(3).driver, None, None, 1.0), [str(stand_in)])
    assert (found.test, found.verdict) == ("consent", verdict)
    assert (told or "needs no consent") in found.text
    assert ("System Settings, Privacy & Security, Microphone" in found.text) is (
        verdict == "warning"
    )
    assert ctypes.c_int.in_dll(library, "stand_in_pools").value == 0


def test_a_consent_that_cannot_be_read_is_told(coreaudio: Worlds, tmp_path: Path) -> None:
    found = consent.judge(Subject(coreaudio(3).driver, None, None, 1.0), [str(tmp_path / "none")])
    assert found.verdict == "skipped"
    assert "cannot be read" in found.text


@pytest.mark.skipif(sys.platform == "darwin", reason="there, it is read for the real CoreAudio")
def test_other_systems_have_no_consent_of_macos(coreaudio: Worlds) -> None:
    assert consent.consent(Subject(coreaudio(3).driver, None, None, 1.0)) == []
