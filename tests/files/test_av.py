"""Files that PyAV decodes, because libsndfile cannot. The tests make them with PyAV."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reading import read
from voicecoil.errors import FileFormatError, FileTruncatedError
from voicecoil.files import open_source

FRAMES = 50_001
# Container and codec -> libav's layout of the samples that the encoder accepts.
LOSSLESS = {("a.m4a", "alac"): "s16p", ("a.wv", "wavpack"): "s16p", ("a.tta", "tta"): "s16"}
LOSSY = [("a.m4a", "aac"), ("a.aac", "aac"), ("a.mka", "aac")]
# Codec in ASF and layout -> the frames that the encoder adds, up to whole periods of the sound.
ASF = {("pcm_s16le", "s16"): 0, ("flac", "s16"): 0, ("wmav2", "fltp"): 352}
FORMATS = {".m4a": "MP4", ".aac": "AAC", ".mka": "MATROSKA", ".wv": "WAVPACK", ".tta": "TTA"}
Frames = np.ndarray[Any, Any]


def library() -> Any:
    return pytest.importorskip("av", reason="NOT TESTED: PyAV is not installed")


def sound(frames: int = FRAMES) -> Frames:
    time = np.arange(frames) / 48_000
    tones = [np.sin(2 * np.pi * hz * time) for hz in (440, 1000)]
    return (np.stack(tones, axis=1) * 10_000).astype(np.int16)


def make(
    path: Path, codec: str, layout: str, frames: Frames, rate: int = 48_000, **options: str
) -> Path:
    av = library()
    if layout == "fltp":
        frames = (frames / 32_768).astype(np.float32)
    channels = {1: "mono", 2: "stereo"}[frames.shape[1]]
    with av.open(str(path), "w", options=options) as file:
        stream = file.add_stream(codec, rate=rate, layout=channels)
        stream.codec_context.format = layout
        if codec.startswith("wma"):
            stream.bit_rate = 128_000  # wmav has no default
        for at in range(0, len(frames), 1000):
            part = frames[at : at + 1000]
            planes = part.T if layout.endswith("p") else part.reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(planes), layout, channels)
            frame.sample_rate, frame.pts = rate, at
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(("name", "codec"), LOSSLESS)
def test_lossless_files_are_read_exactly(tmp_path: Path, name: str, codec: str) -> None:
    path = make(tmp_path / name, codec, LOSSLESS[name, codec], sound())
    whole = sound() / np.float32(32_768)
    with open_source(path) as source:
        assert (source.samplerate, source.channels, source.frames) == (48_000, 2, FRAMES)
        assert (source.format, source.subtype) == (FORMATS[path.suffix], codec.upper())
        for size in (5000, 999):
            source.seek(0)
            assert np.array_equal(read(source, size), whole)
        for frame in (40_000, 123, 50_000):
            source.seek(frame)
            assert np.array_equal(source.read(3000), whole[frame : frame + 3000])
        assert len(source.read(1)) == 0


@pytest.mark.parametrize(("name", "codec"), LOSSY)
def test_lossy_files(tmp_path: Path, name: str, codec: str) -> None:
    """MP4 states its length, in milliseconds with some versions of libav. The other two do not."""
    path = make(tmp_path / name, codec, "fltp", sound())
    with open_source(path) as source:
        assert source.frames in ((FRAMES, 50_016) if path.suffix == ".m4a" else (None,))
        whole = read(source)
        # The encoder's delay of 1,024 frames is removed, if the file states it. ADTS does not, and
        # older versions of libav do not write it into Matroska.
        delay = 0 if path.suffix == ".m4a" else len(whole) // 1024 * 1024 - 49 * 1024
        assert delay in ((1024,) if path.suffix == ".aac" else (0, 1024))
        got = whole[delay : delay + FRAMES]
        assert len(got) == FRAMES
        assert source.frames in (None, len(whole))
        # A shift of one frame would be an error of 0.012.
        assert np.std((got - sound() / 32_768)[2000:-2000]) < 0.01
        for frame in (40_000, 123, 20_000):
            source.seek(frame)
            # The decoder fills some bands with random noise.
            np.testing.assert_allclose(source.read(3000), whole[frame : frame + 3000], atol=1e-4)


@pytest.mark.parametrize(("codec", "layout"), ASF)
def test_asf_files(tmp_path: Path, codec: str, layout: str) -> None:
    """ASF states its length in milliseconds. libav's encoder of WMA drops the last frames."""
    path = make(tmp_path / "a.wma", codec, layout, sound())
    delay = ASF[codec, layout]
    with open_source(path) as source:
        assert (source.samplerate, source.channels) == (48_000, 2)
        assert (source.format, source.subtype) == ("ASF", codec.upper())
        assert source.frames is not None
        assert abs(source.frames - FRAMES) <= 1_300
        whole = read(source)
        assert source.frames == len(whole) == (49_152 if codec == "wmav2" else FRAMES)
        error = whole[delay : delay + 45_000] - sound()[:45_000] / np.float32(32_768)
        # A shift of one frame would be an error of 0.012.
        assert np.std(error[4000:]) < 0.002 if delay else not error.any()
        for frame in (40_000, 123, 20_000):
            source.seek(frame)
            np.testing.assert_allclose(source.read(3000), whole[frame : frame + 3000], atol=1e-6)


