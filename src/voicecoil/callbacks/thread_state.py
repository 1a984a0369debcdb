"""Python thread states that the IO thread of a device has left behind."""

from __future__ import annotations

from voicecoil import _core
from voicecoil.errors import DriverError, StreamStateError
from voicecoil.lifetime import exit_and_fork

__all__ = ["reap_thread_state"]


def reap_thread_state(code: _core.PythonCode) -> None:
    """Delete a Python thread state that an IO thread has left behind (see bridge.h).

    The state is deleted on a new thread, which ends immediately afterwards.
    """
    try:
        thread = exit_and_fork.start_thread(code.reap, "voicecoil reaper")
    except (DriverError, StreamStateError):
        return  # the interpreter deletes the remaining thread states when it ends
    thread.join(1.0)
