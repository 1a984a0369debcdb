"""``voicecoil play -`` and ``record -`` with real pipes, and errors as JSON."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import voicecoil as vc
from coded import aligned
from rig import until
from shells import COMMAND, ENV, needs_posix, shell, sine
from voicecoil.cli.app import run
from voicecoil.files import open_source
from voicecoil.files.pipes import wav_source
from voicecoil.sounds.control import can_seek

RATE = 48_000
RAW = ["--raw", "--rate", "8000"]
SCALES = {"int16": 2**15, "int32": 2**31, "uint8": 2**7, "float32": 1}


def piped(data: bytes, *arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    return shell(*arguments, input=data, text=False)  # type: ignore[return-value]


def wav(sound: Any, subtype: str, rate: int = RATE) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, sound, rate, subtype=subtype, format="WAV")
    return file.getvalue()


def heard_in(path: Path) -> Any:
    """Returns what was heard, without the silence while the device waited for the pipe."""
    with open_source(path) as source:
        return aligned(source.read(10**7))


@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE", "PCM_U8", "PCM_16", "PCM_24", "PCM_32"])
def test_play_a_wav_stream(tmp_path: Path, subtype: str) -> None:
    data = wav(sine(3000), subtype)
    heard = tmp_path / "heard.wav"
    done = piped(data, "play", "-", "--heard", heard, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["frames"], told["samplerate"], told["interrupted"]) == (3000, RATE, False)
    wanted = soundfile.read(io.BytesIO(data), dtype="float32")[0]
    assert np.array_equal(heard_in(heard), aligned(wanted))


def test_a_wav_stream_of_unknown_length_ends_with_the_pipe(tmp_path: Path) -> None:
    data = bytearray(wav(sine(3000), "PCM_16"))
    at = data.index(b"data") + 4
    for size in (0, 0x7FFFF000, 0xFFFFFFFF):
        data[at : at + 4] = struct.pack("<I", size)
        heard = tmp_path / f"{size}.wav"
        assert piped(bytes(data), "play", "-", "-q", "--heard", heard).returncode == 0
        assert len(heard_in(heard)) == len(aligned(sine(3000)))


@pytest.mark.parametrize(
    ("size", "known"),
    [
        (0, False),
        (0x7FFFF000, False),  # SoX, espeak
        (0x7FFFF000 // 6 * 6, False),  # SoX, two channels of 24 bits
        (0x7FFFFF00, False),  # arecord
        (0x7FFFFFFF - 36, False),
        (0x80000000, False),
        (0xFFFFFFFF - 36, False),
        (0xFFFFFFFF, False),
        (4, True),
        (0x7FF00000, True),
        (0xC0000000, True),
    ],
)
def test_the_sizes_that_programs_write_to_pipes_are_no_lengths(size: int, known: bool) -> None:
    data = bytearray(wav(sine(1), "PCM_16"))
    at = data.index(b"data") + 4
    data[at : at + 4] = struct.pack("<I", size)
    reader, writer = os.pipe()
    try:
        os.write(writer, data)
        source = wav_source(reader)
        assert source.frames == (size // 4 if known else None)
        assert not can_seek(source)
        with pytest.raises(vc.SeekError):
            source.seek(0)
    finally:
        os.close(reader)
        os.close(writer)


@pytest.mark.parametrize("dtype", SCALES)
@pytest.mark.parametrize("channels", [1, 2])
def test_play_raw_samples(tmp_path: Path, dtype: str, channels: int) -> None:
    samples = np.random.default_rng(1).integers(-100, 100, (2000, channels))
    samples = (samples + (128 if dtype == "uint8" else 0)).astype(dtype)
    heard = tmp_path / "heard.wav"
    options = ["--raw", "--rate", RATE, "--channels", channels, "--dtype", dtype]
    if dtype == "float32":
        samples /= 1000
    done = piped(samples.tobytes(), "play", "-", "-q", *map(str, options), "--heard", heard)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    scaled = (samples - (128.0 if dtype == "uint8" else 0)) / SCALES[dtype]
    wanted = np.broadcast_to(scaled.astype("f4"), (2000, 2))
    assert np.array_equal(heard_in(heard), aligned(wanted))


@pytest.mark.parametrize(
    ("data", "options", "says", "kind"),
    [
        (b"", [], "it is empty", "FileFormatError"),
        (b"fLaC" * 20, [], "not a WAV stream: it begins with b'fLaC'", "FileFormatError"),
        (wav(sine(10), "ULAW"), [], "format 7 of 8 bits", "FileFormatError"),
        (wav(sine(10), "PCM_16")[:30], [], "without samples|damaged", "FileFormatError"),
        (wav(sine(3000), "PCM_16")[:4001], [], "ended after 989 frames", "FileTruncatedError"),
        (
            b"1234567",
            [*RAW, "--channels", "1"],
            "inside",
            "FileTruncatedError",
        ),
        (b"", RAW, "give --rate HZ and --channels N", "ArgumentError"),
        (b"", ["--rate", "8000"], "are for --raw", "ArgumentError"),
        (b"", ["--loops", "2"], "a pipe can be played once", "ArgumentError"),
    ],
)
def test_what_is_not_a_sound_is_one_line_and_json(
    data: bytes, options: list[str], says: str, kind: str
) -> None:
    done = piped(data, "play", "-", "--json", *options)
    code = 2 if kind == "ArgumentError" else 1
    assert done.returncode == code
    error = json.loads(done.stdout)["error"]
    assert (error["type"], error["exit_code"]) == (kind, code)
    assert done.stderr.decode() == f"voicecoil: {error['message']}\n"
    assert re.search(says, error["message"])


def left_in(pipe: Any) -> int:
    """Returns the number of bytes in the pipe that its reader has not taken yet."""
    import fcntl
    import termios

    left = fcntl.ioctl(pipe.fileno(), termios.FIONREAD, b"\0" * 4)
    return int.from_bytes(left, sys.byteorder)


@needs_posix
@pytest.mark.parametrize("frames", [1, 16_000])
def test_ctrl_c_ends_the_wait_for_a_pipe(frames: int) -> None:
    """The pipe stays open and sends nothing more."""
    process = subprocess.Popen(
        [*COMMAND, "play", "-", "--raw", "--rate", "8000", "--channels", "1", "--json"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENV,
    )
    assert process.stdin is not None
    with process:
        process.stdin.write(np.zeros(frames, np.float32).tobytes())
        process.stdin.flush()
        until(lambda: left_in(process.stdin) == 0)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        process.kill()


@pytest.mark.parametrize("dtype", SCALES)
def test_record_a_wav_stream(dtype: str) -> None:
    done = shell("record", "-", "-d", "0.05", "--dtype", dtype, "--json", text=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stderr)
    assert told["frames"] == 2400
    file = soundfile.SoundFile(io.BytesIO(done.stdout))  # type: ignore[arg-type]
    names = {"float32": "FLOAT", "int16": "PCM_16", "int32": "PCM_32", "uint8": "PCM_U8"}
    assert (file.frames, file.samplerate, file.channels) == (2400, RATE, 2)
    assert (file.format, file.subtype) == ("WAV", names[dtype])


@pytest.mark.parametrize("dtype", SCALES)
def test_record_raw_samples(dtype: str) -> None:
    options = ["--raw", "--dtype", dtype, "--rate", "16000", "--channels", "1"]
    done = shell("record", "-", "-d", "0.1", "-q", *options, text=False)
    assert (done.returncode, done.stderr) == (0, b"")
    samples = np.frombuffer(done.stdout, dtype)  # type: ignore[call-overload]
    assert len(samples) == 1600
    assert set(samples) == {128 if dtype == "uint8" else 0}


@needs_posix
def test_a_recording_goes_through_a_pipe_into_a_player(tmp_path: Path) -> None:
    heard = tmp_path / "heard.wav"
    voicecoil = " ".join(COMMAND)
    done = subprocess.run(
        f"{voicecoil} record - -d 0.2 -q | {voicecoil} play - --json --heard {heard}",
        shell=True,
        env=ENV,
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["frames"] == 9600


def recording() -> subprocess.Popen[bytes]:
    """Starts a recording into a pipe, without an end."""
    return subprocess.Popen(
        [*COMMAND, "record", "-", "-q"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENV
    )


@needs_posix
def test_ctrl_c_completes_a_recording_into_a_pipe() -> None:
    with recording() as process:
        assert process.stdout is not None
        # Half a second: a Ctrl-C that comes while the command still starts the recording gives 130.
        head = process.stdout.read(RATE * 8 // 2)
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert process.wait(20) == 0
    with soundfile.SoundFile(io.BytesIO(head + rest)) as file:
        assert (file.samplerate, file.channels, file.subtype) == (RATE, 2, "FLOAT")
        assert len(file.read(10**7)) == (len(head + rest) - 46) // 8


@needs_posix
def test_a_reader_that_goes_ends_the_recording() -> None:
    with recording() as process:
        assert process.stdout is not None
        process.stdout.read(4096)
        process.stdout.close()
        assert process.wait(20) == 141


@pytest.mark.parametrize(
    ("tokens", "says"),
    [
        (["play", "a.wav", "--raw", "--rate", "8000"], "--raw and --rate: only for '-'"),
        (["record", "a.wav", "--dtype", "int16"], "--dtype: only for '-'"),
        (["record", "-", "--subtype", "PCM_16"], "for '-' give --dtype"),
        (["record", "-", "--dtype", "int8"], "int8"),
    ],
)
def test_options_that_do_not_fit(
    tokens: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tokens) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert says in told.err


@pytest.mark.parametrize(
    ("tokens", "kind", "code"),
    [
        (["play", "missing.wav", "--json"], "FileMissingError", 1),
        (["play", "--json", "--loops"], "UsageError", 2),
        (["record", "-", "--json", "--device", "nobody"], "DeviceNotFoundError", 2),
        (["devices", "--json", "--driver", "nope"], "ArgumentError", 2),
    ],
)
def test_errors_are_json_with_json(
    tokens: list[str], kind: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tokens) == code
    told = capsys.readouterr()
    text = told.out
    if tokens[0] == "record":  # standard output is for the sound
        line, text = told.err.split("\n", 1)
        assert line.startswith("voicecoil: ")
        assert told.out == ""
    error = json.loads(text)["error"]
    assert error["exit_code"] == code
    assert kind in error["type"]
    assert error["message"]
