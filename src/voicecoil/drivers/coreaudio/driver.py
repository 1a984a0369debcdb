"""The driver of CoreAudio.

The frameworks are opened at run time by absolute path, so that the same code runs on the real
CoreAudio and on a simulated one. See docs/coreaudio.md.
"""

from __future__ import annotations

import contextlib
import sys
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar, TypeVar

from voicecoil import _core
from voicecoil.drivers.call_job import NotAsked
from voicecoil.drivers.coreaudio import _hal, devices, opening
from voicecoil.drivers.coreaudio.changes import Hearer
from voicecoil.drivers.coreaudio.driver_paths import FRAMEWORKS
from voicecoil.drivers.coreaudio.hal import SYSTEM, selector
from voicecoil.drivers.coreaudio.sample_rate import RESTORING_TRIES, restore_rate
from voicecoil.drivers.coreaudio.session import connect, missing
from voicecoil.drivers.coreaudio.settings import SETTINGS
from voicecoil.drivers.coreaudio.stream import CoreAudioStream
from voicecoil.drivers.coreaudio.system_audio import OpenTaps
from voicecoil.drivers.coreaudio.timeouts import Timeouts
from voicecoil.drivers.protocol import Device, Direction, OpenRequest
from voicecoil.errors import DriverError, StreamTimeoutError, VoicecoilError
from voicecoil.lifetime import exit_and_fork
from voicecoil.sealed import Unique

__all__ = ["FRAMEWORKS", "CoreAudioDriver"]

MAX_NOTES = 256  # most notes that are kept for a listener that does not return
_DEVICE_CHANGES = ("livn", "nsrt", "stm#", "over", "stpd", *SETTINGS)
_WATCHED = {"dev#": "devices", "dOut": "default output", "dIn ": "default input", "srst": "restart"}

Result = TypeVar("Result")


