"""Plays, records and mixes for some seconds of virtual time. Prints the resident memory, bytes,
after half of the time and at the end.

live_memory.py SECONDS
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

import voicecoil as vc
from voicecoil.testing import VirtualDevice, VirtualDriver

BLOCKS = round(float(sys.argv[1]) * 50)


def resident_bytes() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


device = VirtualDevice("Rig", clock="stepped", frames=480)
driver = VirtualDriver([device])
options: dict[str, Any] = {"driver": driver, "samplerate": 24_000, "channels": 1}
chunk = np.full(480, 0.1, np.float32)
click = vc.Sound(np.full(2000, 0.1, np.float32), 48_000)

player = vc.Player(on_mark=lambda mark: None, **options)
recorder = vc.Recorder(reference=True, buffer_s=1.0, **options)
mixer = vc.Mixer(driver=driver)
recorded = 0
with player, recorder, mixer:
    for number in range(BLOCKS):
        if number == BLOCKS // 2:
            print(resident_bytes())
        player.mark(number)
        player.write(chunk, more=number % 40 != 39)
        mixer.play(click, in_s=0.01, rate=1 + number % 2, pan=0.5)
        if number % 150 == 149:
            player.clear()
        device.step(2)
        recorded += recorder.read(480, timeout=0).frames
        assert player.heard_frames + player.cleared_frames <= player.written_frames
    assert recorder.lost_frames == 0
    assert recorded > (BLOCKS - 10) * 480
    assert player.marks_heard
    assert mixer.scheduled + mixer.sounding < 10
    player.clear()
    mixer.stop()
    device.step(4)
    print(resident_bytes())
    player.close()
    mixer.close()
