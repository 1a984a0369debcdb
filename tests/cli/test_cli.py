"""The command line, as shells, other programs, and users at a terminal use it."""

from __future__ import annotations

import json
import re
import shlex
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import voicecoil as vc
from losing import is_away
from rig import until
from shells import shell, sine
from voicecoil.cli.app import run
from voicecoil.drivers.choose import get_driver
from voicecoil.files import FileSink, open_source
from voicecoil.sounds import mixing as output_module

COMMANDS = ["devices", "play", "record", "tone", "render", "run", "stress"]


# ---- help and usage ----------------------------------------------------------------------------


def test_without_a_command_the_help_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 0
    text = capsys.readouterr().out
    for command in COMMANDS:
        assert f" {command} " in text
    assert "Exit codes" in text


@pytest.mark.parametrize("command", COMMANDS)
def test_each_help_has_examples_that_parse(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from voicecoil.cli.app import app, with_pipe

    assert run([command, "--help"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    examples = re.findall(rf"^  voicecoil ({command}\b.*)$", text.split("Examples")[1], re.M)
    assert len(examples) >= 2
    for example in examples:
        _, bound, _ = app.parse_args(
            with_pipe(shlex.split(example)), exit_on_error=False, print_error=False
        )
        assert bound is not None


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ("record --seconds", "Unknown option '--seconds'. See: voicecoil record --help"),
        ("record --seconds=3 x", "Unknown option '--seconds'. See: voicecoil record --help"),
        ("play --loopz 3", "Unknown option '--loopz'; did you mean '--loops'? See: "),
        ("record x --durations 3", "Unknown option '--durations'; did you mean '--duration'? See"),
        ("recrod x", "Unknown command 'recrod'; did you mean 'record'? See: voicecoil --help"),
        ("streamer", "Unknown command 'streamer'; commands are devices, doctor, play, "),
        ("--versio", "Unknown option '--versio'; did you mean '--version'? See: voicecoil --help"),
        ("x" * 500, "Unknown command '" + "x" * 79 + " ...; commands are "),
    ],
)
def test_only_a_close_name_is_suggested(
    tokens: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tokens.split()) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ("play", "the argument FILE is missing. See: voicecoil play --help"),
        ("render", "the argument CALLBACK is missing. See: voicecoil render --help"),
        ("play --device", "--device has no value. See: voicecoil play --help"),
    ],
)
def test_a_missing_argument_is_named(
    tokens: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tokens.split()) == 2
    assert capsys.readouterr().err.strip() == f"voicecoil: {message}"


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.strip() == vc.__version__


def assert_only_an_error(printed: str, tokens: list[str], kind: str, code: int) -> None:
    """Checks that stdout has nothing, or with ``--json`` one JSON value, which is the error."""
    if "--json" not in tokens:
        assert printed == ""
        return
    error = json.loads(printed)["error"]
    assert error.keys() == {"type", "message", "notes", "exit_code"}
    assert (error["type"], error["exit_code"]) == (kind, code)
    assert error["message"]
    assert printed.isascii()