class CoreAudioDriver(Unique):
    """The devices of CoreAudio.

    Parameters
    ----------
    paths : sequence of str
        The libraries that have CoreAudio's functions. Default: the system's frameworks.
    name : str
        The driver's name, for its devices and messages.
    own_clock : bool
        Time cycles with the library's host time instead of the machine's.
    stepped : bool
        The host time advances only when a test steps it.
    timeouts : Timeouts or None
        Time limits of the calls.

    Raises
    ------
    DriverError
        This system has no CoreAudio.
    ForkedError
        This process is a forked child of one that uses CoreAudio.
    """

    _attributes: ClassVar[tuple[str, ...]] = (
        "name",
        "hal",
        "library",
        "changes",
        "notifier",
        "timeouts",
        "clock",
        "shortcut",
    )

    def __init__(
        self,
        paths: Sequence[str] = FRAMEWORKS,
        *,
        name: str = "coreaudio",
        own_clock: bool = False,
        stepped: bool = False,
        timeouts: Timeouts | None = None,
    ) -> None:
        if tuple(paths) == FRAMEWORKS and sys.platform != "darwin":
            raise DriverError(
                "the driver 'coreaudio' is for macOS. Here 'coreaudio-simulated' runs the same "
                "code on a simulated CoreAudio (VOICECOIL_DRIVER=coreaudio-simulated), and "
                "'virtual' devices are made of a clock",
                call="dlopen",
            )
        self.name = name
        self._session = connect(tuple(paths), name)
        self.hal = self._session.hal
        self.library = self.hal.library
        self.library.read_timebase()
        self.changes = self._session.changes
        self.notifier = self._session.notifier
        self.timeouts = timeouts or Timeouts()
        self.clock: _core.Clock | None = None
        if own_clock or stepped:
            address = self.library.clock_address
            self.clock = _core.Clock.from_addresses(*address, stepped, self.library)
        self._call_thread = self._session.thread
        self.shortcut = _hal.Shortcut(self.library, self._call_thread, self)
        self._taps = OpenTaps(self)

    # ---- for the streams ----

    def call(
        self,
        name: str,
        work: Callable[[], Result],
        timeout_s: float,
        undo: Callable[[Result], None] | None = None,
        *,
        queue_s: float | None = None,
        later: bool = False,
    ) -> Result:
        """Runs `work` on the thread that calls CoreAudio; see `CallThread.call`.

        Work with `later` tidies up, so it runs without `CoreAudioSession.prepare`, which may fail.
        It is left out after the end of a simulated CoreAudio, which has ended everything.
        """

        def prepared() -> Any:
            if later:
                return None if self._session.has_ended else work()
            self._session.check_not_ended()
            self._session.prepare()
            return work()

        if queue_s is None:
            queue_s = self.timeouts.queue_s
        try:
            result: Result = self._call_thread.call(
                name, prepared, timeout_s, undo, queue_s=queue_s, later=later
            )
            return result
        except _hal.MissingSymbolError as error:
            raise missing(error, self.library.paths) from error

    def ask(self, name: str, work: Callable[[], Result], timeout_s: float) -> Result:
        """Like `call`, for work that adds no listener and leaves nothing to undo."""

        def checked() -> Result:
            self._session.check_not_ended()
            return work()

        try:
            result = self._call_thread.ask(name, checked, timeout_s)
            if not isinstance(result, NotAsked):
                return result
            return self._call_thread.call(name, checked, timeout_s, queue_s=self.timeouts.queue_s)
        except _hal.MissingSymbolError as error:
            raise missing(error, self.library.paths) from error

    def gave_up(self, idle: _hal.Quick, name: str, thing: object, hung: bool, began: float) -> None:
        """Notes that a get of the short way was given up.

        Parameters
        ----------
        idle : Quick
        name : str
            The property.
        thing : object
            The object.
        hung : bool
            Raise the error for a call that has missed its deadline.
        began : float
            Time of its beginning on the clock of `time.monotonic`, s.
        """
        what, timeout_s = f"reading {name} of {thing!r}", self.timeouts.call_s
        self._call_thread.gave_up(idle, what, began + timeout_s, hung)
        if hung:
            raise StreamTimeoutError(
                f"{what} did not return within {timeout_s:g} s; the call was abandoned. Replug "
                "the device, or choose another"
            ) from None

    def ensure(self, name: str, work: Callable[[], None]) -> None:
        """Tidies up for the call that is under way; see `CallThread.ensure`."""
        self._call_thread.ensure(name, work)

    def _forget(self, hearer: Hearer) -> None:
        self.ensure("removing listeners", partial(self.changes.forget, hearer))

    def keep(self, device: int, ioproc: _hal.IOProc, stream: CoreAudioStream) -> None:
        """Keeps an IOProc alive, because CoreAudio may call it from now on."""
        self._session.keep(device, ioproc, stream)

    def ioprocs_on(self, device: int) -> list[tuple[_hal.IOProc, CoreAudioStream | None]]:
        """The IOProcs that CoreAudio may call on a device. None: the stream was dropped."""
        return self._session.on(device)

    def retire(self, ioproc: _hal.IOProc) -> None:
        """Releases an IOProc that was destroyed; see `CoreAudioSession.retire`."""
        self._session.retire(ioproc)

    @property
    def kept_ioprocs(self) -> int:
        """How many IOProcs CoreAudio may still call: those of running streams, and leaked ones."""
        return self._session.kept_ioprocs

    @property
    def open_streams(self) -> int:
        """How many streams are open."""
        return self._session.open_streams

    @property
    def abandoned_calls(self) -> list[str]:
        """The calls that did not return in time."""
        return list(self._call_thread.abandoned)

    def settle(self, timeout_s: float) -> bool:
        """Waits until all abandoned calls have returned and their effects have been undone.

        Returns false if that took longer than `timeout_s`.
        """
        return self._call_thread.settle(timeout_s)

    def closed(self, stream: CoreAudioStream) -> None:
        """Removes the listeners of a closed stream. Restores the rate after the last stream."""
        counted = [stream.device_id]  # popped once: in the call, or below if the call has failed

        def tidy() -> None:
            self._forget(stream)
            if counted:
                self._release(counted.pop(), stream.rates)

        # A HAL that hangs must not prevent a stream from closing. Its listeners may stay
        # registered, because the queue to which they write is never freed.
        try:
            with contextlib.suppress(VoicecoilError):
                limit_s = self.timeouts.call_s + RESTORING_TRIES * self.timeouts.buffer_s
                self.call("removing listeners", tidy, limit_s, later=True)
        finally:
            if counted:
                self._session.closed(counted.pop())

    def _release(self, device: int, expected: Sequence[float]) -> None:
        """Counts one stream less on the device. Restores the device's rate after the last stream.

        It runs on the call thread, so that no stream is opened meanwhile.
        """
        rate = self._session.closed(device)
        if rate is not None:
            restore_rate(self.hal, device, rate, expected, self.timeouts)
        self._taps.close(device)

    # ---- the protocol ----

    def devices(self) -> list[Device]:
        """The devices that exist now."""
        found = self.call("listing the devices", self._list, self.timeouts.call_s)
        return [device for _, device in found]

    def _list(self) -> list[tuple[int, Device]]:
        return devices.list_devices(self.hal, self.name)

    def default(self, direction: Direction) -> Device | None:
        """The device that the system uses when a program names none."""

        def find() -> Device | None:
            wanted = devices.default_id(self.hal, direction)
            return next((device for found, device in self._list() if found == wanted), None)

        return self.call("finding the default device", find, self.timeouts.call_s)

    def rates(self, device: Device) -> list[tuple[float, float]]:
        """The ranges (lowest, highest) of the rates that a device offers, Hz."""
        real = self._taps.clock_of(device)
        if real is None:
            return [(device.samplerate, device.samplerate)]

        def read() -> list[tuple[float, float]]:
            found = devices.rates(self.hal, devices.find_id(self.hal, real))
            return [(one.low, one.high) for one in found]

        return self.call(f"reading the rates of {device.name!r}", read, self.timeouts.call_s)

    def check_system_audio(self) -> None:
        """Raises `SystemAudioError` if this macOS cannot record the sound of other programs."""
        self._taps.check()

    def programs_playing(self, device: Device) -> list[str] | None:
        """The recorded programs that play now; None: the device is no sound of programs."""
        return self._taps.playing(device)

    def open_stream(self, request: OpenRequest) -> CoreAudioStream:
        """Opens a stream that is not started yet."""
        limits = self.timeouts
        return self.call(
            f"opening {request.device.name!r}",
            lambda: self._open_stream(request),
            limits.call_s + limits.rate_s + limits.buffer_s + self._taps.limit_s(request.device),
            undo=lambda stream: stream.close(),
        )

    def _open_stream(self, request: OpenRequest) -> CoreAudioStream:
        device, request = self._taps.open(request)
        in_use = self._session.opened(device)
        early = _Placeholder()
        stream: CoreAudioStream | None = None
        try:
            # Listeners are added first, so that no change from now on is missed.
            self._listen(early, device)
            remember = partial(self._session.remember_rate, device)
            opened = opening.set_up(self.hal, device, request, self.timeouts, in_use, remember)
            stream = CoreAudioStream(self, request, opened)
            self._listen(stream, device)
            for found in opened.streams.values():
                for one in found:
                    self.changes.listen(stream, one.object_id, "sfmt")
            stream.check_formats()
        except BaseException:
            if stream is not None:
                self._forget(stream)
            self._release(device, ())
            raise
        finally:
            self._forget(early)
        return stream

    def _listen(self, hearer: Hearer, device: int) -> None:
        for text in _DEVICE_CHANGES:
            self.changes.listen(hearer, device, text)
        self.changes.listen(hearer, SYSTEM, "srst")

    def now_ns(self) -> int:
        """The host time, ns."""
        return self.library.now_ns()

    def watch(self, listener: Callable[[str], None]) -> Callable[[], None]:
        """Calls `listener` with the name of each change. Returns a function that ends the calls.

        The listener is called on voicecoil's listener thread, with no lock held, so it may play
        sounds and open and close streams. Other listeners wait until it returns. An exception that
        it raises is passed to `sys.unraisablehook`, as for exceptions in `__del__`, and the
        listener still gets later changes.
        """
        watcher = _Watcher(self, listener, self._forget)
        self.call("listening", watcher.begin, self.timeouts.call_s, undo=lambda _: watcher.forget())
        self.notifier.add(watcher.look)
        return watcher.end


