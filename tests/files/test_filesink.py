"""Writing frames into files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from voicecoil.errors import (
    ArgumentError,
    ArgumentTypeError,
    FileAccessError,
    FileFormatError,
    FileIsDirectoryError,
    FileMissingError,
    StreamClosedError,
)
from voicecoil.files import FileSink, open_source


def coded(frames: int, channels: int = 2) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Returns samples with the 16-bit value frame * channels + channel, wrapped."""
    numbers = np.arange(frames * channels).reshape(frames, channels).astype(np.int16)
    return numbers.astype(np.float32) / np.float32(32768)


def sine(frames: int, samplerate: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    time_s = np.arange(frames) / samplerate
    tones = [0.4 * np.sin(2 * np.pi * hz * time_s) for hz in (440, 550)]
    return np.stack(tones, axis=1).astype(np.float32)


def make(path: Path, frames: Any, samplerate: int = 48000, subtype: str | None = None) -> Path:
    with FileSink(path, samplerate, frames.shape[1], subtype) as sink:
        sink.write(frames)
    return path


@pytest.mark.parametrize(
    ("name", "subtype"),
    [
        ("a.WAV", "FLOAT"),
        ("a.aif", "PCM_24"),
        ("a.flac", "PCM_24"),
        ("a.oga", "VORBIS"),
        ("a.opus", "OPUS"),
        ("a.mp3", "MPEG_LAYER_III"),
        ("a.caf", "FLOAT"),
    ],
)
def test_default_subtypes(tmp_path: Path, name: str, subtype: str) -> None:
    assert open_source(make(tmp_path / name, sine(5000, 48000))).subtype == subtype


def test_a_float_wav_keeps_every_bit(tmp_path: Path) -> None:
    bits = np.random.default_rng(2).integers(0, 2**32, (5000, 3), dtype=np.uint32)
    got = open_source(make(tmp_path / "a.wav", bits.view(np.float32))).read(5000)
    assert np.array_equal(got.view(np.uint32), bits)


def test_integer_files_clip_and_silence_nan(tmp_path: Path) -> None:
    frames = np.array([[np.nan], [np.inf], [-np.inf], [3.0], [-3.0]], np.float32)
    got = open_source(make(tmp_path / "a.wav", frames, subtype="pcm_16")).read(9)[:, 0]
    assert got.tolist() == [0.0, 32767 / 32768, -1.0, 32767 / 32768, -1.0]


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (("a.xyz", 48000, 2), FileFormatError, r"'\.xyz'.*\.wav, \.aiff"),
        (("a", 48000, 2), FileFormatError, "no extension"),
        (("a.wav", 48000, 2, "VORBIS"), FileFormatError, "Possible for WAV are .*PCM_16"),
        (("a.wav", 48000, 2, 16), ArgumentTypeError, "subtype"),
        (("a.ogg", 48000, 256), FileFormatError, "at most 255"),
        (("a.flac", 48000, 9), FileFormatError, "at most 8"),
        (("a.mp3", 48000, 3), FileFormatError, "at most 2"),
        (("a.mp3", 96000, 2), FileFormatError, "has only 8000"),
        (("a.opus", 44100, 2), FileFormatError, "48000"),
        (("a.flac", 768000, 2), FileFormatError, "655350"),
        (("a.wav", 48000, 0), ArgumentError, "channels is 0"),
        (("a.wav", 48000, 10**9), ArgumentError, "1024"),
        (("a.wav", -1, 2), ArgumentError, "samplerate"),
        (("no/such/folder.wav", 48000, 2), FileMissingError, "folder.wav"),
        ((".", 48000, 2), FileFormatError, "no extension"),
    ],
)
def test_impossible_sinks_are_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: Any,
    error: type[Exception],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=words):
        FileSink(*arguments)
    assert not list(tmp_path.iterdir())


