"""A wait for what no other thread announces, such as that the last frame was heard."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["poll_until"]

POLL_S = 0.02


def poll_until(is_true: Callable[[], bool], timeout_s: float | None) -> bool:
    """Calls `is_true` every 20 ms until it returns True.

    Parameters
    ----------
    is_true : callable
    timeout_s : float or None
        Longest wait, s. None waits without a limit.

    Returns
    -------
    bool
        False if `timeout_s` has passed.
    """
    until = None if timeout_s is None else time.monotonic() + timeout_s
    while not is_true():
        left_s = POLL_S if until is None else until - time.monotonic()
        if left_s <= 0:
            return False
        time.sleep(min(POLL_S, left_s))
    return True