def test_errors_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Before, a program that read JSON got nothing and had to read the text for people."""

    def error(*tokens: str) -> tuple[object, ...]:
        run([*tokens])
        told = json.loads(capsys.readouterr().out)["error"]
        return told["type"], told["message"], told["exit_code"]

    assert error("tone", "0", "--json")[::2] == ("ArgumentError", 2)
    kind, message, code = error("play", "--json", "--lops", "2", "x.wav")
    assert (kind, code) == ("UsageError", 2)
    assert "--lops" in str(message)
    assert error("render", "--json", "math:tone", "a.wav")[2] == 2
    assert run(["play", "--", "--json"]) == 1
    assert capsys.readouterr().out == "", "after -- this is the name of a file"


@pytest.mark.parametrize(
    ("tokens", "says"),
    [
        (["bogus"], "bogus.*devices, .*play.*voicecoil --help"),
        (["play"], "FILE.*voicecoil play --help"),
        (["play", "a.wav", "--lops", "2"], "--lops.*--loops.*voicecoil play --help"),
        (["play", "a.wav", "b.wav"], "'b.wav' is more than"),
        (["play", "a.wav", "--loops", "1.5"], "--loops.*'1.5' is not a whole number"),
        (["record", "b.wav", "--channels", "1.5"], "--channels.*'1.5' is not a whole number"),
        (["play", ""], "name a sound file"),
        (["play", "a.wav", "--gain-db", "loud"], "--gain-db.*loud"),
        (["play", "a.wav", "--gain-db", "1000"], "-60 to 60 dB"),
        (["play", "a.wav", "--driver", "nope"], "no driver 'nope'; possible are"),
        (["devices", "--driver", "nope", "--json"], "no driver 'nope'; possible are"),
        (["tone", "0"], "half the sample rate"),
        (["tone", "30000"], "half the sample rate, 24000 Hz"),
        (["tone", "--duration", "0"], "more than 0 s"),
        (["tone", "--duration", "nan"], "more than 0 s"),
        (["tone", "--level-db", "3"], "-120 to 0 dB"),
        (["tone", "--device", "nobody"], "Virtual Device"),
        (["record", "a.wav", "--duration", "-1"], "--duration=-1.0 s; give more than 0"),
        (["record", "a.wav", "--channels", "9"], "so use 1 to 2"),
        (["render", "sine", "a.wav"], "names no function"),
        (["render", "nowhere.py:tone", "a.wav"], "no file 'nowhere.py'"),
        (["render", "nowhere.module:tone", "a.wav"], "no module 'nowhere'"),
        (["render", "math:tone", "a.wav"], "no function 'tone', but .*sin"),
    ],
)
def test_wrong_usage_prints_one_line_and_exits_with_2(
    tokens: list[str],
    says: str,
    song: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    song.rename("a.wav")
    before = sorted(tmp_path.iterdir())
    assert run(tokens) == 2
    told = capsys.readouterr()
    assert_only_an_error(told.out, tokens, "ArgumentError", 2)
    assert re.fullmatch(rf"voicecoil: .*{says}.*\n", told.err)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("tokens", [["play"], ["play", "--json"], ["play", "-q"]])
@pytest.mark.parametrize(
    ("content", "says"), [(None, "No such file"), (b"", "empty"), (b"words" * 99, "not audio")]
)
def test_a_bad_file_prints_one_line_and_exits_with_1(
    tokens: list[str],
    content: bytes | None,
    says: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "a.wav"
    if content is not None:
        path.write_bytes(content)
    assert run([*tokens, str(path)]) == 1
    told = capsys.readouterr()
    kind = "FileMissingError" if content is None else "FileFormatError"
    assert_only_an_error(told.out, tokens, kind, 1)
    assert re.fullmatch(rf"voicecoil: cannot read .*{says}.*\n", told.err)


# ---- commands ----------------------------------------------------------------------------------


def test_devices(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["devices"]) == 0
    heading, device = capsys.readouterr().out.splitlines()
    assert heading.split() == ["NAME", "IN", "OUT", "HZ", "DEFAULT", "FOR", "UID"]
    assert device.startswith("Virtual Device")
    assert "input, output" in device
    assert run(["devices", "--json"]) == 0
    told = capsys.readouterr()
    assert [entry["uid"] for entry in json.loads(told.out)] == ["virtual:Virtual Device"]
    assert told.err == ""


def test_play_reaches_the_device(
    song: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    heard = tmp_path / "heard.wav"
    assert run(["play", str(song), "--heard", str(heard), "--json"]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    report = json.loads(told.out)
    assert report["frames"] == report["heard_frames"] == 4_800
    assert report["starved_frames"] == 0
    assert not report["interrupted"]
    with open_source(heard) as source:
        assert np.array_equal(source.read(10_000), sine(4_800))


def test_play_prints_a_summary(song: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["play", str(song)]) == 0
    told = capsys.readouterr()
    assert told.out == "played a song.wav for 100 ms on Virtual Device, 48 kHz\n"
    assert told.err == ""
    assert run(["play", str(song), "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


def test_play_goes_on_when_the_device_is_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.wav"
    with FileSink(path, 48_000, 2) as sink:
        sink.write(sine(24_000))
    device = get_driver("virtual").virtual_devices[0]  # type: ignore[attr-defined]

    def unplug_and_replug() -> None:
        until(lambda: any(output.stream.active for output in output_module._outputs))
        (output,) = output_module._outputs
        device.inject("unplug")
        is_away(output.stream)
        device.replug()

    someone = threading.Thread(target=unplug_and_replug)
    someone.start()
    assert run(["play", str(path), "--driver", "virtual", "--device", "Virtual"]) == 0
    someone.join()
    said = capsys.readouterr()
    assert said.err.splitlines() == [
        "the device 'Virtual Device' was unplugged; waiting for a device",
        "goes on with Virtual Device",
    ]
    assert "played a.wav for 500 ms" in said.out


def test_a_truncated_file_is_played_and_exits_with_1(
    song: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    song.write_bytes(song.read_bytes()[:-9_000])
    assert run(["play", str(song), "-q"]) == 1
    assert "truncated" in capsys.readouterr().err


def test_heard_must_not_be_the_source(song: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = song.read_bytes()
    assert run(["play", str(song), "--heard", str(song)]) == 2
    assert "is the file to play" in capsys.readouterr().err
    assert song.read_bytes() == before


def test_record(tmp_path: Path) -> None:
    path = tmp_path / "take.flac"
    # A new process has a new virtual device. That of this process would loop back earlier sounds.
    done = shell("record", path, "-d", "0.05", "--channels", "1", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(done.stdout)
    assert report["frames"] == 2_400
    assert report["peak"] == 0
    assert report["peak_db"] is None, "JSON has no infinity"
    with open_source(path) as source:
        assert (source.channels, source.frames) == (1, 2_400)


def test_tone(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tone", "1000", "-d", "0.05", "--level-db", "-20", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["duration_s"] == 0.05
    assert report["frequency_hz"] == 1000


def test_the_tone_has_soft_ends() -> None:
    from voicecoil.cli.tone import Sine

    sound = vc.render(Sine(3_000, 0.5, 0.1).block, frames=6_000, channels=1)[:, 0]
    assert abs(sound).max() == pytest.approx(0.5, abs=0.01)
    assert np.flatnonzero(sound)[-1] < 4_800
    assert abs(sound[:20]).max() < 0.05
    assert abs(sound[4_780:]).max() < 0.05
    released = Sine(3_000, 0.5, 100)
    released.released = True
    sound = vc.render(released.block, frames=6_000, channels=1)[:, 0]
    assert np.flatnonzero(sound)[-1] < 240


SYNTH = """
import helper
def voice(block):
    block.output[:] = helper.LEVEL
