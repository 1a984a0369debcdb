"""What follows AudioDeviceStop, for ``voicecoil doctor --record``.

Sources disagree about whether AudioDeviceStop waits for the IOProc, and whether calls of it follow.
So an IOProc of our own counts its calls around a stop, once on another thread and once in the
IOProc itself. It is a Python function, which is good enough to be counted: it plays silence.
"""

from __future__ import annotations

import ctypes
import struct
import threading
from typing import TYPE_CHECKING, Any, Literal

from voicecoil import raw
from voicecoil.doctor.notifying import Listeners
from voicecoil.drivers.coreaudio.hal import INPUT, SYSTEM
from voicecoil.drivers.coreaudio.status import four_characters
from voicecoil.errors import DriverError, StreamTimeoutError, VoicecoilError

if TYPE_CHECKING:
    from voicecoil.hal.connection import Connection

__all__ = ["calls_after_stops", "record_stops", "status_of", "switches_of"]

CALLS = 3  # calls of the IOProc before the stop
STEP_NS = 10_000_000
FIRST_CALL_NS = 5_000_000_000  # the longest wait for these calls
AFTER_NS = 300_000_000  # how long calls are counted after the stop
SECONDS = 30.0  # deadline of both stops together
_kept: list[Any] = []  # a function that CoreAudio may still call is never freed


def status_of(call: Any, *arguments: Any) -> str:
    """Call a function of `voicecoil.raw` and return its status as text.

    Parameters
    ----------
    call : callable
        The function.
    *arguments : Any
        Its arguments.

    Returns
    -------
    str
        ``"ok"``, or the four characters.
    """
    try:
        call(*arguments)
    except DriverError as error:
        return four_characters(error.code or 0)
    return "ok"


class _Calls:
    """The calls of an IOProc, and a stop in one of them."""

    def __init__(self, connection: Connection, frameworks: Any, device: int) -> None:
        self._connection = connection
        self._library = connection.library
        self._frameworks = frameworks
        self._device = device
        self.calls: list[tuple[int, int]] = []  # host time, ns, and native thread ID
        self.stop_here = False
        self.stop: tuple[int, int, int, str] | None = None  # calls before, begin, end, status
        self.proc_id = ctypes.c_void_p()
        self.function = raw.AudioDeviceIOProc(self._call)
        _kept.append(self.function)

    def _call(self, *_: Any) -> int:
        self.calls.append((self._library.now_ns(), threading.get_native_id()))
        if self.stop_here and self.stop is None and len(self.calls) >= CALLS:
            self.stop_now()
        return 0

    def make(self, without_input: bool) -> None:
        """Makes the IOProc. Without input, it opens no microphone of a device that also plays."""
        calls = self._frameworks
        calls.AudioDeviceCreateIOProcID(
            self._device, self.function, None, ctypes.byref(self.proc_id)
        )
        hal = self._connection.driver.hal
        streams = len(hal.buffers(self._device, INPUT)) if without_input else 0
        if streams:
            usage = struct.pack(f"<QI{streams}I", self.proc_id.value, streams, *[0] * streams)
            address = raw.AudioObjectPropertyAddress(raw.kAudioDevicePropertyIOProcStreamUsage)
            address.mScope = INPUT
            calls.AudioObjectSetPropertyData(
                self._device, ctypes.byref(address), 0, None, len(usage), usage
            )

    def stop_now(self) -> None:
        """Calls AudioDeviceStop."""
        begin = self._library.now_ns()
        status = status_of(self._frameworks.AudioDeviceStop, self._device, self.proc_id)
        self.stop = len(self.calls), begin, self._library.now_ns(), status

    def wait_for_calls(self) -> None:
        """Waits until the IOProc was called often enough, or, in it, has stopped the device."""
        until = self._library.now_ns() + FIRST_CALL_NS
        while self.stop is None if self.stop_here else len(self.calls) < CALLS:
            if self._library.now_ns() > until:
                raise StreamTimeoutError("the device was started, but too few IO cycles came")
            self._library.wait_ns(STEP_NS)


