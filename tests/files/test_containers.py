"""Files whose container states another length or content than libsndfile reads."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from reading import read
from voicecoil.errors import (
    FileChangesError,
    FileFormatError,
    FileMissingError,
    FileTruncatedError,
)
from voicecoil.files import FileSource, open_source

RATE = 48_000
Frames = np.ndarray[Any, np.dtype[np.float32]]
KINDS = {
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "flac": ("FLAC", "PCM_16"),
    "wav": ("WAV", "PCM_16"),
    "rf64": ("RF64", "PCM_16"),
    "w64": ("W64", "PCM_16"),
    "aiff": ("AIFF", "PCM_16"),
    "caf": ("CAF", "PCM_16"),
    "au": ("AU", "PCM_16"),
}


def noise(frames: int, seed: int = 1, channels: int = 2) -> Frames:
    return np.random.default_rng(seed).normal(0, 0.1, (frames, channels)).astype(np.float32)


def made(path: Path, frames: Frames, rate: int = RATE, **more: Any) -> bytes:
    """Returns the bytes of a file. The extension of `path` selects the format."""
    format, subtype = KINDS[path.suffix[1:]]
    soundfile.write(path, frames, rate, subtype, format=format, **more)
    return path.read_bytes()


def read_until(source: FileSource, error: type[FileFormatError]) -> tuple[Frames, FileFormatError]:
    blocks = [np.zeros((0, source.channels), np.float32)]
    with pytest.raises(error) as caught:
        while len(block := source.read(5000)):
            blocks.append(block)
    assert type(caught.value) is error
    with pytest.raises(error):
        source.read(1)
    return np.concatenate(blocks), caught.value


def contents(path: Path, data: bytes) -> Frames:
    path.write_bytes(data)
    with open_source(path) as source:
        return read(source)


def info_frame_bytes(data: bytes) -> int:
    """Returns the size of an MP3 file's first frame, which is the one with the length header."""
    return data.index(data[:2], 4)


# ---- concatenated files ------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["ogg", "opus", "mp3"])
def test_joined_files_are_read_as_one(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    pieces = [made(path, noise(frames, frames)) for frames in (30_000, 50_001, 20_000)]
    pieces.append(pieces[0])  # repeats the first file with its serial numbers
    alone = np.concatenate([contents(path, piece) for piece in pieces])
    path.write_bytes(b"".join(pieces))
    with open_source(path) as source:
        assert source.frames == len(alone) == 130_001
        assert np.array_equal(read(source), alone)
        for frame in (0, 29_999, 30_000, 79_000, 80_001, 110_000, 130_000):
            source.seek(frame)
            np.testing.assert_allclose(source.read(3000), alone[frame : frame + 3000], atol=1e-3)
        source.seek(130_001)
        assert len(source.read(10)) == 0


@pytest.mark.skipif(os.name == "nt", reason="renames an open file")
def test_frames_before_a_part_that_cannot_be_opened(tmp_path: Path) -> None:
    """A read first returns the frames before such a part. The next read raises the error. Later
    reads try to open the part again.
    """
    path = tmp_path / "a.ogg"
    pieces = [made(path, noise(frames, frames)) for frames in (30_000, 20_000)]
    alone = np.concatenate([contents(path, piece) for piece in pieces])
    path.write_bytes(b"".join(pieces))
    with open_source(path) as source:
        path.rename(tmp_path / "away")
        assert np.array_equal(source.read(50_000), alone[:30_000])
        for _ in range(2):
            with pytest.raises(FileMissingError):
                source.read(50_000)
        (tmp_path / "away").rename(path)
        assert np.array_equal(source.read(50_000), alone[30_000:])
        assert len(source.read(1)) == 0


def test_joined_mp3_with_tags_between(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    first, second = made(path, noise(30_000, 1)), made(path, noise(20_000, 2))
    alone = np.concatenate([contents(path, first), contents(path, second)])
    id3v2 = b"ID3\x04\0\0" + bytes([0, 0, 20, 10]) + b"\xff\xfb\x90\x64" * 642 + b"\0\0"
    id3v1 = b"TAG" + b"a title".ljust(125, b"\0")
    path.write_bytes(id3v2 + first + id3v1 + id3v2 + second + id3v1)
    with open_source(path) as source:
        assert source.frames == 50_000
        assert np.array_equal(read(source), alone)


def test_joined_mp3_without_headers_are_read_to_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    first, second = made(path, noise(30_000, 1)), made(path, noise(20_000, 2))
    path.write_bytes(first[info_frame_bytes(first) :] + second[info_frame_bytes(second) :])
    with open_source(path) as source:
        assert 50_000 <= len(read(source)) < 50_000 + 6 * 1152


@pytest.mark.parametrize("ending", ["ogg", "opus", "mp3"])
@pytest.mark.parametrize("other", ["rate", "channels"])
def test_another_rate_or_channels_in_the_middle_is_an_error(
    tmp_path: Path, ending: str, other: str
) -> None:
    path = tmp_path / f"a.{ending}"
    first = made(path, noise(30_000, 1))
    if other == "rate" and ending != "opus":  # Opus always has 48 kHz
        second = made(path, noise(20_000, 2), 32_000)
    else:
        second = made(path, noise(20_000, 2, channels=1))
    alone = contents(path, first)
    path.write_bytes(first + second + first)
    with open_source(path) as source:
        assert source.frames == 30_000
        got, error = read_until(source, FileChangesError)
        assert np.array_equal(got, alone)
        assert "32000 Hz and 2" in str(error) or "48000 Hz and 1" in str(error)


@pytest.mark.skipif(os.name == "nt", reason="an open file cannot be removed there")
@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "mp3"])
def test_a_file_that_is_removed_while_it_is_read(tmp_path: Path, ending: str) -> None:
    """The file can still be read to its end. A program may play a temporary file and remove it."""
    path = tmp_path / f"a.{ending}"
    soundfile.write(path, np.full((5000, 1), 0.5), 48_000)
    with open_source(path) as source:
        path.unlink()
        whole = source.read(10_000)
        assert len(whole) >= 5000
        assert len(source.read(10)) == 0
        source.seek(1000)
        assert len(source.read(10_000)) == len(whole) - 1000


