"""Sound servers are killed, frozen and restarted while streams, sounds and recordings use them.

Each test runs in a process of its own, because a fault may crash the process.

``VOICECOIL_KILLS`` is the number of times that each server is killed (3). ``VOICECOIL_OPENS`` is
the number of streams that are opened on each server (40; 100000 takes hours).
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from paths import SERVERS
from servers.processes import needs

KILLS = int(os.environ.get("VOICECOIL_KILLS", "3"))
OPENS = int(os.environ.get("VOICECOIL_OPENS", "40"))
FOLDER = SERVERS
PROGRAMS = {
    "jack": ["jackd"],
    "pulse": ["pulseaudio", "pactl", "parec"],
    "pipewire": ["pipewire", "wireplumber", "pipewire-pulse", "dbus-daemon", "pactl", "parec"],
}

pytest.importorskip("_miniaudio", reason="NOT TESTED: the package miniaudio is not installed")
pytestmark = pytest.mark.realtime


def run(program: str, *arguments: str, timeout_s: float = 100) -> None:
    command = [sys.executable, str(FOLDER / program), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")


@pytest.mark.timeout(180 + 40 * KILLS)
@pytest.mark.parametrize("server", PROGRAMS)
def test_everything_outlives_a_server_that_is_killed(server: str) -> None:
    needs(*PROGRAMS[server])
    run("killed.py", server, str(KILLS), timeout_s=60 + 40 * KILLS)


@pytest.mark.parametrize("server", PROGRAMS)
def test_calls_that_hang_in_a_frozen_server_return_and_leave_nothing(server: str) -> None:
    needs(*PROGRAMS[server])
    run("frozen.py", server)


def test_two_drivers_of_one_sound_system_outlive_its_server() -> None:
    needs(*PROGRAMS["jack"])
    run("restarted.py")


@pytest.mark.parametrize("told", ["stream", "query"])
def test_clients_that_were_not_told_of_the_servers_end_outlive_it(told: str) -> None:
    needs(*PROGRAMS["jack"])
    run("noticed_late.py", told)


@pytest.mark.timeout(180 + OPENS)
@pytest.mark.parametrize("server", PROGRAMS)
def test_streams_are_opened_and_dropped_again_and_again(server: str) -> None:
    needs(*PROGRAMS[server])
    run("opened_often.py", server, str(OPENS), timeout_s=100 + OPENS)