def broken(block):
    raise ZeroDivisionError("in the callback")
"""


def test_render(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "cli_synth.py").write_text(SYNTH)
    (tmp_path / "helper.py").write_text("LEVEL = 0.5\n")
    path = tmp_path / "a.wav"
    spec = f"{tmp_path / 'cli_synth.py'}:"
    assert run(["render", f"{spec}voice", str(path), "-d", "0.5", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["frames"], report["peak"]) == (24_000, 0.5)
    with open_source(path) as source:
        assert (source.read(30_000) == 0.5).all()
    before = path.read_bytes()
    assert run(["render", f"{spec}broken", str(path)]) == 1
    assert path.read_bytes() == before, "an incomplete result is not printed"
    assert run(["render", f"{spec}broken", str(tmp_path / "b.wav")]) == 1
    assert not (tmp_path / "b.wav").exists()


@pytest.mark.parametrize(
    ("source", "frames", "end"),
    [
        ("def f(block):\n g()\ndef g():\n 1 / 0", "in f|in g", "ZeroDivisionError: "),
        ("import no_such_module_of_theirs", "in <module>", "ModuleNotFoundError: "),
        ("def f(block)\n pass", "line 1", "SyntaxError: "),
    ],
)
def test_the_users_errors_show_the_users_frames(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str, frames: str, end: str
) -> None:
    path = tmp_path / "cli_broken.py"
    path.write_text(source)
    assert run(["render", f"{path}:f", str(tmp_path / "a.wav")]) == 1
    shown = capsys.readouterr().err
    files = re.findall(r'File "(.*?)"', shown)
    assert set(files) == {str(path)}, shown
    assert re.findall(frames, shown) == frames.split("|")
    assert shown.splitlines()[-1].startswith(end)
