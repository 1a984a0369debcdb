"""Compares the two ways in which a duplex stream can use two devices of CoreAudio: our own drift
correction (`Stream(device=(a, b))`) and a private aggregate device. The aggregates of the simulated
CoreAudio have the HAL's objects and latencies, but not the sound of the HAL's resampler.

    python benchmarks/pair_or_aggregate.py
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tables import show

import voicecoil as vc
from coreaudio import simulator_path
from voicecoil import hal
from voicecoil.testing import SimulatedCoreAudio

DEVICES = (
    "uid=mic; name=Microphone; in=1; buffer=512; rate=48000; ppm=180; latency_in=30; safety_in=80",
    "uid=speakers; name=Speakers; out=2; buffer=512; rate=48000; ppm=-90; latency_out=20; "
    "safety_out=70",
)
SECONDS = 10.0
RUNS = 5


@contextmanager
def pair(world: SimulatedCoreAudio) -> Iterator[Any]:
    yield ("mic", "speakers")


@contextmanager
def aggregate(world: SimulatedCoreAudio) -> Iterator[Any]:
    system = hal.connect(world.driver)
    parts = [system.device("speakers"), system.device("mic")]
    with system.create_aggregate("Both", parts, main=parts[0]) as made:
        yield made.uid


def measure(way: Any) -> list[float]:
    """Returns the time to open the stream, real and simulated, ms; the sum of latencies, frames;
    the processor time for a second of sound, ms; and the lost frames.
    """
    with SimulatedCoreAudio(simulator_path(), devices=DEVICES) as world:
        world.device("mic").set_input("sine")

        def effect(block: vc.Block) -> None:
            block.output[:] = block.input[:, :1]

        began, began_ns = time.perf_counter(), world.now_ns()
        with (
            way(world) as device,
            vc.Stream(effect, device=device, driver=world.driver, latency="low") as stream,
        ):
            opened = (time.perf_counter() - began) * 1e3
            opened_ns = world.now_ns() - began_ns
            latency = sum(one.frames for one in stream.latency)
            since = time.process_time()
            world.advance(SECONDS)
            taken = (time.process_time() - since) * 1e3 / SECONDS
            lost = stream.statistics().lost_frames
            stream.abort()
        return [opened, opened_ns / 1e6, latency, taken, lost]


def main() -> None:
    table = [["way", "open, ms", "open, simulated ms", "latency, frames", "ms CPU per s", "lost"]]
    for way in (pair, aggregate):
        runs = [measure(way) for _ in range(RUNS)]
        best = [min(column) for column in zip(*runs, strict=True)]
        table.append([way.__name__, *(f"{value:.4g}" for value in best)])
    show("two devices, least of 5", table)


if __name__ == "__main__":
    main()
