"""A sound system for one driver, with the deadlines and the name of that driver."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TypeVar

from voicecoil.drivers.call_thread import QUEUE_S
from voicecoil.drivers.miniaudio import library
from voicecoil.drivers.miniaudio.kinds import Kind, Timeouts
from voicecoil.drivers.miniaudio.library import Library
from voicecoil.drivers.miniaudio.session import Session
from voicecoil.drivers.miniaudio.system import system_of
from voicecoil.drivers.protocol import Device
from voicecoil.errors import DriverError, StreamTimeoutError

__all__ = ["Backend"]

Result = TypeVar("Result")
# No further calls are made if this number of calls hang, because each occupies a thread.
MAX_HANGING = 3


class Backend:
    """One sound system, for one driver.

    Parameters
    ----------
    kind : Kind
    driver : str
        The driver's name, for devices and messages.
    timeouts : Timeouts

    Attributes
    ----------
    absence : str
        Why the sound system had no devices when they were last listed, in a few words.
    defaults : (str or None, str or None)
        The uids of the default devices (input, output) that the sound system reported when they
        were last listed.
    """

    def __init__(self, kind: Kind, driver: str, timeouts: Timeouts) -> None:
        self.kind = kind
        self.timeouts = timeouts
        self.system = system_of(kind)
        self.absence = "not asked"
        self.defaults: tuple[str | None, str | None] = (None, None)
        self._driver = driver

    @property
    def library(self) -> Library:
        """The miniaudio library, loaded when it is first needed. Raises `DriverError`."""
        return library.load()

    @property
    def session(self) -> Session:
        """The session of the current call. Use it on that call's thread."""
        return self.system.session

    def call(
        self,
        name: str,
        work: Callable[[], Result],
        timeout_s: float,
        undo: Callable[[Result], None] | None = None,
        queue_s: float = QUEUE_S,
        later: bool = False,
        meanwhile: Callable[[], object] | None = None,
    ) -> Result:
        """Runs `work` on the thread that calls this sound system; see `CallThread.call`."""
        return self.system.thread.call(
            name, work, timeout_s, undo, queue_s=queue_s, later=later, meanwhile=meanwhile
        )

    def check_answers(self) -> None:
        """Raises `StreamTimeoutError` if too many calls have not returned."""
        self.system.thread.check_not_forked()
        hanging = self.system.thread.hanging
        if len(hanging) >= MAX_HANGING:
            raise StreamTimeoutError(
                f"{self.kind.title} has not returned from {len(hanging)} calls "
                f"({'; '.join(dict.fromkeys(hanging))}), and gets no more calls until one returns. "
                "If its server is stopped or suspended, continue or restart it"
            )

    def shared_session(self) -> AbstractContextManager[None]:
        """Context for listing devices and opening one."""
        return self.system.shared_session(self.timeouts.stop_s)

    def _look(self) -> tuple[list[Device], tuple[str | None, str | None]]:
        session = self.session
        return session.look(), session.defaults

    def missing(self, device: Device) -> str | None:
        """Returns why a device runs no cycles; None if the device exists or no reason is known."""
        if self.system.thread.hanging:
            return None  # the server may only be slow, and one more call would hang, too
        try:
            limit_s = self.timeouts.look_s  # also limits the wait for other calls, which may hang
            listed, _ = self.call(
                f"looking for {device.name!r}", self._look, limit_s, queue_s=limit_s
            )
        except DriverError:
            return f"the server of {self.kind.title} stopped, and {device.name!r} with it"
        except StreamTimeoutError:
            return None
        if all(one.uid != device.uid for one in listed):
            return f"the device {device.name!r} was removed"
        return None

    def devices(self) -> list[Device]:
        """Lists the devices, the default one first. Empty if the system does not answer."""
        limit_s = self.timeouts.probe_s
        name = f"asking {self.kind.title} for its devices"
        try:
            self.check_answers()
            # The library is loaded meanwhile, because listing takes 20 ms in JACK and does not need
            # the library.
            listed, self.defaults = self.call(name, self._look, limit_s, meanwhile=library.load)
        except DriverError:
            library.load()  # raises again if the library was the cause
            self.absence = "no server" if self.system.has_library() else "not installed"
            return []
        except StreamTimeoutError:
            self.absence = f"no answer within {limit_s:g} s"
            return []
        self.absence = "no device"
        return [replace(device, driver=self._driver) for device in listed]
