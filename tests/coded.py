"""Test data that shows which frame is wrong: every sample says its frame and its channel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CHANNELS = 8  # at most; the code of a channel is its number in eighths of a step
SCALE = 2.0**-20


def coded(first_frame: int, frames: int, channels: int) -> NDArray[np.float32]:
    """Part of an endless coded signal, shape (frames, channels); exact in float32.

    Frame 0, channel 0 is not silence, so that silence is never mistaken for a frame.
    """
    frame = np.arange(first_frame, first_frame + frames)[:, None]
    channel = np.arange(channels)[None, :]
    return ((frame * CHANNELS + channel + 1) * SCALE).astype(np.float32)


def aligned(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """Coded frames without the silence that a server put between them.

    A server whose clock does not wait for its clients (PulseAudio's) plays silence when one of
    them is late, and then goes on with the frame at which it was: no frame is lost or heard twice,
    which is what a test can ask for on a machine that others use, too.
    """
    return frames[frames.any(axis=1)]


def decode(sample: float) -> str:
    """Which frame and channel a sample is."""
    code = round(float(sample) / SCALE)
    if code == 0:
        return "silence"
    return f"frame {(code - 1) // CHANNELS}, channel {(code - 1) % CHANNELS}"


def assert_coded(frames: NDArray[np.float32], first_frame: int = 0) -> None:
    """Fails with the first frame that is not the one that it should be."""
    wanted = coded(first_frame, *frames.shape)
    if np.array_equal(frames, wanted):
        return
    at, channel = np.argwhere(frames != wanted)[0]
    raise AssertionError(
        f"at frame {at}, channel {channel} of {frames.shape}: should be "
        f"{decode(wanted[at, channel])}, is {decode(frames[at, channel])} "
        f"({frames[at, channel]!r})"
    )
