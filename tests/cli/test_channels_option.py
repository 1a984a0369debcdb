"""The option ``--channels``: a number of channels, or a list of channels counted from 1."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from coded import assert_coded, coded
from voicecoil.cli.app import run
from voicecoil.files import FileSink, open_source

CALLBACK = """
import numpy as np
position = 0
def play(block):
    global position
    frames, channels = block.output.shape
    frame = np.arange(position, position + frames)[:, None]
    block.output[:] = (frame * 8 + np.arange(channels) + 1) * 2.0**-20
    position += frames
"""


@pytest.fixture(autouse=True)
def _virtual(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICECOIL_DRIVER", "virtual")


@pytest.mark.parametrize(
    ("option", "listed", "channels"),
    [("3,1", [2, 0], 3), ("2,", [1], 2), ("1", [0], 1), ("4", [0, 1, 2, 3], 4)],
)
def test_render_takes_a_number_or_a_list_from_1(
    option: str, listed: list[int], channels: int, tmp_path: Path
) -> None:
    (tmp_path / "code.py").write_text(CALLBACK)
    file = tmp_path / "a.wav"
    tokens = ["render", f"{tmp_path / 'code.py'}:play", str(file), "-d", "0.01", "-q"]
    assert run([*tokens, "--channels", option]) == 0
    with open_source(file) as source:
        sound = source.read(1000)
    assert sound.shape == (480, channels)
    assert_coded(sound[:, listed])
    assert not np.delete(sound, listed, axis=1).any()


@pytest.mark.parametrize(("option", "silent"), [("2,", [0]), ("1,", [1]), ("1", []), ("2,1", [])])
def test_play_takes_a_number_or_a_list_from_1(
    option: str, silent: list[int], tmp_path: Path
) -> None:
    song, heard = tmp_path / "a.wav", tmp_path / "heard.wav"
    with FileSink(song, 48_000, 1) as sink:
        sink.write(coded(0, 480, 1))
    tokens = ["play", str(song), "--driver", "virtual", "--heard", str(heard), "-q"]
    assert run([*tokens, "--channels", option]) == 0
    with open_source(heard) as source:
        sound = source.read(1000)
    for channel in {0, 1} - set(silent):
        assert_coded(sound[:480, [channel]])
    assert not sound[:, silent].any()


def test_record_takes_a_list_from_1(tmp_path: Path) -> None:
    file = tmp_path / "a.wav"
    assert run(["record", str(file), "-d", "0.01", "--channels", "2,", "-q"]) == 0
    with open_source(file) as source:
        assert source.channels == 1


@pytest.mark.parametrize(
    ("tokens", "says"),
    [
        (["record", "b.wav", "--channels", "3,1"], "--channels 3,1: .* input channels 1 to 2"),
        (["record", "b.wav", "--channels", "3,"], "--channels 3,: .* input channels 1 to 2"),
        (["play", "a.wav", "--channels", "2,3"], "--channels 2,3: .* output channels 1 to 2"),
        (["record", "b.wav", "--channels", "0,1"], "'0,1': channels are counted from 1"),
        (["play", "a.wav", "--channels", "1,1"], "'1,1': .* listed once"),
        (["render", "a.py:f", "b.wav", "--channels", "1,x"], "'1,x' is not a list of channels"),
        (["record", "b.wav", "--channels", ","], "',' is not a list of channels"),
        (["record", "b.wav", "--channels", "two"], "'two' is not a whole number and not a list"),
    ],
)
def test_channels_that_cannot_be(
    tokens: list[str],
    says: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(tokens) == 2
    assert re.fullmatch(rf"voicecoil: .*{says}.*\n", capsys.readouterr().err)
