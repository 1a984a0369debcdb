"""The common part of the streams of all drivers: start and end, lost devices, overdue cycles."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from voicecoil.errors import (
    DeviceLostError,
    DriverError,
    ForkedError,
    StreamStateError,
    StreamTimeoutError,
)
from voicecoil.lifetime import exit_and_fork

if TYPE_CHECKING:
    from voicecoil._core import Clock, Engine
    from voicecoil.drivers.protocol import OpenedFormat, ThreadGroup
    from voicecoil.events import Event

__all__ = ["DriverStreamBase", "Port"]


class Port(Protocol):
    """The part of an IO thread's callback that the control plane uses; see core/port.h."""

    @property
    def turn(self) -> int:
        """A counter that is odd while the callback runs."""

    @property
    def last_host_ns(self) -> int:
        """Host time of the newest cycle, ns; 0 before the first cycle."""


class DriverStreamBase:
    """The common part of a `DriverStream`.

    A driver overrides the methods `_start`, `stop`, `_close` and `_notice`. It also overrides
    `look`, `events` and `overloads` if its audio system supports them.

    Parameters
    ----------
    name : str
        Name of the device, for messages.
    opened_format : OpenedFormat
    clock : Clock or None
        The clock that times the cycles; None: the machine's.
    """

    def __init__(self, name: str, opened_format: OpenedFormat, clock: Clock | None = None) -> None:
        self._name = name
        self._opened_format = opened_format
        self._clock = clock
        self._generation = exit_and_fork.generation()
        self._started_ns = 0  # host time at which the device was started; 0: no cycle is due
        self._lost: str | None = None  # why the device is lost
        self._closed = False
        self._looking = threading.Lock()  # held while a thread checks the device

    @property
    def opened_format(self) -> OpenedFormat:
        return self._opened_format

    @property
    def clock(self) -> Clock | None:
        return self._clock

    @property
    def overloads(self) -> int:
        return 0

    # ---- start and end ----

    def start(self, engine: Engine) -> None:
        self.look()
        trouble = self.trouble()
        if trouble is not None:
            raise trouble
        self._start(engine)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if not exit_and_fork.forked(self._generation):
            self._close()

    def _start(self, engine: Engine) -> None:
        """Starts the device. The caller has checked that `trouble` reports nothing."""
        raise NotImplementedError

    def _close(self) -> None:
        """Releases the device. Called once, and not in a forked child."""
        raise NotImplementedError

    def _callback_is_stuck(self, timeout_s: float) -> StreamTimeoutError:
        """Returns the error of a `stop` whose engine could not be detached in time."""
        return StreamTimeoutError(
            f"the callback on {self._name!r} did not return within {timeout_s:.3g} s"
        )

    # ---- while the stream runs ----

    def trouble(self) -> Exception | None:
        if exit_and_fork.forked(self._generation):
            return ForkedError("the stream belongs to the parent process")
        if self._lost is None and not self._closed:
            self._notice()
        return DeviceLostError(self._lost) if self._lost is not None else None

    def look(self) -> None:
        """Does nothing, because `trouble` already detects every loss of the device."""

    def events(self) -> list[Event]:
        return []

    def workgroup(self) -> ThreadGroup | None:
        return None

    def _notice(self) -> None:
        """Sets `_lost` to the reason if no cycle will come any more. It must not wait."""
        raise NotImplementedError

    def _quiet_s(self, port: Port | None, now_ns: int) -> float | None:
        """Returns the seconds since the newest cycle, or since the start.

        Returns None if the device does not run, or if its callback has not returned. In both cases
        it is normal that no cycle comes.
        """
        if port is None or self._started_ns == 0 or port.turn % 2 == 1:
            return None
        return (now_ns - max(port.last_host_ns, self._started_ns)) / 1e9

    def _overdue_text(self, limit_s: float) -> str:
        """Returns the reason for the loss of a device that made no cycle for `limit_s`."""
        return f"the device {self._name!r} runs, but no IO cycle came for {limit_s:g} s"

    def _look_on_a_thread(self, look: Callable[[], None]) -> None:
        """Runs `look` on a new thread, because it can take seconds.

        Does nothing while an earlier `look` runs.
        """
        if self._looking.locked():
            return

        # The new thread takes the lock, not the caller. When the caller took it, an exception of a
        # signal handler left the lock taken, and the device was never checked again.
        def run() -> None:
            if self._looking.acquire(blocking=False):
                try:
                    look()
                finally:
                    self._looking.release()

        with contextlib.suppress(DriverError, StreamStateError):  # a later call tries again
            exit_and_fork.start_thread(run, "voicecoil looks at a device")
