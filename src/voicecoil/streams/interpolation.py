"""Values between the frames of a signal, by a windowed sinc."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["REACH", "interpolate"]

REACH = 32  # frames on each side of a position that count for its value
PHASES = 512  # positions between two frames for which the weights are tabulated
PASS = 0.92  # edge of the pass band, as a part of the lower one of the two rates


@functools.lru_cache(maxsize=8)
def _weights(cutoff: float) -> NDArray[np.float32]:
    """Return the weights of the frames around a position, shape (PHASES + 1, 2 * REACH)."""
    import numpy as np

    phase = np.arange(PHASES + 1)[:, None] / PHASES
    distance = np.arange(-REACH + 1, REACH + 1)[None, :] - phase
    band = PASS * cutoff if cutoff < 1.0 else 1.0
    window = np.kaiser(4 * REACH * PHASES + 1, 8.0)
    at = np.rint((distance / REACH + 1.0) * 2 * REACH * PHASES).astype(np.int64)
    weights = band * np.sinc(band * distance) * window[np.clip(at, 0, len(window) - 1)]
    weights /= weights.sum(axis=1, keepdims=True)
    return np.ascontiguousarray(weights, np.float32)


def interpolate(
    frames: NDArray[np.float32], positions: NDArray[np.float64], cutoff: float
) -> NDArray[np.float32]:
    """Return the values of a signal at positions between its frames.

    Parameters
    ----------
    frames : ndarray of float32, shape (frames, channels)
        Frames from ``positions[0] - REACH`` to ``positions[-1] + REACH`` or more.
    positions : ndarray of float64
        Each is at least REACH - 1.
    cutoff : float
        The highest frequency that is kept, as a part of half the signal's rate. 1.0: all.
    """
    import numpy as np

    whole = np.floor(positions).astype(np.int64)
    phase = np.rint((positions - whole) * PHASES).astype(np.int64)
    weights = _weights(round(cutoff, 6))[phase]
    around = np.lib.stride_tricks.sliding_window_view(frames, 2 * REACH, axis=0)
    found: NDArray[np.float32] = np.einsum("nck,nk->nc", around[whole - REACH + 1], weights)
    return np.ascontiguousarray(found, np.float32)
