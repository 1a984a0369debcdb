"""The memory of a program that plays and records for long, in virtual time."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SECONDS = float(os.environ.get("VOICECOIL_MEMORY_S", "60"))  # of virtual time; 1800: 30 min
MOST_BYTES = 2_000_000
# Prints the resident memory after half of the time, and at the end.
PROGRAM = """
import sys
import numpy as np
import voicecoil as vc
from voicecoil.testing import VirtualDevice, VirtualDriver

device = VirtualDevice("Rig", clock="stepped", frames=480)
options = {"driver": VirtualDriver([device]), "samplerate": 24_000, "channels": 1}
chunk = np.full(480, 0.1, np.float32)

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

player = vc.Player(on_mark=lambda mark: None, **options)
recorder = vc.Recorder(reference=True, buffer_s=1.0, **options)
blocks = int(float(sys.argv[1]) * 50)
recorded = 0
with player, recorder:
    for number in range(blocks):
        if number == blocks // 2:
            print(resident())
        player.mark(number)
        player.write(chunk, more=number % 40 != 39)
        if number % 150 == 149:
            player.clear()
        device.step(2)
        recorded += recorder.read(480, timeout=0).frames
        assert player.heard_frames + player.cleared_frames <= player.written_frames
    assert recorder.lost_frames == 0
    assert recorded > (blocks - 10) * 480
    assert player.marks_heard
    player.clear()
    device.step(4)
    print(resident())
    player.close()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="NOT TESTED: it reads /proc/self/statm")
@pytest.mark.timeout(200 + SECONDS)
def test_the_memory_of_a_player_and_a_recorder_stays_the_same() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(SECONDS)],
        capture_output=True,
        text=True,
        timeout=180 + SECONDS,
    )
    assert done.returncode == 0, done.stderr
    half, end = map(int, done.stdout.split())
    assert end - half < MOST_BYTES
