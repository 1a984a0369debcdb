"""The miniaudio driver on a real PulseAudio."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from pulse_contract import PulseContract, PulseRig, Shared
from servers.pulse import PulseServer

pytest.importorskip("_miniaudio", reason="NOT TESTED: the package miniaudio is not installed")
pytestmark = pytest.mark.realtime


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


def test_a_machine_with_a_server_uses_it_without_being_told(rig: PulseRig) -> None:
    env = dict(os.environ)
    env.pop("VOICECOIL_DRIVER")
    command = [sys.executable, "-m", "voicecoil", "devices", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=env)
    assert done.returncode == 0
    assert done.stderr == ""
    listed = json.loads(done.stdout)
    assert listed[0]["uid"] == "pulse"
    assert {device["driver"] for device in listed} == {"miniaudio"}
