"""The miniaudio driver on a real PulseAudio."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator

import numpy as np
import pytest

import voicecoil as vc
from pulse_contract import PulseContract, PulseRig, Shared
from rig import until
from servers.pulse import PulseServer
from voicecoil.arguments import program_name

pytest.importorskip("_miniaudio", reason="NOT TESTED: the package miniaudio is not installed")
pytestmark = pytest.mark.realtime

SECOND = np.zeros((48_000, 2), np.float32)


@pytest.fixture(scope="module")
def shared() -> Iterator[Shared]:
    shared = Shared(PulseServer)
    yield shared
    shared.close()


@pytest.fixture
def rig(shared: Shared, monkeypatch: pytest.MonkeyPatch) -> PulseRig:
    return PulseRig(*shared.get(monkeypatch))


class TestPulseAudio(PulseContract):
    pass


def test_a_running_server_is_used_by_default(rig: PulseRig) -> None:
    env = dict(os.environ)
    env.pop("VOICECOIL_DRIVER")
    command = [sys.executable, "-m", "voicecoil", "devices", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=env)
    assert done.returncode == 0
    assert done.stderr == ""
    listed = json.loads(done.stdout)
    assert listed[0]["uid"] == "pulse"
    assert {device["driver"] for device in listed} == {"miniaudio"}


def test_a_listener_is_called_for_sinks_and_the_default(rig: PulseRig) -> None:
    told: list[str] = []
    control = rig.server.control
    first = (control("get-default-sink") or "").strip()

    def becomes(what: str, *command: str) -> str:
        told.clear()
        said = control(*command)
        assert said is not None
        until(lambda: what in told)
        return said.strip()

    end = rig.driver.watch(told.append)
    module = becomes("devices", "load-module", "module-null-sink", "sink_name=late")
    assert "pulse:late" in {device.uid for device in rig.driver.devices()}
    becomes("default output", "set-default-sink", "late")
    becomes("default output", "set-default-sink", first)
    becomes("devices", "unload-module", module)
    assert "pulse:late" not in {device.uid for device in rig.driver.devices()}
    end()
    end()
    until(lambda: not any("watches" in thread.name for thread in threading.enumerate()))


def test_a_listener_is_called_when_a_server_ends_and_returns(rig: PulseRig) -> None:
    told: list[str] = []
    end = rig.driver.watch(told.append)
    rig.server.kill()
    until(lambda: set(told) == {"devices", "default input", "default output"})
    told.clear()
    rig.server.start()
    until(lambda: set(told) == {"devices", "default input", "default output"})
    end()


def test_a_mixer_shows_the_program_and_the_name_of_each_stream(rig: PulseRig) -> None:
    with (
        vc.OutputStream(lambda block: None, driver=rig.driver),
        vc.Stream(lambda block: None, driver=rig.driver, name="Straße \N{BELL}"),
        vc.InputStream(lambda block: None, driver=rig.driver, name="ears"),
    ):
        sounds = [vc.play(SECOND, 48_000, driver=rig.driver, name=name) for name in ("a", "b", "a")]
        assert named(rig, "sink-inputs") == sorted([program_name(), "Straße \N{BELL}", "a", "b"])
        assert {"Straße \N{BELL}", "ears"} <= set(named(rig, "source-outputs"))
        for sound in sounds:
            sound.stop()


def named(rig: PulseRig, what: str) -> list[str]:
    """Returns the names of this program's streams as `pactl` shows them. Its JSON is ASCII only."""
    told = rig.server.control("list", what)
    assert told is not None
    names = []
    for stream in re.split(r"^\S.* #\d+$", told, flags=re.MULTILINE)[1:]:
        properties = dict(re.findall(r'^\t\t(\S+) = "(.*)"$', stream, re.MULTILINE))
        if properties.get("application.name") == program_name():
            names.append(properties["media.name"])
    return sorted(names)


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_names_of_the_server_reach_the_terminal_as_printable_text(options: tuple[str, ...]) -> None:
    server = PulseServer()
    try:
        words = "sink_properties=device.description='a\x1b[31m\u202e\u009bred'"
        assert server.control("load-module", "module-null-sink", "sink_name=odd", words)
        done = subprocess.run(
            [sys.executable, "-m", "voicecoil", "devices", *options],
            env={**server.processes.env, **server.env, "VOICECOIL_DRIVER": "miniaudio:pulse"},
            capture_output=True,
            timeout=60,
        )
    finally:
        server.close()
    assert done.returncode == 0, done.stderr
    text = done.stdout.decode()
    assert "odd" in text
    assert "[31m" in text
    assert text.replace("\n", "").isprintable()
