"""Plays an FM synthesizer without gaps while the program is busy.

    python examples/fm_busy.py [seconds]

The main thread computes without a pause, and once a second it writes many records as JSON, which no
other Python thread can interrupt. The callback runs ahead of the device, and its lead grows after
the first gap. At the end, the gaps and the lead are printed.
"""

import argparse
import json
import time

import numpy as np

import voicecoil as vc


class FM:
    """A carrier whose phase is modulated by a second sine of 1.4 times its frequency."""

    def __init__(self, samplerate: float, frequency_hz: float = 110.0) -> None:
        self.step = 2 * np.pi * frequency_hz / samplerate
        self.position = 0

    def __call__(self, block: vc.Block) -> None:
        phase = self.step * np.arange(self.position, self.position + block.frames)
        index = 3 + 2 * np.sin(phase / 400)
        block.output[:] = 0.2 * np.sin(phase + index * np.sin(1.4 * phase))[:, None]
        self.position += block.frames


def be_busy(seconds: float) -> None:
    records = [{"id": i, "name": f"record {i}"} for i in range(60_000)]
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        json.dumps(records)
        second = time.monotonic() + 1
        while time.monotonic() < min(second, until):
            sum(range(1_000))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("seconds", nargs="?", type=float, default=10.0)
    seconds = parser.parse_args().seconds
    with vc.OutputStream(FM(48_000), samplerate=48_000) as stream:
        be_busy(seconds)
        gaps = [event for event in stream.events() if event.kind == "xrun"]
        lead_ms = 1000 * stream.lead_frames / stream.samplerate
        position = stream.statistics().frames
    print(f"{len(gaps)} gaps, the lead is now {lead_ms:.0f} ms")
