"""Files as sources of frames."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from voicecoil.errors import (
    ArgumentError,
    ArgumentTypeError,
    FileFormatError,
    FileIsDirectoryError,
    FileMissingError,
    FilePermissionError,
    FileTruncatedError,
    StreamClosedError,
)
from voicecoil.files import FileSink, FileSource, open_source

LOSSLESS = [
    ("a.wav", "PCM_16"),
    ("a.wav", "PCM_24"),
    ("a.wav", "PCM_32"),
    ("a.wav", "FLOAT"),
    ("a.aiff", "PCM_16"),
    ("a.aiff", "PCM_24"),
    ("a.aifc", "FLOAT"),
    ("a.flac", "PCM_16"),
    ("a.flac", "PCM_24"),
    ("a.caf", "FLOAT"),
    ("a.caf", "PCM_16"),
    ("a.au", "FLOAT"),
    ("a.w64", "FLOAT"),
    ("a.rf64", "FLOAT"),
]
LOSSY = ["a.ogg", "a.opus", "a.mp3"]


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


def cut(path: Path, keep: Callable[[int], int]) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: keep(len(data))])
    return path


def read_until_error(source: FileSource, size: int) -> tuple[int, FileTruncatedError]:
    got = 0
    for _ in range(100_000):
        try:
            block = source.read(size)
        except FileTruncatedError as error:
            return got, error
        assert len(block), "a truncated file ended as if it were whole"
        assert np.isfinite(block).all()
        got += len(block)
    raise AssertionError("no end")


@pytest.mark.parametrize(("name", "subtype"), LOSSLESS)
def test_written_frames_are_read_back(tmp_path: Path, name: str, subtype: str) -> None:
    frames = coded(70_000)
    path = make(tmp_path / name, frames, 44100, subtype)
    with open_source(path) as source:
        assert (source.samplerate, source.channels, source.frames) == (44100, 2, 70_000)
        assert source.subtype == subtype
        assert source.path == str(path)
        got = source.read(70_000)
        assert got.dtype == np.float32
        assert np.array_equal(got, frames)
        assert source.read(1).shape == (0, 2)
        source.seek(12_345)
        assert np.array_equal(source.read(10), frames[12_345:12_355])
        source.seek(70_000)
        assert len(source.read(5)) == 0
    assert name.rsplit(".", 1)[1][:2] in repr(source)


@pytest.mark.parametrize("name", LOSSY)
def test_lossy_files_have_the_length_and_the_sound(tmp_path: Path, name: str) -> None:
    frames = sine(400_000, 48000)
    with open_source(make(tmp_path / name, frames)) as source:
        assert source.frames == 400_000
        whole = source.read(500_000)
        assert whole.shape == frames.shape
        assert np.abs(whole - frames)[3000:-3000].max() < 0.05
        for frame in (30_000, 150_000, 137_856, 370_001, 7, 399_999):
            source.seek(frame)
            got = source.read(1000)
            np.testing.assert_allclose(got, whole[frame : frame + 1000], atol=1e-3)
        assert len(source.read(1)) == 0


@settings(
    deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    name=st.sampled_from(["a.wav", "a.flac", "a.ogg", "a.mp3"]),
    sizes=st.lists(st.integers(1, 9000), min_size=1, max_size=5),
)
def test_any_blocks_equal_the_whole(tmp_path: Path, name: str, sizes: list[int]) -> None:
    path = tmp_path / name
    if not path.exists():
        make(path, sine(20_000, 48000))
    with open_source(path) as source:
        whole = source.read(100_000)
    assert len(whole) == 20_000
    blocks = []
    with open_source(path) as source:
        for turn in range(100_000):
            block = source.read(sizes[turn % len(sizes)])
            if not len(block):
                break
            blocks.append(block)
    assert all(len(b) == sizes[i % len(sizes)] for i, b in enumerate(blocks[:-1]))
    assert np.array_equal(np.concatenate(blocks), whole)


def test_a_huge_request_allocates_only_the_existing_frames(tmp_path: Path) -> None:
    with open_source(make(tmp_path / "a.wav", coded(10))) as source:
        assert len(source.read(10**15)) == 10


def test_unicode_and_wrong_names(tmp_path: Path) -> None:
    path = make(tmp_path / "Ärger über 音.wav", coded(10))
    wrong = path.rename(tmp_path / "really.mp3")
    with open_source(wrong) as source:
        assert source.format == "WAV"


@pytest.mark.parametrize("name", ["a.wav", "a.aiff", "a.w64", "a.rf64", "a.au", "a.flac", "a.mp3"])
@pytest.mark.parametrize("size", [1000, 4096, 200_000])
def test_truncated_files_give_their_frames_and_an_error(
    tmp_path: Path, name: str, size: int
) -> None:
    frames = sine(100_000, 48000)
    whole = open_source(make(tmp_path / name, frames)).read(200_000)
    path = cut(tmp_path / name, lambda length: length * 2 // 3 - 1)
    with open_source(path) as source:
        got, error = read_until_error(source, size)
        assert 55_000 < got < 70_000
        assert error.frames == got
        assert "truncated" in str(error)
        with pytest.raises(FileTruncatedError):
            source.read(size)
        source.seek(0)
        again = np.concatenate([source.read(10_000) for _ in range(5)])
        np.testing.assert_allclose(again, whole[:50_000], atol=1e-4)
        assert read_until_error(source, size)[0] + 50_000 == got


@pytest.mark.parametrize("size", [1000, 4096, 200_000])
def test_every_whole_frame_of_a_cut_flac_comes(tmp_path: Path, size: int) -> None:
    frames = coded(100_000)
    path = cut(make(tmp_path / "a.flac", frames), lambda length: length // 2)
    with open_source(path) as source:
        blocks = []
        with pytest.raises(FileTruncatedError) as caught:
            while True:
                blocks.append(source.read(size))
    got = np.concatenate(blocks)
    assert caught.value.frames == len(got) > 4096
    assert np.array_equal(got, frames[: len(got)])


def test_truncated_ogg(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, (300_000, 2)).astype(np.float32)
    path = cut(make(tmp_path / "a.ogg", noise), lambda length: length // 2)
    with open_source(path) as source:
        got, error = read_until_error(source, 4096)
    assert 0 < got == source.frames
    assert "Ogg page" in str(error)


def test_one_missing_byte_costs_one_frame(tmp_path: Path) -> None:
    path = cut(make(tmp_path / "a.wav", coded(1000), subtype="PCM_16"), lambda length: length - 1)
    with open_source(path) as source:
        assert np.array_equal(source.read(2000), coded(999))
        with pytest.raises(FileTruncatedError, match="999 whole frames"):
            source.read(1)


@pytest.mark.parametrize("length", [0x7FFFFFFF, 0xFFFFFFFF, 0x80000000, 0xFFFFFFFC])
def test_a_wav_written_to_a_pipe_is_whole(tmp_path: Path, length: int) -> None:
    path = make(tmp_path / "a.wav", coded(1000), subtype="PCM_16")
    data = bytearray(path.read_bytes())
    where = data.index(b"data") + 4
    data[where : where + 4] = length.to_bytes(4, "little")
    path.write_bytes(data)
    with open_source(path) as source:
        assert np.array_equal(source.read(2000), coded(1000))
        assert len(source.read(1)) == 0


def test_an_mp3_without_length_is_read_to_its_end(tmp_path: Path) -> None:
    # The file begins with silence. Its low bit rate makes an estimate of the length wrong by a
    # large factor.
    frames = np.concatenate([np.zeros((48_000, 2), np.float32), sine(144_000, 48000)])
    path = make(tmp_path / "a.mp3", frames)
    data = path.read_bytes()
    second_frame = data.index(data[:2], 100)
    path.write_bytes(data[second_frame:])
    with open_source(path) as source:
        assert source.frames is None
        whole = source.read(10**6)
        assert 192_000 <= len(whole) < 192_000 + 4 * 1152
        assert len(source.read(1)) == 0
        source.seek(100_000)
        np.testing.assert_allclose(source.read(1000), whole[100_000:101_000], atol=1e-3)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"hello, this is text\n" * 100, "not audio"),
        (b"RIFF", "not audio"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "not audio"),
        (b"ID3", "not audio"),
        (bytes(5000), "not audio"),
        (b"OggS" + bytes(100), "not audio"),
    ],
)
@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a.raw", "a"])
def test_not_audio(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=f"{name}.*{words}.*Possible are WAV") as caught:
        open_source(path)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.aiff"])
def test_a_file_without_frames(tmp_path: Path, name: str) -> None:
    FileSink(tmp_path / name, 48000, 1).close()
    with pytest.raises(FileFormatError):
        open_source(tmp_path / name)


@pytest.mark.parametrize("rate", [1, 99, 1_536_001, 2_000_000_000])
def test_a_file_with_an_impossible_rate(tmp_path: Path, rate: int) -> None:
    path = make(tmp_path / "a.wav", coded(1000))
    data = bytearray(path.read_bytes())
    at = data.index(b"fmt ") + 12
    data[at : at + 4] = rate.to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(FileFormatError, match=f"{rate} Hz; possible is 100 to 1536000"):
        open_source(path)


def test_a_file_of_more_samples_per_second_than_can_be_played(tmp_path: Path) -> None:
    path = make(tmp_path / "a.wav", coded(100, 1024), 96_000)
    assert open_source(path).channels == 1024
    make(path, coded(100, 1024), 192_000)
    with pytest.raises(FileFormatError, match="1024 channels at 192000 Hz"):
        open_source(path)


@pytest.mark.skipif(sys.platform != "linux", reason="the list of descriptors is Linux's")
@pytest.mark.parametrize("name", ["a.wav", "a.mp3"])
def test_a_source_that_is_dropped_closes_its_file(tmp_path: Path, name: str) -> None:
    path = make(tmp_path / name, sine(3000, 48000))
    if name == "a.mp3":
        path.write_bytes(2 * path.read_bytes())  # such files are read through a virtual file
    open_source(path).close()
    before = os.listdir("/proc/self/fd")
    for _ in range(5):
        open_source(path).read(10)
    with pytest.raises(FileFormatError):
        open_source(make_text(tmp_path / "b.wav"))
    gc.collect()
    assert os.listdir("/proc/self/fd") == before


def make_text(path: Path) -> Path:
    path.write_text("no audio")
    return path


def test_paths_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileMissingError, match=r"nothing\.wav") as missing:
        open_source(tmp_path / "nothing.wav")
    assert isinstance(missing.value, FileNotFoundError)
    assert missing.value.errno is not None
    with pytest.raises(FileIsDirectoryError, match="directory") as directory:
        open_source(tmp_path)
    assert isinstance(directory.value, IsADirectoryError)
    no_paths: list[Any] = [3, None, b"a.wav"]
    for no_path in no_paths:
        with pytest.raises(ArgumentTypeError, match="path is of type"):
            open_source(no_path)
    for bad in ("", "a\0b"):
        with pytest.raises(ArgumentError, match="path is"):
            open_source(bad)
    os.mkfifo(tmp_path / "pipe.wav")
    with pytest.raises(FileFormatError, match="pipe"):
        open_source(tmp_path / "pipe.wav")
    path = make(tmp_path / "a.wav", coded(3))

    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)  # unlike permissions, this also works for root
    with pytest.raises(FilePermissionError, match="Permission denied") as permission:
        open_source(path)
    assert isinstance(permission.value, PermissionError)
    with pytest.raises(FilePermissionError, match="cannot write"):
        FileSink(path, 48000, 2)


def test_bad_calls_and_closed_sources(tmp_path: Path) -> None:
    source = open_source(make(tmp_path / "a.wav", coded(10)))
    for bad in (0, -1):
        with pytest.raises(ArgumentError, match="max_frames"):
            source.read(bad)
    with pytest.raises(ArgumentTypeError, match="max_frames"):
        source.read(1.5)  # type: ignore[arg-type]
    for bad in (-1, 11):
        with pytest.raises(ArgumentError, match="0 to 10"):
            source.seek(bad)
    source.close()
    source.close()
    with pytest.raises(StreamClosedError):
        source.read(1)
    with pytest.raises(StreamClosedError):
        source.seek(0)


def test_importing_costs_no_numpy() -> None:
    code = (
        "import sys, voicecoil.files, voicecoil.conversion, voicecoil.files.channels;"
        "sys.exit(bool({'numpy', 'soundfile', 'soxr'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
