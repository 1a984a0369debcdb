"""The limits of public arguments."""

from __future__ import annotations

__all__ = [
    "BLOCK_RANGE_FRAMES",
    "CHANNEL_RANGE",
    "FILE_RATE_RANGE_HZ",
    "MAX_GAIN",
    "MAX_LEAD_S",
    "RATE_RANGE_HZ",
]

RATE_RANGE_HZ = (1_000.0, 768_000.0)
"""Sample rates that a device may run at."""

FILE_RATE_RANGE_HZ = (100, 1_536_000)
"""Sample rates that an array, a file or a conversion may have. They are whole numbers."""

BLOCK_RANGE_FRAMES = (1, 65_536)
"""Frames per block."""

CHANNEL_RANGE = (1, 1_024)
"""Channels of a stream in one direction."""

MAX_LEAD_S = 10.0
"""The longest time by which a callback may run ahead of its device."""

MAX_GAIN = 1e6
"""The largest linear gain, 120 dB. A larger gain is a mistake and can overflow float32."""
