"""A path means the same file as it does for Python's `open`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from programs import environment
from voicecoil.errors import FileMissingError
from voicecoil.files import FileSink, open_source

SOUND = np.full((100, 1), 0.5, np.float32)


def test_a_relative_path_stays_the_same_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tmp_path / "there"
    there.mkdir()
    monkeypatch.chdir(tmp_path)
    sink = FileSink("a.wav", 48_000, 1)
    monkeypatch.chdir(there)
    sink.write(SOUND)
    sink.close()
    assert not list(there.iterdir())
    monkeypatch.chdir(tmp_path)
    data = Path("a.wav").read_bytes()
    Path("b.flac").write_bytes(b"")
    with FileSink("b.flac", 48_000, 1) as sink:
        sink.write(np.zeros((50_000, 1), np.float32))
    source = open_source(Path("a.wav"))
    cut = open_source("b.flac")
    monkeypatch.chdir(there)
    assert source.path == str(tmp_path / "a.wav")
    assert np.array_equal(source.read(200), SOUND)
    cut.seek(40_000)
    cut.close()
    source.close()
    assert (tmp_path / "a.wav").read_bytes() == data


@pytest.mark.parametrize("kind", [str, Path])
def test_a_tilde_is_an_ordinary_character(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[str] | type[Path]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    Path("~").mkdir()
    with FileSink(kind("~/a.wav"), 48_000, 1) as sink:
        sink.write(SOUND)
    assert (tmp_path / "~" / "a.wav").exists()
    with open_source(kind("~/a.wav")) as source:
        assert source.frames == 100


GONE = """
import os, sys, tempfile
import voicecoil as vc
from voicecoil.files import FileSink, open_source
folder = tempfile.mkdtemp()
os.chdir(folder)
os.rmdir(folder)
for call in (lambda: open_source("a.wav"), lambda: FileSink("a.wav", 48000, 1),
             lambda: vc.play("a.wav", driver="virtual")):
    try:
        call()
    except vc.errors.FileMissingError as error:
        assert "working directory does not exist" in str(error), error
    else:
        raise AssertionError
try:
    open_source("/nowhere/a.wav")
except vc.errors.FileMissingError as error:
    assert "No such file" in str(error)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps a working directory")
def test_a_working_directory_that_was_deleted() -> None:
    subprocess.run([sys.executable, "-c", GONE], env=environment(), check=True, timeout=60)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux takes any bytes as a name")
@pytest.mark.parametrize("ending", ["wav", "mp3", "ogg"])
def test_a_name_that_is_not_utf_8_is_read(tmp_path: Path, ending: str) -> None:
    with FileSink(tmp_path / f"a.{ending}", 48_000, 1) as sink:
        sink.write(SOUND)
    name = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe." + ending.encode())
    os.rename(tmp_path / f"a.{ending}", name)
    with open_source(name) as source:
        assert len(source.read(1000)) == 100


def test_a_directory_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (".", "./", ".."):
        with pytest.raises(IsADirectoryError, match="it is a directory"):
            open_source(name)
    with pytest.raises(FileMissingError, match="Check the name"):
        open_source("nowhere.wav")
