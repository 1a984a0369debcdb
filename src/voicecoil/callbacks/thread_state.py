"""Python thread states that the IO thread of a device has left behind."""

from __future__ import annotations

from voicecoil import _core
from voicecoil.errors import DriverError, StreamStateError
from voicecoil.lifetime import exit_and_fork

__all__ = ["reap_thread_state"]


def reap_thread_state(code: _core.PythonCode) -> None:
    """Deletes a Python thread state whose thread is gone, on a new thread (see bridge.h)."""
    try:
        thread = exit_and_fork.start_thread(code.reap, "voicecoil reaper")
    except (DriverError, StreamStateError):
        return  # when the interpreter ends it deletes the remaining thread states itself
    thread.join(1.0)