@pytest.mark.parametrize(
    ("name", "codec", "layout"),
    [("a.wma", "pcm_s16le", "s16"), ("a.wma", "wmav2", "fltp"), ("a.mka", "flac", "s16")],
)
@pytest.mark.parametrize("kept", [0.6, 0.98])
def test_cut_asf_and_matroska_files(
    tmp_path: Path, name: str, codec: str, layout: str, kept: float
) -> None:
    """libav ends without an error at most cuts."""
    path = make(tmp_path / name, codec, layout, sound())
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    with open_source(path) as source, pytest.raises(FileTruncatedError, match="is truncated"):
        read(source)


def test_matroska_of_a_live_recording_is_not_called_cut(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mka", "flac", "s16", sound(), live="1")
    with open_source(path) as source:
        assert np.array_equal(read(source), sound() / np.float32(32_768))


def test_a_cut_file_is_reported(tmp_path: Path) -> None:
    path = make(tmp_path / "a.m4a", "aac", "fltp", sound(), movflags="faststart")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    with (
        open_source(path) as source,
        pytest.raises(FileTruncatedError, match=r"stopped there of 500(01|16)"),
    ):
        read(source)
    path.write_bytes(data[:100])  # the table of packets is cut
    with pytest.raises(FileFormatError, match="damaged at its start"):
        open_source(path)


def test_parts_with_another_rate_and_other_channels_are_converted(tmp_path: Path) -> None:
    first = make(tmp_path / "a.aac", "aac", "fltp", sound())
    second = make(tmp_path / "b.aac", "aac", "fltp", sound(22_050)[:, :1], 44_100)
    joined = tmp_path / "joined.aac"
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    lengths = []
    for path in (first, second, joined):
        with open_source(path) as source:
            lengths.append(len(read(source)))
    assert lengths[2] - lengths[0] == pytest.approx(lengths[1] * 48_000 / 44_100, abs=1500)


def test_a_film_without_sound(tmp_path: Path) -> None:
    av = library()
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 32
        file.mux(stream.encode(av.VideoFrame(32, 32, "yuv420p")))
        file.mux(stream.encode(None))
    with pytest.raises(FileFormatError, match="it has no audio"):
        open_source(path)


def test_a_playlist_is_not_followed(tmp_path: Path) -> None:
    """libav itself would open the other file."""
    make(tmp_path / "a.m4a", "aac", "fltp", sound())
    path = tmp_path / "list.m4a"
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\na.m4a\n#EXT-X-ENDLIST\n")
    with pytest.raises(FileFormatError, match="it is not audio"):
        open_source(path)


def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    for name, data in [("MP4", b"\0\0\0\x20ftypM4A "), ("AAC", b"\xff\xf1\x50\x80")]:
        path = tmp_path / "a.m4a"
        path.write_bytes(data + bytes(100))
        with pytest.raises(FileFormatError, match=rf'{name}, .*pip install "voicecoil\[av\]"'):
            open_source(path)
