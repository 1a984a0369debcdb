#!/usr/bin/env python3
"""Plays numbered frames through a loopback device, in each home, and compares what comes back.

    python tools/mac_loopback.py --device BlackHole [--seconds 3] [--driver coreaudio]

The device is one that returns its output as its input, such as BlackHole. A home is the place where
a callback runs (docs/latency.md). The recording must have every frame once and in order. Frames are
only missing where the stream or the recording reports a loss. The tests run this program on the
simulated CoreAudio.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import voicecoil as vc

SCALE = 2.0**-24  # frame n has the value (n + 1) * SCALE, which float32 has exactly
HOMES = ("low", "safe", "isolated", "native")
LEAD_IN_S = 0.3  # of recording before and after the sound

ISOLATED = """
import struct
played = 0
def ramp(block):
    global played
    values = [(played + f + 1) * 2.0**-24 for f in range(block.frames) for _ in range(2)]
    block.output.cast("B")[:] = struct.pack(f"{len(values)}f", *values)
    played += block.frames
"""
NATIVE = """
#include <stdint.h>
int32_t ramp(float *output, const float *input, uint32_t frames, const void *block, void *user) {
    uint64_t *played = user;
    (void)input, (void)block;
    for (uint32_t f = 0; f < frames; f++, ++*played) {
        output[2 * f] = output[2 * f + 1] = (float)((double)(*played + 1) / 16777216.0);
    }
    return 0;
}
"""


class Ramp:
    """A Python callback that plays numbered frames."""

    def __init__(self) -> None:
        self.played = 0

    def __call__(self, block: vc.Block) -> None:
        numbers = np.arange(self.played, self.played + block.frames, dtype=np.float64)
        block.output[:] = ((numbers + 1) * SCALE)[:, None]
        self.played += block.frames


def opened(home: str, folder: Path, **options: Any) -> vc.OutputStream | str:
    """Return a stream in a home, or why there is none."""
    if home in ("low", "safe"):
        return vc.OutputStream(Ramp(), channels=2, latency=home, **options)  # type: ignore[arg-type]
    if home == "isolated":
        if sys.version_info < (3, 12):
            return "needs Python 3.12"
        (folder / "numbered_frames.py").write_text(ISOLATED)
        sys.path.insert(0, str(folder))
        return vc.OutputStream("numbered_frames:ramp", isolated=True, channels=2, **options)
    compiler = shutil.which("cc")
    if compiler is None:
        return "needs a C compiler"
    import ctypes

    source, library = folder / "ramp.c", folder / "ramp.so"
    source.write_text(NATIVE)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source], check=True)
    function = ctypes.CDLL(str(library)).ramp
    callback = vc.NativeCallback(ctypes.cast(function, ctypes.c_void_p).value, ctypes.c_uint64())
    return vc.OutputStream(callback, channels=2, **options)


def faults(heard: NDArray[np.float32], lost_frames: int) -> list[str]:
    """Return what is wrong with a recording of numbered frames, in words.

    Parameters
    ----------
    heard : ndarray of float32, shape (frames, channels)
        The recording, with silence before and after the sound.
    lost_frames : int
        The frames that were reported as lost.
    """
    loud = np.flatnonzero(heard[:, 0])
    if not len(loud):
        return ["nothing came back"]
    sound = heard[loud[0] : loud[-1] + 1]
    found = []
    if (sound[:, 0] != sound[:, 1]).any():
        found.append("the two channels differ")
    numbers = sound[:, 0].astype(np.float64) / SCALE - 1
    numbers = numbers[sound[:, 0] != 0]
    if (numbers != np.round(numbers)).any():
        found.append("samples were changed: is the volume of the device 1.0?")
    steps = np.diff(np.round(numbers))
    if (steps <= 0).any():
        found.append(f"{int((steps <= 0).sum())} times a frame was repeated or came late")
    missing = int((steps[steps > 1] - 1).sum())
    if missing > lost_frames:
        found.append(f"{missing} frames are missing, and {lost_frames} are reported")
    return found


def try_home(home: str, device: str, driver: str, seconds: float, folder: Path) -> tuple[str, str]:
    """Play and record in one home. Return "passed", "FAILED" or "not run", and why."""
    stream = opened(home, folder, device=device, driver=driver)
    if isinstance(stream, str):
        return "not run", stream
    recording = vc.record(
        duration_s=seconds + 2 * LEAD_IN_S, device=device, driver=driver, channels=2
    )
    try:
        with stream:
            stream.wait(timeout=seconds)
        heard: Any = recording.wait(timeout=seconds + 30)
    finally:
        stream.close()
    if heard is None:
        recording.stop()
        return "FAILED", "the recording does not end"
    lost = stream.statistics().lost_frames + recording.lost_frames
    found = faults(heard, lost)
    frames = np.count_nonzero(heard[:, 0])
    return ("FAILED", "; ".join(found)) if found else ("passed", f"{frames} frames, {lost} lost")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="BlackHole")
    parser.add_argument("--driver", default="coreaudio")
    parser.add_argument("--seconds", type=float, default=3.0)
    options = parser.parse_args()
    counts = {"passed": 0, "FAILED": 0, "not run": 0}
    with tempfile.TemporaryDirectory() as folder:
        for home in HOMES:
            try:
                verdict, why = try_home(
                    home, options.device, options.driver, options.seconds, Path(folder)
                )
            except vc.VoicecoilError as error:
                verdict, why = "FAILED", f"{type(error).__name__}: {error}"
            counts[verdict] += 1
            print(f"{verdict:<8} {home:<9} {why}", flush=True)
    print(f"{counts['passed']} passed, {counts['FAILED']} failed, {counts['not run']} not run")
    return 1 if counts["FAILED"] else 0


if __name__ == "__main__":
    sys.exit(main())
