"""Test signals in which every sample encodes its frame and its channel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CHANNELS = 8  # largest number of channels, and the difference of the codes of two frames
SCALE = 2.0**-20


def coded(first_frame: int, frames: int, channels: int) -> NDArray[np.float32]:
    """Returns a part of an endless coded signal, shape (frames, channels).

    Each sample has the value (frame * CHANNELS + channel + 1) * SCALE, which is exact in float32.
    Because of the 1, no sample is silence.
    """
    frame = np.arange(first_frame, first_frame + frames)[:, None]
    channel = np.arange(channels)[None, :]
    return ((frame * CHANNELS + channel + 1) * SCALE).astype(np.float32)


def aligned(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns coded frames without the silence that a server has inserted between them.

    A server such as PulseAudio does not wait for its clients. If a client is late, the server plays
    silence and then continues with the next frame. So even on a busy machine, no frame is lost or
    repeated.
    """
    return frames[frames.any(axis=1)]


def decode(sample: float) -> str:
    """Returns the frame and the channel of a sample."""
    code = round(float(sample) / SCALE)
    if code == 0:
        return "silence"
    return f"frame {(code - 1) // CHANNELS}, channel {(code - 1) % CHANNELS}"


def assert_coded(frames: NDArray[np.float32], first_frame: int = 0) -> None:
    """Fails at the first frame that is not the expected one."""
    wanted = coded(first_frame, *frames.shape)
    if np.array_equal(frames, wanted):
        return
    at, channel = np.argwhere(frames != wanted)[0]
    raise AssertionError(
        f"at frame {at}, channel {channel} of {frames.shape}: should be "
        f"{decode(wanted[at, channel])}, is {decode(frames[at, channel])} "
        f"({frames[at, channel]!r})"
    )
