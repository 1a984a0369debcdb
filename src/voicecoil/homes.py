"""Where a callback runs, and how far ahead of the device: see docs/latency.md."""

from __future__ import annotations

import math
from typing import Any, Literal

from voicecoil import _core
from voicecoil.drivers.driver import DriverStream, Got
from voicecoil.errors import ArgumentError

__all__ = ["SAFE_LEAD_S", "lead_frames", "run_ahead"]

# Twelve of the 5 ms after which CPython makes a thread give up the GIL, and more than the longest
# things that ordinary programs do without giving it up.
SAFE_LEAD_S = 0.060
SAFE_CYCLES = 2


def lead_frames(
    latency: Literal["safe", "low"] | float, got: Got, block_frames: int, duplex: bool
) -> int:
    """Frames by which what is made now is heard later than without a lead; 0: on the IO thread.

    At least the one cycle in which the callback runs; whole cycles where they do not vary.
    """
    if latency == "low":
        return 0
    cycle = got.max_frames
    wanted = SAFE_LEAD_S if latency == "safe" else latency
    frames = math.ceil(wanted * got.samplerate)
    if latency == "safe":
        frames = max(frames, SAFE_CYCLES * cycle)
    frames = max(frames, cycle)
    if got.device_frames:
        frames = -(-frames // cycle) * cycle
    fits = got.device_frames and got.device_frames % block_frames == 0
    return frames + (block_frames if duplex and not fits else 0)


def run_ahead(
    code: _core.Code,
    driver_stream: DriverStream,
    maps: tuple[list[int], list[int]],
    block_frames: int,
    lead: int,
) -> _core.Worker:
    """`code` on a thread of its own, `lead` frames ahead of the device."""
    got = driver_stream.got
    return _core.Worker(
        code,
        input_channels=len(maps[0]),
        output_channels=len(maps[1]),
        block_frames=block_frames,
        device_frames=got.max_frames,
        lead_frames=lead,
        samplerate_hz=got.samplerate,
        # A device in real time waits for nobody. One whose time is made up waits, so that what is
        # heard depends on nothing but the program.
        waited_for=driver_stream.clock is not None,
    )


def check_home(latency: Literal["safe", "low"] | float, native: bool, zero_copy: Any) -> None:
    """What cannot go together.

    Raises
    ------
    ArgumentError
    """
    if native and not isinstance(latency, str):
        raise ArgumentError(
            f"latency={latency!r}; a native callback runs on the device's thread and needs no "
            "lead: leave latency out"
        )
    if zero_copy and not native and latency != "low":
        raise ArgumentError(
            f"zero_copy=True with latency={latency!r}; the device's own memory is there only on "
            'its own thread: give latency="low", or leave zero_copy out'
        )
