"""Names of streams. The default is the name of the program."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import voicecoil as vc
from voicecoil.arguments import check_stream_name, program_name
from voicecoil.drivers.miniaudio.jack import client_name
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        (["/usr/bin/drums"], "drums"),
        (["games/tetris.py", "--fast"], "tetris"),
        (["/lib/python3/pytest/__main__.py"], "pytest"),
        (["/d/\udcffx.py"], "?x"),
        (["y" * 70], "y" * 64),
        ([""], "voicecoil"),
        (["-c"], "voicecoil"),
        ([], "voicecoil"),
    ],
)
def test_a_stream_without_a_name_has_the_programs(
    argv: list[str], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", argv)
    assert program_name() == check_stream_name(None) == name


def test_a_jack_client_has_room_for_the_number_that_jack_adds() -> None:
    assert client_name("left: drums") == b"left_ drums"
    assert client_name("é" * 64) == "é".encode() * 30
    assert client_name("x" + "é" * 64) == b"x" + "é".encode() * 29  # no half characters


def test_sounds_of_one_name_share_a_stream_and_another_name_has_another() -> None:
    driver = VirtualDriver([VirtualDevice("One", clock="stepped")])
    sound = np.zeros((100, 2), np.float32)
    names = ("music", "alerts", "music", None, program_name())
    streams = [vc.play(sound, 48_000, driver=driver, name=name)._output.stream for name in names]
    assert streams[0] is streams[2]
    assert streams[3] is streams[4]
    assert len({id(stream) for stream in streams}) == 3
    for stream in streams:
        stream.close()