def record_stops(connection: Connection, direction: Literal["output", "input"]) -> dict[str, Any]:
    """Start and stop the default device, and return what follows each stop.

    It plays silence meanwhile.

    Parameters
    ----------
    connection : Connection
        The CoreAudio.
    direction : {"output", "input"}
        Of the default device. With "output", its microphone stays closed.

    Returns
    -------
    dict
        For a stop on another thread and one in the IOProc: the status, the number of calls before
        and after the stop returned, whether those came on the same thread as the calls before, and
        the times from the return to the last call, and that the stop took, ns. The notifications
        meanwhile are those of `Listeners.summary`. A stop that could not be recorded has only an
        ``"error"``.
    """
    frameworks = raw.connect(connection.driver)

    def record(in_the_ioproc: bool) -> dict[str, Any]:
        device = connection.reader.u32(SYSTEM, "dOut" if direction == "output" else "dIn ")
        calls = _Calls(connection, frameworks, device)
        calls.stop_here = in_the_ioproc
        listeners = Listeners(frameworks, device)
        try:
            calls.make(without_input=direction == "output")
            never_started = status_of(frameworks.AudioDeviceStop, device, calls.proc_id)
            frameworks.AudioDeviceStart(device, calls.proc_id)
            try:
                calls.wait_for_calls()
                if not in_the_ioproc:
                    calls.stop_now()
                connection.library.wait_ns(AFTER_NS)
            finally:
                if calls.stop is None:
                    frameworks.AudioDeviceStop(device, calls.proc_id)
        finally:
            listeners.end()
            if calls.proc_id:
                frameworks.AudioDeviceDestroyIOProcID(device, calls.proc_id)
        told = listeners.summary({thread for _, thread in calls.calls})
        return {"never_started": never_started, **_summary(calls), "notifications": told}

    def both() -> dict[str, Any]:
        found: dict[str, Any] = {}
        for place in ("on_another_thread", "in_the_ioproc"):
            try:
                found[place] = record(place == "in_the_ioproc")
            except VoicecoilError as error:
                found[place] = {"error": type(error).__name__}
        return found

    try:
        return connection.driver.call("recording a stop", both, SECONDS)  # it adds listeners
    except VoicecoilError as error:
        return {"error": type(error).__name__}


def _summary(calls: _Calls) -> dict[str, Any]:
    assert calls.stop is not None
    before, begin_ns, end_ns, status = calls.stop
    later = calls.calls[before:]
    threads = {thread for _, thread in calls.calls[:before]}
    return {
        "status": status,
        "stop_ns": end_ns - begin_ns,
        "calls_before": before,
        "calls_after": len(later),
        "same_thread": all(thread in threads for _, thread in later) if later else None,
        "last_call_after_ns": later[-1][0] - end_ns if later else None,
    }


def calls_after_stops(recorded: dict[str, Any]) -> dict[str, int]:
    """Return how many calls of an IOProc came after AudioDeviceStop had returned.

    Parameters
    ----------
    recorded : dict
        What `record_answers` returned.

    Returns
    -------
    dict of str to int
        For each of the stops that was recorded.
    """
    stops = (recorded.get("io") or {}).get("stop") or {}
    return {
        place: stop["calls_after"]
        for place, stop in stops.items()
        if isinstance(stop, dict) and "calls_after" in stop
    }


def switches_of(recorded: dict[str, Any]) -> dict[str, int]:
    """Return the switches with which a simulated CoreAudio answers as a recording does.

    Parameters
    ----------
    recorded : dict
        What `record_answers` returned.

    Returns
    -------
    dict of str to int
        For ``SimulatedCoreAudio(switches=...)``. A switch whose situation was not recorded is left
        out.
    """
    answers = {
        ("dead_device_error", "stop of an unknown device"): ("'!obj'", "'!dev'"),
        ("set_readonly_error", "set of a read-only property"): ("'who?'", "'unop'", "'nope'"),
    }
    found = {
        switch: known.index(status)
        for (switch, situation), known in answers.items()
        if (status := recorded["statuses"].get(situation)) in known
    }
    if (calls := calls_after_stops(recorded).get("on_another_thread")) is not None:
        found["stop_mode"] = int(calls > 0)
        if calls > 0:
            found["stop_extra_cycles"] = calls
    return found