def test_a_directory_is_no_sink(tmp_path: Path) -> None:
    (tmp_path / "a.wav").mkdir()
    with pytest.raises(FileIsDirectoryError):
        FileSink(tmp_path / "a.wav", 48000, 2)


def test_bad_frames_for_a_sink(tmp_path: Path) -> None:
    sink = FileSink(tmp_path / "a.wav", 48000, 2)
    no_frames: list[Any] = [[[0.0, 0.0]], np.zeros((3, 2), np.int16), np.zeros((3, 2), complex)]
    for bad in no_frames:
        with pytest.raises(ArgumentTypeError, match="float32"):
            sink.write(bad)
    for shape in ((3,), (3, 3), (3, 2, 1)):
        with pytest.raises(ArgumentError, match="shape"):
            sink.write(np.zeros(shape, np.float32))
    sink.write(coded(7))
    assert sink.frames == 7
    sink.close()
    sink.close()
    with pytest.raises(StreamClosedError):
        sink.write(coded(7))


def test_a_sink_says_when_its_format_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FileSink(tmp_path / "a.wav", 48000, 2) as sink:
        monkeypatch.setattr(sink, "_max_frames", 10)
        sink.write(coded(7))
        with pytest.raises(FileFormatError, match=r"7 frames.*\.w64"):
            sink.write(coded(4))
    assert open_source(tmp_path / "a.wav").frames == 7


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="has no /dev/full")
def test_a_full_disk_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.wav").symlink_to("/dev/full")
    with (
        pytest.raises((FileAccessError, FileFormatError), match=r"a\.wav"),
        FileSink(tmp_path / "a.wav", 48000, 2) as sink,
    ):
        sink.write(coded(100_000))


def test_an_existing_file_stays_until_the_first_frame(tmp_path: Path) -> None:
    path = make(tmp_path / "a.wav", coded(7))
    before = path.read_bytes()
    sink = FileSink(path, 8000, 1)
    assert path.read_bytes() == before
    sink.discard()
    assert path.read_bytes() == before
    FileSink(path, 8000, 1).close()
    with pytest.raises(FileFormatError, match="a WAV file with 0 frames"):
        open_source(path)
    FileSink(tmp_path / "new.wav", 8000, 1).discard()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["a.wav", "a.flac"])
def test_a_whole_sink_replaces_the_file_at_its_end(tmp_path: Path, name: str) -> None:
    path = make(tmp_path / name, coded(7))
    path.chmod(0o640)
    link = tmp_path / f"link{path.suffix}"
    link.symlink_to(path)
    before = path.read_bytes()

    def write(frames: int, target: Path, fails: bool) -> None:
        with FileSink(target, 8000, 2, whole=True) as sink:
            sink.write(coded(frames))
            assert path.read_bytes() == before
            if fails:
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write(20_000, path, fails=True)
    with pytest.raises(ZeroDivisionError):
        write(20_000, tmp_path / "new.wav", fails=True)
    assert path.read_bytes() == before
    write(20_000, link, fails=False)
    assert open_source(path).frames == 20_000
    assert path.stat().st_mode & 0o777 == 0o640
    assert set(tmp_path.iterdir()) == {path, link}
    assert link.is_symlink()


KILLED = """
import os, sys
import numpy as np
from voicecoil.files import FileSink
sink = FileSink(sys.argv[1], 8000, 1)
for _ in range(20):
    sink.write(np.full((1000, 1), 0.5, np.float32))
os._exit(0)
"""


@pytest.mark.parametrize("name", ["a.wav", "a.aiff", "a.caf", "a.w64", "a.rf64", "a.au"])
def test_a_killed_process_leaves_a_readable_file(tmp_path: Path, name: str) -> None:
    subprocess.run([sys.executable, "-c", KILLED, tmp_path / name], check=True)
    with open_source(tmp_path / name) as source:
        assert source.frames is not None
        assert source.frames >= 12_000
        assert (source.read(12_000) == 0.5).all()
