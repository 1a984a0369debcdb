"""A stream on a CoreAudio device: starting, watching and stopping it."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from typing import TYPE_CHECKING

from voicecoil import _core
from voicecoil.drivers.base import DriverStreamBase
from voicecoil.drivers.call_thread import NotBegunError
from voicecoil.drivers.coreaudio import _hal
from voicecoil.drivers.coreaudio.buffer_size import MAX_BUFFER_FRAMES
from voicecoil.drivers.coreaudio.changes import RESTARTED
from voicecoil.drivers.coreaudio.hal import INPUT, OUTPUT, selector
from voicecoil.drivers.coreaudio.opening import Opened, read_latencies
from voicecoil.drivers.coreaudio.sample_rate import rate_is, really_runs_at
from voicecoil.drivers.coreaudio.settings import SETTINGS, read_settings
from voicecoil.drivers.coreaudio.status import DEAD, UNKNOWN_PROPERTY
from voicecoil.drivers.protocol import OpenRequest
from voicecoil.errors import DriverError, ForkedError, StreamTimeoutError, VoicecoilError
from voicecoil.events import Event
from voicecoil.lifetime import exit_and_fork

if TYPE_CHECKING:
    from voicecoil.drivers.coreaudio.driver import CoreAudioDriver

__all__ = ["CoreAudioStream"]

POLL_S = 0.001
LOOK_S = 0.5  # how long a check of the device waits for the calls of other devices
MAX_OVERLOADS = 1024
MAX_CHANGES = 256
_OVERLOAD = selector("over")
_SETTINGS = {selector(text) for text in SETTINGS}


class CoreAudioStream(DriverStreamBase):
    """A `DriverStream` on a CoreAudio device.

    Parameters
    ----------
    driver : CoreAudioDriver
    request : OpenRequest
    opened : Opened
    """

    def __init__(self, driver: CoreAudioDriver, request: OpenRequest, opened: Opened) -> None:
        super().__init__(request.device.name, opened.opened_format, driver.clock)
        self._driver = driver
        self._opened = opened
        self._ioproc: _hal.IOProc | None = None
        self._ended_by_control = False
        self._dirty = False  # the device has changed and was not checked since
        self._overloads: deque[int] = deque(maxlen=MAX_OVERLOADS)
        self._overload_count = 0
        self._last_overload_ns = 0
        # While one of them has another format than now, the IOProc plays silence.
        self._formats = driver.library.watch_formats(
            {
                one.object_id: one.format
                for scope, found in opened.streams.items()
                if opened.places[scope]
                for one in found
            }
        )
        self._settings = opened.settings
        self._settings_ns = 0  # host time of the newest notification of a setting
        self._changes: deque[Event] = deque(maxlen=MAX_CHANGES)

    @property
    def device_id(self) -> int:
        """The AudioObjectID."""
        return self._opened.device

    def check_formats(self) -> None:
        """Checks the formats once more, after the listeners are registered. On the call thread."""
        if self._formats.check():
            self._dirty = True

    @property
    def rates(self) -> tuple[float, float]:
        """The rate at which the device runs, and the one that it reported at opening, Hz."""
        return self._opened.opened_format.samplerate, self._opened.reported_rate

    # ---- start ----

    def _start(self, engine: _core.Engine) -> None:
        opened, driver = self._opened, self._driver
        self._started_ns = 0  # no cycle is due yet
        ioproc = _hal.IOProc(
            engine,
            _core.cycle_run_address(),
            opened.places[INPUT],
            opened.places[OUTPUT],
            opened.connector_frames(INPUT),
            opened.connector_frames(OUTPUT),
            opened.drain_frames,
            driver.library.timebase,
            opened.opened_format.samplerate,
            input_formats=opened.buffer_formats(INPUT),
            output_formats=opened.buffer_formats(OUTPUT),
            room_frames=MAX_BUFFER_FRAMES,
            watched=self._formats,
        )
        # Set before the start, so that `stop` finds the IOProc after any exception.
        self._ioproc, self._ended_by_control = ioproc, False
        try:
            driver.call(
                f"AudioDeviceStart of {self._name!r}",
                lambda: self._start_ioproc(ioproc),
                driver.timeouts.start_s,
                undo=lambda _: self._end(ioproc),
            )
        except (DriverError, NotBegunError):
            self._ioproc = None
            raise
        except BaseException as error:
            # The call continues. If it starts the device after all, the call thread stops the
            # device again. Meanwhile the IOProc does nothing.
            ioproc.detach()
            self._ended_by_control = True
            if isinstance(error, StreamTimeoutError):
                error.add_note(_LEAKED)
            raise
        self._started_ns = driver.library.now_ns()
        self._await_first_cycle(ioproc)

    def _start_ioproc(self, ioproc: _hal.IOProc) -> None:
        hal, device = self._driver.hal, self._opened.device
        self._driver.keep(device, ioproc, self)
        try:
            hal.create_ioproc(device, ioproc)
        except BaseException:
            self._driver.retire(ioproc)
            raise
        try:
            for scope in (INPUT, OUTPUT):
                self._choose_streams(ioproc, scope)
            hal.start(device, ioproc)
        except BaseException as error:
            ioproc.detach()  # CoreAudio may still call the IOProc if it cannot be destroyed
            try:
                self._destroy(ioproc)
            except DriverError as second:
                error.add_note(f"Then {second}")
                error.add_note(_LEAKED)
            raise

    def _choose_streams(self, ioproc: _hal.IOProc, scope: int) -> None:
        """Enables only the AudioStreams that are used, so that a player opens no microphone.

        If all are used, nothing is set, because some devices refuse it ('unop'). An unused output
        that stays enabled only plays silence, so a refusal is tolerated. For an input it is an
        error, because the microphone would be open.
        """
        hal, device, used = self._driver.hal, self._opened.device, self._opened.used(scope)
        if all(used) or not hal.has(device, "suse", scope):
            return
        try:
            hal.use_streams(device, ioproc, scope, used)
        except DriverError as error:
            tolerated = scope == OUTPUT and error.code not in DEAD
            if not tolerated and error.code != UNKNOWN_PROPERTY:
                raise

    def _end(self, ioproc: _hal.IOProc) -> None:
        """Stops, destroys and frees the IOProc.

        If a step fails, the IOProc is kept, because CoreAudio may still call it.
        """
        hal, device = self._driver.hal, self._opened.device

        def end() -> None:
            try:
                try:
                    hal.stop(device, ioproc)
                except DriverError:
                    hal.stop(device, ioproc)  # a second try; a running IOProc is never destroyed
                self._destroy(ioproc)
            except DriverError as error:
                error.add_note(_LEAKED)
                raise

        self._driver.ensure(f"AudioDeviceStop of {self._name!r}", end)

    def _destroy(self, ioproc: _hal.IOProc) -> None:
        """Destroys the IOProc, then frees it."""

        def destroy() -> None:
            self._driver.hal.destroy_ioproc(self._opened.device, ioproc)
            self._driver.retire(ioproc)

        self._driver.ensure(f"AudioDeviceDestroyIOProcID of {self._name!r}", destroy)

    def _await_first_cycle(self, ioproc: _hal.IOProc) -> None:
        """Waits for the first cycle. Even if AudioDeviceStart succeeds, cycles may not come."""
        if self.clock is not None and self.clock.stepped:
            return  # no time passes in this wait; `trouble` notices later if no cycle comes
        limit_s = self._driver.timeouts.first_cycle_s
        until = time.monotonic() + limit_s
        while ioproc.turn == 0:
            trouble = self.trouble()
            if trouble is None and time.monotonic() >= until:
                trouble = StreamTimeoutError(
                    f"{self._name!r} was started, but no IO cycle came within {limit_s:g} s; "
                    "unplug and replug it, or choose another device"
                )
            if trouble is not None:
                try:
                    self.stop(self._driver.timeouts.call_s)
                except VoicecoilError as second:
                    trouble.add_note(str(second))
                raise trouble
            time.sleep(POLL_S)

    # ---- stop ----

    def stop(self, timeout_s: float) -> None:
        ioproc = self._ioproc
        if ioproc is None:
            return
        # The engine is detached first. After that no cycle reaches the engine, whether or not
        # AudioDeviceStop waits for the IOProc.
        if not ioproc.detach(timeout_s, put_back=True):
            raise self._callback_is_stuck(timeout_s)
        self._ioproc = None
        if self._ended_by_control:
            return
        try:
            self._driver.call(
                f"AudioDeviceStop of {self._name!r}",
                lambda: self._end(ioproc),
                max(timeout_s, self._driver.timeouts.call_s),
                later=True,
            )
        except NotBegunError:
            raise
        except StreamTimeoutError as error:
            error.add_note(_LEAKED)  # the driver keeps the IOProc, which may still be called
            raise

    def _close(self) -> None:
        self._driver.closed(self)

    # ---- while the stream runs ----

    def changed(self, host_ns: int, object_id: int, property_selector: int) -> None:
        """Takes note of a change. Called by `Changes`."""
        if property_selector == _OVERLOAD:
            # One overload may be notified twice, for example for both scopes.
            if host_ns != self._last_overload_ns:
                self._last_overload_ns = host_ns
                self._overloads.append(host_ns)
                self._overload_count += 1
        elif property_selector == RESTARTED:
            self._lost = (
                "coreaudiod, the system's audio service, was restarted; open the stream again"
            )
        else:
            if property_selector in _SETTINGS:
                self._settings_ns = host_ns
            self._dirty = True

    def changes_lost(self) -> None:
        """Takes note that notifications were lost. Called by `Changes`."""
        self._dirty = True

    def _notice(self) -> None:
        self._driver.changes.dispatch()
        overdue = self._overdue()
        if self._lost is None and (self._dirty or overdue):
            self._look_on_a_thread(lambda: self._ask(overdue))

    def look(self) -> None:
        """Checks the device if it has changed or runs no cycles."""
        if exit_and_fork.forked(self._generation):
            return
        self._driver.changes.dispatch()
        overdue = self._overdue()
        if self._lost is not None or self._closed or not (self._dirty or overdue):
            return
        if self._looking.acquire(timeout=self._driver.timeouts.call_s):
            try:
                self._ask(overdue)
            finally:
                self._looking.release()

    def _ask(self, overdue: bool) -> None:
        """Checks the device. Call with `_looking` held."""
        try:
            self._dirty = False
            lost = self._driver.call(
                f"checking {self._name!r}",
                lambda: self._examine() or (self._stop_silent_io() if overdue else None),
                # Streams that were silent start anew, which may take long.
                self._driver.timeouts.start_s if overdue else self._driver.timeouts.call_s,
                queue_s=LOOK_S,
            )
            self._lost = self._lost or lost
        except NotBegunError:
            self._dirty = True  # the call of another device takes long, so check again later
        except StreamTimeoutError as error:
            self._lost = self._lost or str(error)
        except ForkedError:
            pass

    def _overdue(self) -> bool:
        """Whether the device runs and no cycle came for too long, and no callback is running."""
        quiet_s = self._quiet_s(self._ioproc, self._driver.library.now_ns())
        return quiet_s is not None and quiet_s > self._driver.timeouts.first_cycle_s

    def _stop_silent_io(self) -> str | None:
        """Stops all IOProcs on a device that makes no cycles. Returns why the stream is lost.

        Some devices make no cycles after sleep until all IOProcs of the process were stopped at one
        time. Streams that are stopped and started one after the other would keep such a device
        silent for ever. A stream that was started meanwhile is not overdue yet. It is started anew.
        Call it on the call thread, so that no stream starts meanwhile.
        """
        if not self._overdue():
            return None
        hal, device = self._driver.hal, self._opened.device
        limit_s = self._driver.timeouts.first_cycle_s
        there = self._driver.ioprocs_on(device)
        silent_since_ns = self._driver.library.now_ns() - int(limit_s * 1e9)
        if all(one.turn % 2 == 0 and one.last_host_ns <= silent_since_ns for one, _ in there):
            for ioproc, _ in there:
                with contextlib.suppress(DriverError):  # `stop` tries again, and tells it
                    hal.stop(device, ioproc)
            for ioproc, stream in there:
                if stream is not None and stream is not self:
                    stream.io_was_stopped(ioproc)
        return self._overdue_text(limit_s)

    def io_was_stopped(self, ioproc: _hal.IOProc) -> None:
        """Starts the IOProc anew, or notes that it is overdue. Called on the call thread."""
        if ioproc is not self._ioproc or self._ended_by_control or self._lost is not None:
            return  # another thread stops the stream, or will
        driver = self._driver
        if self._overdue():
            self._lost = self._overdue_text(driver.timeouts.first_cycle_s)
            return
        driver.keep(self._opened.device, ioproc, self)  # in the new run of the device, too
        try:
            driver.hal.start(self._opened.device, ioproc)
        except DriverError as error:
            self._lost = str(error)
        self._started_ns = driver.library.now_ns()

    def _examine(self) -> str | None:
        """Returns why the stream cannot continue; None if it can. Call it on the call thread."""
        hal, opened = self._driver.hal, self._opened
        device = opened.device
        try:
            if hal.u32_or(device, "livn", 1) == 0:
                return f"the device {self._name!r} was unplugged"
            if not self._same_rate():
                return (
                    f"the device {self._name!r} changed its sample rate under the stream, from "
                    f"{opened.opened_format.samplerate:g} to {hal.f64(device, 'nsrt'):g} Hz"
                )
            for scope in (scope for scope in (INPUT, OUTPUT) if opened.places[scope]):
                if not self._same_streams(scope):
                    return f"the device {self._name!r} changed its streams under the stream"
                if told := self._other_format(scope):
                    return f"the device {self._name!r} changed its format under the stream, {told}"
            self._follow_settings()
        except DriverError as error:
            if error.code in DEAD:
                return f"the device {self._name!r} was unplugged"
            return f"the device {self._name!r} does not answer any more: {error}"
        return None

    def _follow_settings(self) -> None:
        """Notes settings of the device that have changed, and its new latency."""
        hal, opened = self._driver.hal, self._opened
        try:
            now = read_settings(hal, opened.device, opened.latencies)
            opened.latencies.update(read_latencies(hal, opened, now.buffer_frames))
        except DriverError as error:
            if error.code in DEAD:
                raise
            return  # the stream runs without knowing them
        before, self._settings = self._settings, now
        host_ns = self._settings_ns or self._driver.library.now_ns()
        for told in before.changes(now):
            self._changes.append(Event("changed", host_ns, 0, 0, f"{self._name!r}: {told}"))
        ioproc = self._ioproc
        if ioproc is not None:
            sides = (opened.connector_frames(INPUT), opened.connector_frames(OUTPUT))
            ioproc.set_latencies(*sides, opened.drain_frames)

    def _same_rate(self) -> bool:
        hal, opened = self._driver.hal, self._opened
        rate = opened.opened_format.samplerate
        if rate_is(hal, opened.device, rate):
            return True
        as_before = hal.f64(opened.device, "nsrt") == opened.reported_rate
        return as_before and really_runs_at(hal, opened.device, rate)

    def _same_streams(self, scope: int) -> bool:
        hal, opened = self._driver.hal, self._opened
        before = [stream.object_id for stream in opened.streams[scope]]
        return hal.ids(opened.device, "stm#", scope) == before

    def _other_format(self, scope: int) -> str | None:
        """Returns how the format of a stream differs in memory from the one at opening."""
        hal, opened = self._driver.hal, self._opened
        for stream in opened.streams[scope]:
            now = hal.format(stream.object_id)
            if now.layout != stream.format.layout:
                return f"from {stream.format} to {now}"
        return None

    def workgroup(self) -> _hal.Workgroup | None:
        library, hal, device = self._driver.library, self._driver.hal, self._opened.device

        def find() -> _hal.Workgroup | None:
            if not hal.has(device, "oswg"):
                return None
            group = int.from_bytes(hal.scalar(device, "oswg", 8), "little")
            return _hal.Workgroup(library, group) if group else None

        try:
            return self._driver.call(
                f"finding the workgroup of {self._name!r}", find, self._driver.timeouts.call_s
            )
        except VoicecoilError:  # the device has just gone, or this system has no workgroups
            return None

    @property
    def overloads(self) -> int:
        """Number of overloads that CoreAudio reported, including false alarms."""
        self._driver.changes.dispatch()
        return self._overload_count

    def events(self) -> list[Event]:
        """Returns the new changes of the device's settings, and the new overloads.

        The `value` of an overload is filled in later, when the loss is known.

        An overload is returned only after a later IO cycle, in which the engine counts the frames
        that were lost.
        """
        self._driver.changes.dispatch()
        ioproc = self._ioproc
        seen_ns = ioproc.last_host_ns if ioproc is not None else None
        taken = []
        with contextlib.suppress(IndexError):  # another thread may take the last overload
            while seen_ns is None or self._overloads[0] < seen_ns:
                taken.append(Event("overload", self._overloads.popleft(), 0, 0))
        with contextlib.suppress(IndexError):
            while True:
                taken.append(self._changes.popleft())
        return taken


_LEAKED = (
    "its IOProc was neither destroyed nor freed, on purpose: CoreAudio may still call it; it plays "
    "silence and holds a few kilobytes"
)
