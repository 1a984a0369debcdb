"""The taps of a driver's open streams, which record the sound of other programs."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from voicecoil.drivers.coreaudio import devices
from voicecoil.drivers.coreaudio.hal import SYSTEM
from voicecoil.drivers.protocol import Device, OpenRequest
from voicecoil.drivers.system_audio import SystemAudioDevice
from voicecoil.errors import VoicecoilError
from voicecoil.lifetime import exit_and_fork

if TYPE_CHECKING:
    from voicecoil.drivers.coreaudio.driver import CoreAudioDriver
    from voicecoil.drivers.coreaudio.taps import TapSession

__all__ = ["OpenTaps"]

LIMIT_S = 12.0  # for the creation of a tap and its aggregate


class OpenTaps:
    """Makes and ends taps, and gives them the processes that programs start later.

    Parameters
    ----------
    driver : CoreAudioDriver
    """

    def __init__(self, driver: CoreAudioDriver) -> None:
        self._driver = driver
        self._lock = threading.Lock()
        self._open: dict[int, TapSession] = {}
        self._changed = self._ticks = self._hears = False

    def limit_s(self, device: Device) -> float:
        """The time that the creation of a device may take, s."""
        return LIMIT_S if isinstance(device, SystemAudioDevice) else 0

    def clock_of(self, device: Device) -> Device | None:
        """The device that clocks a device; None: taps alone, whose rate cannot be set."""
        return device.clock if isinstance(device, SystemAudioDevice) else device

    def check(self) -> None:
        from voicecoil.drivers.coreaudio.taps import check

        limit_s = self._driver.timeouts.call_s
        self._driver.ask("looking for taps", lambda: check(self._driver.hal), limit_s)

    def playing(self, device: Device) -> list[str] | None:
        from voicecoil.drivers.coreaudio.taps import playing

        if not isinstance(device, SystemAudioDevice):
            return None
        wanted = device.request
        limit_s = self._driver.timeouts.call_s
        return self._driver.ask(
            "listing the processes", lambda: playing(self._driver.hal, wanted), limit_s
        )

    # ---- on the call thread ----

    def open(self, request: OpenRequest) -> tuple[int, OpenRequest]:
        """Returns the object of the request's device, and the request with that device's channels.

        The sound of programs becomes a device of its own.
        """
        device = request.device
        if not isinstance(device, SystemAudioDevice):
            return devices.find_id(self._driver.hal, device), request
        from voicecoil.drivers.coreaudio.taps import TapSession

        session = TapSession(self._driver.hal, self._driver.library.paths, device)
        with self._lock:
            self._open[session.device_id] = session
        try:
            self._follow()
            mapped = session.mapped(request)
        except BaseException:
            self.close(session.device_id)
            raise
        return session.device_id, mapped

    def close(self, device_id: int) -> None:
        """Ends the tap of a device; does nothing for another device."""
        with self._lock:
            session = self._open.pop(device_id, None)
            last = session is not None and not self._open
        if session is not None:
            if last:
                self._hears = False
                self._driver.changes.forget(self)
            session.end()

    def _follow(self) -> None:
        """Listens to the list of processes, which changes when a program starts or ends."""
        if not self._hears:
            self._driver.changes.listen(self, SYSTEM, "prs#")
            self._hears = True
        if not self._ticks:
            self._ticks = True
            exit_and_fork.tick(self._look)

    def _update(self) -> None:
        with self._lock:
            sessions = list(self._open.values())
        for session in sessions:
            session.update()

    # ---- on any thread ----

    def changed(self, host_ns: int, object_id: int, property_selector: int) -> None:
        self._changed = True

    def changes_lost(self) -> None:
        self._changed = True

    def _look(self) -> bool:
        """Runs regularly on the listener thread while taps are open."""
        if not self._open:
            self._ticks = False
            return False
        self._driver.changes.dispatch()
        if self._changed:
            self._changed = False
            exit_and_fork.tell(self._tell)
        return True

    def _tell(self) -> None:
        try:
            self._driver.call("updating taps", self._update, self._driver.timeouts.call_s)
        except VoicecoilError as error:
            exit_and_fork.report(error, self._tell)
