"""A recorder of inputs 3 and 4 that runs for hours, in virtual time.

VOICECOIL_RECORDED_HOURS sets the hours; two need about 30 s."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

import voicecoil as vc
from rig import until
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver
from voicecoil.files import open_source

RATE = 8_000
HOURS = float(os.environ.get("VOICECOIL_RECORDED_HOURS", "0.5"))
FRAMES = 8192  # of an IO cycle
STEP_CYCLES = 32  # less than the recording's buffer of 35 s


def resident_bytes() -> int:
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory in use from /proc")
def test_inputs_3_and_4_are_recorded_for_hours(tmp_path: Path) -> None:
    device = VirtualDevice(
        "Interface",
        input_channels=4,
        output_channels=4,
        samplerate=RATE,
        clock="stepped",
        frames=FRAMES,
    )
    driver = VirtualDriver([device])
    wanted = 0
    taps: list[int] = []

    def tap(block: vc.Block) -> None:
        """Plays a frame of 0.25 and 0.5 in every 500th block."""
        nonlocal wanted
        if wanted % 500 == 0:
            block.output[0] = [1.0, 1.0, 0.25, 0.5]
            taps.append(wanted * FRAMES)
        wanted += 1

    file = tmp_path / "long.flac"
    with (
        vc.OutputStream(tap, driver=driver, channels=4, latency="low") as stream,
        vc.record(file, driver=driver, channels=[2, 3], buffer_s=35.0) as take,
    ):
        first = resident_bytes()
        for _ in range(round(HOURS * 3600 * RATE / FRAMES / STEP_CYCLES)):
            device.step(STEP_CYCLES)
            until(lambda: take._writer.written == take.position)
        grown = resident_bytes() - first
        stream.abort()
    assert take.losses == []
    assert take.position == wanted * FRAMES
    assert grown < 30e6, "the memory is bounded, although the recording is long"
    found = []
    with open_source(file) as source:
        assert source.channels == 2
        assert source.frames == take.position
        position = 0
        while len(frames := source.read(1 << 20)):
            for frame in np.flatnonzero(frames.any(axis=1)):
                assert list(frames[frame]) == [0.25, 0.5]
                found.append(position + int(frame))
            position += len(frames)
    round_trip = 2 * FRAMES
    assert found == [frame + round_trip for frame in taps if frame + round_trip < position]
    assert len(found) >= 3
