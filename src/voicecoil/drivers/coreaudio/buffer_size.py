"""The buffer size of a device, which is the number of frames in its IO cycles.

All functions run on the call thread.
"""

from __future__ import annotations

from voicecoil.drivers.coreaudio.hal import Hal, Range
from voicecoil.drivers.coreaudio.status import DEAD
from voicecoil.drivers.coreaudio.timeouts import Timeouts, wait_until
from voicecoil.errors import DriverError

__all__ = ["MAX_BUFFER_FRAMES", "choose_buffer"]

MAX_BUFFER_FRAMES = 65_536


def choose_buffer(
    hal: Hal, device: int, block_frames: int | None, timeouts: Timeouts, in_use: bool
) -> int:
    """Sets the number of frames per IO cycle. Returns the number that the device has now.

    The size is written even if it does not change, because some devices run no cycles until it has
    been written.
    """
    now = _buffer(hal, device)
    if in_use or not hal.settable(device, "fsiz"):
        return now
    target = now
    if block_frames is not None:
        limits = hal.range(device, "fsz#") if hal.has(device, "fsz#") else Range(now, now)
        # The buffer is a whole number of blocks, so that each cycle ends with the end of a block.
        blocks = max(1, -int(-limits.low // block_frames)) if limits.low > 0 else 1
        target = int(min(max(blocks * block_frames, limits.low), limits.high, MAX_BUFFER_FRAMES))
        target = max(1, target)
    try:
        hal.set_u32(device, "fsiz", target)
    except DriverError as error:
        if error.code in DEAD:
            raise
        return now  # the device refuses another buffer size
    wait_until(hal, lambda: _buffer(hal, device) == target, timeouts.buffer_s)
    return _buffer(hal, device)


def _buffer(hal: Hal, device: int) -> int:
    frames = hal.u32(device, "fsiz")
    if not 1 <= frames <= MAX_BUFFER_FRAMES:
        raise DriverError(
            f"{hal.name_of(device)} says that its buffer has {frames} frames; choose another "
            "device",
            call="AudioObjectGetPropertyData",
        )
    return frames
