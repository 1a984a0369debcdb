"""Sound files for the tests of the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from shells import sine
from voicecoil.files import FileSink


@pytest.fixture
def song(tmp_path: Path) -> Path:
    path = tmp_path / "a song.wav"
    with FileSink(path, 48_000, 2) as sink:
        sink.write(sine(4_800))
    return path


@pytest.fixture
def long_song(tmp_path: Path) -> Path:
    path = tmp_path / "long.flac"
    with FileSink(path, 48_000, 2) as sink:
        sink.write(sine(48_000 * 20))
    return path
