"""Measures what a sounding clip and a written chunk cost in voicecoil, rtmixer, pygame.mixer and
pedalboard.

    python mixing.py LIBRARY CLIPS SECONDS       # one process of `table`; prints JSON

voicecoil and rtmixer run in the tight loop of `jack_stand_in.c`, which measures the time of their
IO thread. pygame.mixer has no JACK. It runs with SDL's dummy device. The rate of that device is
known from the duration of a sound, and the time is that of the whole process.
"""

from __future__ import annotations

import importlib.util
import json
import os
import statistics
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

RATE, FRAMES, CHUNK = 48_000, 64, 960
LIBRARIES = {"voicecoil": "voicecoil", "rtmixer": "rtmixer", "pygame.mixer": "pygame"}
LIBRARIES["pedalboard"] = "pedalboard"


def stereo(frames: int, dtype: str = "float32") -> Any:
    scale = 0.001 if dtype == "float32" else 30
    one = scale * np.sin(np.arange(frames) * 0.05)
    return np.repeat(one[:, None], 2, axis=1).astype(dtype)


def median_us(call: Callable[[], object], times: int = 50) -> float:
    taken = []
    for _ in range(times):
        began = time.perf_counter_ns()
        call()
        taken.append(time.perf_counter_ns() - began)
    return statistics.median(taken) / 1e3


def threads_ns() -> dict[str, int]:
    """Returns the processor time of each thread of this process, ns (Linux)."""
    tasks = Path("/proc/self/task").iterdir()
    return {task.name: int((task / "schedstat").read_text().split()[0]) for task in tasks}


def block_us(blocks: Callable[[], int], seconds: float) -> float:
    """Returns the processor time of the busiest thread for one block, us. The IO thread of the
    tight loop is the busiest one.
    """
    time.sleep(0.05)
    before, first = threads_ns(), blocks()
    time.sleep(seconds)
    while (last := blocks()) < first + 10:  # a busy machine
        time.sleep(0.001)
    after = threads_ns()
    return max(ns - before.get(name, 0) for name, ns in after.items()) / (last - first) / 1e3


def voicecoil(clips: int, seconds: float) -> dict[str, float]:
    import voicecoil as vc

    with vc.Mixer(driver="miniaudio:jack") as mixer:
        clip = vc.Sound(stereo(10 * RATE), RATE)
        for _ in range(clips):
            mixer.play(clip, loops=0)
        return {"block_us": block_us(lambda: mixer.stream.statistics().blocks, seconds)}


def rtmixer(clips: int, seconds: float) -> dict[str, float]:
    import rtmixer as peer
    import sounddevice

    api = next(api for api in sounddevice.query_hostapis() if "JACK" in api["name"])
    device = api["default_output_device"]
    options = {"channels": 2, "blocksize": FRAMES, "samplerate": RATE, "device": device}
    sound = stereo(200 * RATE)  # rtmixer cannot repeat a sound, and the loop plays faster
    ring, chunk = peer.RingBuffer(8, 2**17), stereo(CHUNK)
    write_us = median_us(lambda: ring.write(chunk))
    with peer.Mixer(latency="low", qsize=4096, **options) as mixer:
        count = 0

        def blocks() -> int:
            nonlocal count
            action = mixer.fetch_and_reset_stats()
            while action in mixer.actions:
                time.sleep(0.0002)
            count += action.stats.blocks
            return count

        blocks()
        for _ in range(clips):
            mixer.play_buffer(sound, 2)
        cost = block_us(blocks, seconds)
        if len(mixer.actions) < clips:
            raise RuntimeError("the sound has ended too early")
        return {"write_us": write_us, "block_us": cost}


def pygame(clips: int, seconds: float) -> dict[str, float]:
    import pygame as peer

    mixer = peer.mixer
    mixer.init(RATE, -16, 2, FRAMES, allowedchanges=0)
    mixer.set_num_channels(clips + 8)
    sound = peer.sndarray.make_sound(stereo(10 * RATE, "int16"))
    short = peer.sndarray.make_sound(stereo(RATE // 4, "int16"))
    for _ in range(clips):
        sound.play(loops=-1)
    probe = short.play()
    began = time.perf_counter()
    while probe.get_busy():  # the dummy device has a rate of its own
        time.sleep(0.002)
    frames_per_s = RATE // 4 / (time.perf_counter() - began)
    began, used = time.perf_counter(), time.process_time()
    time.sleep(seconds)
    used, taken = time.process_time() - used, time.perf_counter() - began
    chunk = stereo(CHUNK, "int16")
    write_us = median_us(lambda: probe.queue(peer.sndarray.make_sound(chunk)))
    return {"write_us": write_us, "block_us": used / (taken * frames_per_s / FRAMES) * 1e6}


def pedalboard(clips: int, seconds: float) -> dict[str, float]:
    import pedalboard as peer

    board, block = peer.Pedalboard([peer.Gain(-6)]), stereo(FRAMES).T.copy()
    return {"effect_us": median_us(lambda: board.process(block, RATE, reset=False), 2000)}


def run(library: str, clips: int, seconds: float, stand_in: Path) -> dict[str, float]:
    """Runs one library in a process of its own, with the block's duration as "block_us"."""
    environment = {
        **os.environ,
        "LD_LIBRARY_PATH": str(stand_in),
        "JACK_STAND_IN_FRAMES": str(FRAMES),
        "PYGAME_HIDE_SUPPORT_PROMPT": "1",
        "SDL_AUDIODRIVER": "dummy",
        "PYTHONPATH": sysconfig.get_paths()["platlib"],
    }
    command = [sys.executable, __file__, library, str(clips), str(seconds)]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return answer


def missing(library: str) -> bool:
    return importlib.util.find_spec(LIBRARIES[library]) is None


def table(stand_in: Path, voicecoil_write_us: float, seconds: float, runs: int) -> list[list[str]]:
    """Returns the table of all libraries. The libraries take turns."""
    seen: dict[str, list[dict[str, float]]] = {}
    failed: dict[str, str] = {}
    clips = 100
    for _ in range(runs):
        for library in LIBRARIES:
            if missing(library):
                failed[library] = "not installed"
                continue
            try:
                alone, sounding = (run(library, n, seconds, stand_in) for n in (0, clips))
            except (subprocess.SubprocessError, ValueError) as error:
                failed[library] = f"not measured: {str(getattr(error, 'stderr', error))[-60:]!r}"
                continue
            if "block_us" in alone:
                spent = sounding["block_us"] - alone["block_us"]
                sounding["clip_ns"] = spent / clips * 1e3
            seen.setdefault(library, []).append(sounding)
    rows = [["", "a clip in a block, ns", "write of 20 ms, us", "an effect's block, us"]]
    for library in LIBRARIES:
        answers = seen.get(library, [])
        if not answers:
            rows.append([library, failed[library], "", ""])
            continue
        if library == "voicecoil":
            answers[0]["write_us"] = voicecoil_write_us
        cells = []
        for key, digits in (("clip_ns", 0), ("write_us", 1), ("effect_us", 1)):
            values = [answer[key] for answer in answers if key in answer]
            cells.append(f"{statistics.median(values):.{digits}f}" if values else "")
        rows.append([library, *cells])
    return rows


if __name__ == "__main__":
    name, count, duration = sys.argv[1:]
    function = {"pygame.mixer": pygame}.get(name) or globals()[name]
    print(json.dumps(function(int(count), float(duration))))
