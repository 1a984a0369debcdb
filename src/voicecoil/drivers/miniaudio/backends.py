"""A sound system as one driver has it: with its deadlines, and words for what it does not say."""

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
# More calls than that are not left hanging: each has a thread, and a connection of its own.
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
        Why it has no devices, in two words or so, as of the newest list.
    defaults : (str or None, str or None)
        uids of the (input, output) that the sound system uses itself, as of the newest list.
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
        """Loaded when it is first needed. Raises `DriverError`."""
        return library.load()

    @property
    def session(self) -> Session:
        """What the thread has that is making the call under way."""
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
        """Runs `work` on the thread that calls this sound system; see `ControlThread.call`."""
        return self.system.thread.call(
            name, work, timeout_s, undo, queue_s=queue_s, later=later, meanwhile=meanwhile
        )

    def check_answers(self) -> None:
        """Raises `StreamTimeoutError` where too many calls have not come back."""
        self.system.thread.check_not_forked()
        hanging = self.system.thread.hanging
        if len(hanging) >= MAX_HANGING:
            raise StreamTimeoutError(
                f"{self.kind.title} has not come back from {len(hanging)} calls "
                f"({'; '.join(dict.fromkeys(hanging))}) and is not asked any more until one does: "
                "is its server stopped or suspended? Continue it, or restart it"
            )

    def held(self) -> AbstractContextManager[None]:
        """Around listing devices and opening one."""
        return self.system.held(self.timeouts.stop_s)

    def _look(self) -> tuple[list[Device], tuple[str | None, str | None]]:
        session = self.session
        return session.look(), session.defaults

    def missing(self, device: Device) -> str | None:
        """Why a device gives no cycles, where that can be seen; None: it is there."""
        if self.system.thread.hanging:
            return None  # it may only be slow; one more call would only hang beside the others
        try:
            limit_s = self.timeouts.look_s  # also for another stream's call, which may hang
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
        """Its devices, the default one first; none when it is not there."""
        limit_s = self.timeouts.probe_s
        name = f"asking {self.kind.title} for its devices"
        try:
            self.check_answers()
            # JACK's list takes 20 ms, of waiting, and not this library.
            listed, self.defaults = self.call(name, self._look, limit_s, meanwhile=library.load)
        except DriverError:
            library.load()  # raises again, if that was the trouble
            self.absence = "no server" if self.system.has_library() else "not installed"
            return []
        except StreamTimeoutError:
            self.absence = f"no answer within {limit_s:g} s"
            return []
        self.absence = "no device"
        return [replace(device, driver=self._driver) for device in listed]