def test_joined_flac_is_read_as_one(tmp_path: Path) -> None:
    """The second stream is found at the end of the first one, and only then counts in `frames`."""
    path = tmp_path / "a.flac"
    pieces = [made(path, noise(frames, frames)) for frames in (30_000, 50_001)]
    pieces.append(pieces[0])
    alone = np.concatenate([contents(path, piece) for piece in pieces])
    path.write_bytes(b"".join(pieces))
    with open_source(path) as source:
        assert source.frames == 30_000
        assert np.array_equal(read(source), alone)
        assert source.frames == len(alone) == 110_001
        for frame in (0, 29_999, 30_000, 79_000, 80_001, 110_000):
            source.seek(frame)
            assert np.array_equal(source.read(3000), alone[frame : frame + 3000])
        source.seek(20_000)
        assert np.array_equal(read(source), alone[20_000:])
    for frame in (29_000, 15_000, 10):
        with open_source(path) as source:
            source.seek(frame)
            assert np.array_equal(source.read(200_000), alone[frame:])


def test_joined_flac_with_another_rate_or_damage(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    first, other = made(path, noise(30_000, 1)), made(path, noise(10_000), 44_100)
    damaged = first[: len(first) // 3] + bytes(len(first) // 3) + first[-len(first) // 3 :]
    for second, error, words in [
        (other, FileChangesError, "44100 Hz"),
        (first[:60], FileChangesError, "cannot be decoded"),
        (first[: len(first) // 2], FileTruncatedError, "stopped there of 30000"),
        (damaged, FileTruncatedError, "stopped there of 30000"),
    ]:
        path.write_bytes(first + second)
        with open_source(path) as source:
            got, told = read_until(source, error)
            assert len(got) >= 30_000
            assert words in str(told)


def test_a_chain_of_many_links(tmp_path: Path) -> None:
    path = tmp_path / "a.ogg"
    data = made(path, noise(1000))
    path.write_bytes(data * 150)
    with open_source(path) as source:
        assert source.frames is None
        assert len(read(source)) == 150_000
        source.seek(149_500)
        assert len(read(source)) == 500


# ---- MP3 and its headers -----------------------------------------------------------------------


@pytest.fixture(params=["CONSTANT", "VARIABLE"])
def mp3(request: pytest.FixtureRequest, tmp_path: Path) -> bytes:
    sound = np.concatenate([np.zeros((30_000, 2), np.float32), noise(70_000)])
    return made(tmp_path / "made.mp3", sound, bitrate_mode=request.param)


def with_header(data: bytes, flags: int, *fields: int) -> bytes:
    at = max(data.find(b"Xing"), data.find(b"Info")) + 4
    new = struct.pack(f">{1 + len(fields)}I", flags, *fields)
    rest = bytes(info_frame_bytes(data) - at - len(new))
    return data[:at] + new + rest + data[info_frame_bytes(data) :]


@pytest.mark.parametrize(
    "header",
    [(0,), (1, 5), (1, 0), (2, 500), (3, 5, 1000)],
    ids=["no count", "count 5", "count 0", "only a size", "both wrong"],
)
def test_a_wrong_count_in_an_mp3_header_loses_nothing(
    tmp_path: Path, mp3: bytes, header: tuple[int, ...]
) -> None:
    path = tmp_path / "a.mp3"
    path.write_bytes(with_header(mp3, *header))
    with open_source(path) as source:
        got = read(source)
        assert 100_000 <= len(got) == source.frames < 100_000 + 4 * 1152


def test_an_mp3_header_that_counts_itself_is_not_truncated(tmp_path: Path, mp3: bytes) -> None:
    at = max(mp3.find(b"Xing"), mp3.find(b"Info")) + 8
    count = int.from_bytes(mp3[at : at + 4], "big") + 1
    path = tmp_path / "a.mp3"
    alone = contents(path, mp3)
    path.write_bytes(mp3[:at] + count.to_bytes(4, "big") + mp3[at + 4 :])
    with open_source(path) as source:
        assert np.array_equal(read(source), alone)


@pytest.mark.parametrize("word", [b"Xing", b"Info", b"VBRI"])
def test_a_header_name_elsewhere_in_an_mp3(tmp_path: Path, mp3: bytes, word: bytes) -> None:
    body = mp3[info_frame_bytes(mp3) :]
    text = b"TIT2" + struct.pack(">I", len(word) + 1) + b"\0\0\0" + word
    tag = b"ID3\x04\0\0\0\0\0" + bytes([len(text)]) + text
    plain = contents(tmp_path / "plain.mp3", body)
    assert np.array_equal(contents(tmp_path / "a.mp3", tag + body), plain)
    # The word is 36 bytes after the beginning of the second frame. In the first frame, the name of
    # a length header has this position.
    middle = body[:900] + word + body[904:]
    assert len(contents(tmp_path / "b.mp3", middle)) == len(plain) >= 100_000


@pytest.mark.parametrize("header", [True, False])
def test_damage_in_the_middle_of_an_mp3_is_an_error(
    tmp_path: Path, mp3: bytes, header: bool
) -> None:
    data = bytearray(mp3 if header else mp3[info_frame_bytes(mp3) :])
    whole = contents(tmp_path / "whole.mp3", bytes(data))
    damaged = len(data) // 2
    data[damaged : damaged + 5000] = np.random.default_rng(1).bytes(5000)
    path = tmp_path / "a.mp3"
    path.write_bytes(data)
    with open_source(path) as source:
        got, error = read_until(source, FileTruncatedError)
    assert len(whole) - 60_000 < len(got) < len(whole)
    assert "MPEG frames" in str(error) or "damaged at byte" in str(error)


def mp3_in_wav(data: bytes) -> bytes:
    form = struct.pack("<HHIIHHHHIHHH", 0x55, 2, RATE, 16_000, 1, 0, 12, 1, 2, 384, 1, 1393)
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form
    body += b"fact" + struct.pack("<II", 4, 100_000) + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize("header", [True, False])
def test_mp3_in_wav(tmp_path: Path, mp3: bytes, header: bool) -> None:
    data = mp3 if header else mp3[info_frame_bytes(mp3) :]
    alone = contents(tmp_path / "a.mp3", data)
    path = tmp_path / "a.wav"
    path.write_bytes(mp3_in_wav(data))
    with open_source(path) as source:
        assert (source.format, source.subtype) == ("WAV", "MPEG_LAYER_III")
        assert np.array_equal(read(source), alone)
    path.write_bytes(mp3_in_wav(data)[: -len(data) // 2])
    with open_source(path) as source:
        got, _ = read_until(source, FileTruncatedError)
    assert 30_000 < len(got) < 80_000


# ---- sizes in headers --------------------------------------------------------------------------


@pytest.mark.parametrize("frames", [2000, 200_000])
def test_an_ogg_file_is_truncated_at_every_cut(tmp_path: Path, frames: int) -> None:
    path = tmp_path / "a.ogg"
    data = made(path, noise(frames))
    last_page = data.rindex(b"OggS")
    assert len(contents(path, data)) == frames
    cuts = {*range(last_page + 1, len(data), 1 + (len(data) - last_page) // 40), len(data) - 1}
    for cut in sorted({last_page, *cuts}):
        path.write_bytes(data[:cut])
        try:
            with open_source(path) as source, pytest.raises(FileTruncatedError, match="Ogg page"):
                read(source)
        except FileFormatError as error:
            assert "Ogg page" in str(error)  # noqa: PT017 - there was no frame in it


def test_bytes_behind_an_ogg_file_are_ignored(tmp_path: Path) -> None:
    path = tmp_path / "a.ogg"
    data = made(path, noise(2000))
    assert len(contents(path, data + b"TAG" + bytes(125))) == 2000


def sizes_at(data: bytes, ending: str) -> Iterator[tuple[int, int]]:
    """Yields the offset and the width of two fields of a header. They have the size of the audio
    data and the size of the whole file.
    """
    if ending == "rf64":
        yield from ((data.index(b"ds64") + 8, 8), (data.index(b"ds64") + 16, 8))
    elif ending == "w64":
        yield from ((data.index(b"data\xf3\xac") + 16, 8), (16, 8))
    else:
        yield from ((data.index(b"data") + 4, 4), (4, 4))


@pytest.mark.parametrize("ending", ["wav", "rf64", "w64"])
@pytest.mark.parametrize("which", ["audio", "both"])
def test_a_size_of_0_from_a_recorder_that_crashed(tmp_path: Path, ending: str, which: str) -> None:
    path = tmp_path / f"a.{ending}"
    sound = noise(3000)
    data = bytearray(made(path, sound))
    whole = contents(path, bytes(data))
    for offset, width in list(sizes_at(bytes(data), ending))[: 2 if which == "both" else 1]:
        data[offset : offset + width] = bytes(width)
    assert np.array_equal(contents(path, bytes(data)), whole)


def test_an_empty_wav_with_a_chunk_behind_its_audio_has_no_frames(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    data = made(path, noise(0)) + b"LIST" + struct.pack("<I", 8) + b"INFOabcd"
    path.write_bytes(data)
    with pytest.raises(FileFormatError, match="0 frames"):
        open_source(path)


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFF000, 16, 0])
def test_a_wav_of_more_than_4_gib(tmp_path: Path, size: int) -> None:
    path = tmp_path / "a.wav"
    head = bytearray(made(path, noise(0)))
    at = head.index(b"data") + 4
    head[at : at + 4] = size.to_bytes(4, "little")
    frames = 2**30 + 4
    with path.open("wb") as file:  # a sparse file, which takes no room on the disk
        file.write(head)
        file.seek(len(head) + (frames - 100) * 4)
        file.write(np.arange(200, dtype="<i2").tobytes())
    with open_source(path) as source:
        assert (source.frames, source.format) == (frames, "WAV")
        source.seek(frames - 100)
        got = read(source) * 32768
        assert np.array_equal(got.astype(int).ravel(), np.arange(200))


@pytest.mark.parametrize("missing", [0, 1000, 11_999])
def test_caf_without_a_size_or_cut(tmp_path: Path, missing: int) -> None:
    path = tmp_path / "a.caf"
    sound = noise(3000)
    data = made(path, sound)
    whole = contents(path, data)
    if not missing:
        at = data.index(b"data") + 4
        data = data[:at] + b"\xff" * 8 + data[at + 8 :]
        assert np.array_equal(contents(path, data), whole)
        return
    path.write_bytes(data[:-missing])
    if 12_000 - missing < 4:
        with pytest.raises(FileFormatError, match="0 frames"):
            open_source(path)
        return
    with open_source(path) as source:
        got, _ = read_until(source, FileTruncatedError)
    assert np.array_equal(got, whole[: (12_000 - missing) // 4])


WORDS = "data : 99999 (should be 1) SSND : 99999 (should be 1) Data Size : 99999 (should be 1)"


@pytest.mark.parametrize("ending", ["wav", "rf64", "w64", "aiff", "caf", "flac", "ogg", "au"])
def test_texts_in_a_file_are_not_taken_for_sizes(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    text = "\n  ".join(["", *WORDS.replace(") ", ")\n").splitlines(), ""])
    format, subtype = KINDS[ending]
    with soundfile.SoundFile(path, "w", RATE, 2, subtype, format=format) as file:
        for name in ("title", "comment", "artist", "software"):
            try:
                setattr(file, name, text)
            except soundfile.SoundFileError:
                break  # This format has no text fields.
        file.write(noise(3000))
    with open_source(path) as source:
        assert len(read(source)) == 3000


@pytest.mark.parametrize("ending", ["wav", "rf64", "w64", "aiff", "caf", "au", "flac"])
@pytest.mark.parametrize("cut", [1, 1000, 5000])
def test_truncation_is_an_error_for_every_format(tmp_path: Path, ending: str, cut: int) -> None:
    path = tmp_path / f"a.{ending}"
    data = made(path, noise(9000))
    path.write_bytes(data[:-cut])
    with open_source(path) as source:
        got, error = read_until(source, FileTruncatedError)
        assert error.frames == len(got) < 9000
