"""The priority of the thread on which a callback runs ahead of the device."""

from __future__ import annotations

import errno
import os
import sys
from dataclasses import dataclass
from typing import Literal

from voicecoil import _core

__all__ = ["ThreadPriority", "priority_of"]

Policy = Literal["ordinary", "fifo", "rr", "qos", "mmcss", "lowered"]
# The order is that of the C enum vc_policy.
_POLICIES: tuple[Policy, ...] = ("ordinary", "fifo", "rr", "qos", "mmcss", "lowered")


@dataclass(frozen=True)
class ThreadPriority:
    """The scheduling policy and priority of a thread.

    Attributes
    ----------
    policy : str
        "fifo" (SCHED_FIFO), "rr" (SCHED_RR, from RealtimeKit), "qos" (macOS: user interactive),
        "mmcss" (Windows: the task "Audio"). "ordinary": the system granted no higher priority.
        "lowered": the thread had a higher priority, and lost it because it computed without a
        pause.
    level : int
        Priority under SCHED_FIFO and SCHED_RR, 1 to 99; 0 under the other policies.
    detail : str
        Why the policy is "ordinary" or "lowered"; otherwise "".
    """

    policy: Policy
    level: int
    detail: str

    @property
    def is_realtime(self) -> bool:
        """Whether the thread runs before all threads of ordinary priority."""
        return self.policy not in ("ordinary", "lowered")


def priority_of(worker: _core.Worker) -> ThreadPriority:
    """Return the priority that the worker's thread has now, or had when it ended."""
    policy, level, error, _ = worker.thread
    name = _POLICIES[policy]
    if name == "lowered":
        return ThreadPriority(
            name, 0, "it computed for 0.2 s at a stretch, or for nearly all of a second"
        )
    if name != "ordinary":
        return ThreadPriority(name, level, "")
    return ThreadPriority(name, 0, _why(error))


def _why(error: int) -> str:
    if error == 0:
        return "nothing was asked for: the device's clock is not real, or the thread never ran"
    if error == errno.ECANCELED:
        return "the program handles SIGXCPU itself since the stream was started"
    why = os.strerror(error)
    if sys.platform != "linux":
        return why
    from voicecoil.streams import realtimekit

    return f"SCHED_FIFO: {why}; RealtimeKit: {realtimekit.answer()} (see docs/latency.md)"