class _Placeholder:
    """A hearer that keeps the listeners registered while a stream is being made."""

    def changed(self, host_ns: int, object_id: int, property_selector: int) -> None:
        pass

    def changes_lost(self) -> None:
        pass


class _Watcher:
    """Tells a listener when devices are added or removed, or a default device changes.

    `changed` may be called on any thread, and the caller may hold locks. So it only stores a note,
    and `look` arranges that the listener is called.
    """

    _names: ClassVar = {selector(text): name for text, name in _WATCHED.items()}

    def __init__(
        self,
        driver: CoreAudioDriver,
        listener: Callable[[str], None],
        forget: Callable[[Hearer], None],
    ) -> None:
        self._driver = driver
        self._forget = forget
        self._listener = listener
        self._notes: deque[str] = deque(maxlen=MAX_NOTES)
        self._ended = False

    def begin(self) -> None:
        try:
            for text in _WATCHED:
                self._driver.changes.listen(self, SYSTEM, text)
        except BaseException:
            self.forget()
            raise

    def look(self) -> bool:
        """Arranges a call of the listener if there are notes. Runs on the notifier's thread."""
        if self._notes and not self._ended:
            exit_and_fork.tell(self._tell)
        return not self._ended

    def _tell(self) -> None:
        """Calls the listener for each note. Runs on the listener thread."""
        while self._notes and not self._ended:
            note = self._notes.popleft()
            if note == "restart":
                self._guarded(self._listen_again)
            self._guarded(partial(self._listener, note))

    def _guarded(self, call: Callable[[], object]) -> None:
        try:
            call()
        except Exception as error:
            exit_and_fork.report(error, self._listener)

    def _listen_again(self) -> None:
        """Makes an empty call, because each call renews registrations that a restart has ended."""
        self._driver.call("listening", lambda: None, self._driver.timeouts.call_s)

    def changed(self, host_ns: int, object_id: int, property_selector: int) -> None:
        self._notes.append(self._names.get(property_selector, "devices"))
        self._driver.notifier.ring(self.look)

    def changes_lost(self) -> None:
        self._notes.extend(_WATCHED.values())
        self._driver.notifier.ring(self.look)

    def forget(self) -> None:
        self._forget(self)

    def end(self) -> None:
        if not self._ended:
            self._ended = True
            self._driver.notifier.remove(self.look)
            self._driver.call(
                "removing listeners", self.forget, self._driver.timeouts.call_s, later=True
            )
