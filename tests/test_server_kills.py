"""Sound servers that are killed and come back, under all that can run on them.

``VOICECOIL_KILLS`` is how often each is killed (3).
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from servers.processes import needs

KILLS = int(os.environ.get("VOICECOIL_KILLS", "3"))
PROGRAM = Path(__file__).parent / "servers" / "killed.py"
PROGRAMS = {
    "jack": ["jackd"],
    "pulse": ["pulseaudio", "pactl", "parec"],
    "pipewire": ["pipewire", "wireplumber", "pipewire-pulse", "dbus-daemon", "pactl", "parec"],
}

pytest.importorskip("_miniaudio", reason="NOT TESTED: the package miniaudio is not installed")
pytestmark = pytest.mark.realtime


@pytest.mark.parametrize("server", PROGRAMS)
def test_everything_outlives_a_server_that_is_killed(server: str) -> None:
    needs(*PROGRAMS[server])
    done = subprocess.run(
        [sys.executable, str(PROGRAM), server, str(KILLS)],
        capture_output=True,
        text=True,
        timeout=60 + 40 * KILLS,
    )
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")
