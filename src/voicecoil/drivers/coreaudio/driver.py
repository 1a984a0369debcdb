"""The driver of CoreAudio.

Bound at run time: the frameworks are opened by absolute path, so the same code runs on the real
CoreAudio and on a simulated one. See docs/coreaudio.md.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import ClassVar, TypeVar

from voicecoil import _core, control
from voicecoil.drivers.control_thread import ControlThread, check_wanted
from voicecoil.drivers.coreaudio import _hal, devices, opening
from voicecoil.drivers.coreaudio.changes import Changes, Hearer
from voicecoil.drivers.coreaudio.hal import SYSTEM, Hal, selector
from voicecoil.drivers.coreaudio.opening import Timeouts
from voicecoil.drivers.coreaudio.status import UNKNOWN_PROPERTY
from voicecoil.drivers.coreaudio.stream import CoreAudioStream
from voicecoil.drivers.driver import Device, Direction, Wanted
from voicecoil.errors import DriverError, ForkedError, VoicecoilError

__all__ = ["FRAMEWORKS", "CoreAudioDriver"]

# Since macOS 11 there are no such files: only the dynamic linker knows these paths.
FRAMEWORKS = (
    "/System/Library/Frameworks/CoreAudio.framework/CoreAudio",
    "/System/Library/Frameworks/CoreFoundation.framework/CoreFoundation",
    "/usr/lib/libSystem.B.dylib",
)
RETIRED_S = 5.0  # how long a destroyed IOProc is kept all the same
MAX_NOTES = 256  # for a watcher whose listener does not return
_DEVICE_CHANGES = ("livn", "nsrt", "stm#", "over", "stpd")
_WATCHED = {"dev#": "devices", "dOut": "default output", "dIn ": "default input", "srst": "restart"}

Result = TypeVar("Result")
# What was loaded before a fork must not be called after it.
_loaded: dict[tuple[str, ...], tuple[_hal.Library, int]] = {}


def _load(paths: tuple[str, ...]) -> _hal.Library:
    known = _loaded.get(paths)
    if known is not None:
        if control.forked(known[1]):
            raise ForkedError(
                "this process was forked from one that uses CoreAudio, which does not survive a "
                'fork; use the "spawn" start method'
            )
        return known[0]
    try:
        library = _hal.Library(paths, check_wanted)
    except OSError as error:
        raise DriverError(
            f"CoreAudio cannot be opened: {error}. The driver 'coreaudio' is for macOS; on other "
            "systems 'coreaudio-simulated' runs the same code on a simulated one",
            call="dlopen",
        ) from error
    except _hal.MissingSymbolError as error:
        raise _missing(error, paths) from error
    _loaded[paths] = library, control.generation()
    return library


def _missing(error: _hal.MissingSymbolError, paths: Sequence[str]) -> DriverError:
    return DriverError(
        f"{', '.join(os.path.basename(path) for path in paths)} has no function {error}: this is "
        "an older macOS than the feature needs, or not CoreAudio",
        call=str(error),
    )


class CoreAudioDriver:
    """The devices of CoreAudio.

    Parameters
    ----------
    paths : sequence of str
        The libraries that have CoreAudio's functions. Default: the system's frameworks.
    name : str
        Of the driver, in its devices and messages.
    own_clock : bool
        Time cycles with the library's host time, not with the machine's.
    stepped : bool
        That host time stands still unless a test moves it.
    timeouts : Timeouts or None
        How long is waited for what.

    Raises
    ------
    DriverError
        There is no CoreAudio here.
    ForkedError
        This is a forked child of a process that uses it.
    """

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
        self.library = _load(tuple(paths))
        self.library.read_timebase()
        self.hal = Hal(self.library)
        self.changes = Changes(self.library)
        self.timeouts = timeouts or Timeouts()
        self.clock: _core.Clock | None = None
        if own_clock or stepped:
            address = self.library.clock_address
            self.clock = _core.Clock.from_addresses(*address, stepped, self.library)
        self._control = ControlThread(f"voicecoil {name}", "CoreAudio")
        self._lock = threading.Lock()
        self._open: dict[int, int] = {}  # streams by device
        self._kept: set[_hal.IOProc] = set()  # CoreAudio may call these
        self._retired: deque[tuple[float, _hal.IOProc]] = deque()

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
        """Runs `work` on the thread that calls CoreAudio; see `ControlThread.call`."""

        def prepared() -> Result:
            self._prepare()
            return work()

        if queue_s is None:
            queue_s = self.timeouts.queue_s
        try:
            return self._control.call(name, prepared, timeout_s, undo, queue_s=queue_s, later=later)
        except _hal.MissingSymbolError as error:
            raise _missing(error, self.library.paths) from error

    def ensure(self, name: str, work: Callable[[], None]) -> None:
        """Tidies up for the call that is under way; see `ControlThread.ensure`."""
        self._control.ensure(name, work)

    def _forget(self, hearer: Hearer) -> None:
        self.ensure("removing listeners", partial(self.changes.forget, hearer))

    def _prepare(self) -> None:
        """Notifications on a thread of the HAL's: by default they wait for a run loop of ours.

        A restart of coreaudiod takes that back, unheard of while nobody listens.
        """
        self.changes.dispatch()
        if self.changes.are_heard:
            return
        try:
            self.hal.set_bytes(SYSTEM, "rnlp", bytes(8))
        except DriverError as error:
            if error.code != UNKNOWN_PROPERTY:
                raise
        self.changes.renew()

    def keep(self, device: int, ioproc: _hal.IOProc) -> None:
        """From now on CoreAudio may call it, for this device."""
        with self._lock:
            self._kept.add(ioproc)

    def retire(self, ioproc: _hal.IOProc) -> None:
        """It was destroyed. What CoreAudio's IO thread may just be reading is freed later."""
        now = time.monotonic()
        with self._lock:
            self._kept.discard(ioproc)
            self._retired.append((now, ioproc))
            while self._retired and now - self._retired[0][0] > RETIRED_S:
                self._retired.popleft()

    @property
    def kept_ioprocs(self) -> int:
        """How many IOProcs CoreAudio may still call: those of running streams, and leaked ones."""
        return len(self._kept)

    @property
    def open_streams(self) -> int:
        """How many streams are open."""
        with self._lock:
            return sum(self._open.values())

    @property
    def abandoned_calls(self) -> list[str]:
        """The calls that did not return in time."""
        return list(self._control.abandoned)

    def settle(self, timeout_s: float) -> bool:
        """Waits until all abandoned calls came back and were undone. False: some did not."""
        return self._control.settle(timeout_s)

    def closed(self, stream: CoreAudioStream) -> None:
        """A stream needs its device no more."""
        # A HAL that hangs must not keep a stream from being closed; the queue that its listeners
        # write to stays anyway.
        try:
            with contextlib.suppress(VoicecoilError):
                self.call(
                    "removing listeners",
                    lambda: self._forget(stream),
                    self.timeouts.call_s,
                    later=True,
                )
        finally:
            with self._lock:
                self._open[stream.device_id] -= 1

    # ---- the protocol ----

    def devices(self) -> list[Device]:
        """The devices there are now."""
        found = self.call("listing the devices", self._list, self.timeouts.call_s)
        return [device for _, device in found]

    def _list(self) -> list[tuple[int, Device]]:
        return devices.list_devices(self.hal, self.name)

    def default(self, direction: Direction) -> Device | None:
        """The device that the system uses when none is named."""

        def find() -> Device | None:
            wanted = devices.default_id(self.hal, direction)
            return next((device for found, device in self._list() if found == wanted), None)

        return self.call("finding the default device", find, self.timeouts.call_s)

    def open_stream(self, wanted: Wanted) -> CoreAudioStream:
        """Opens a stream that is not started yet."""
        limits = self.timeouts
        return self.call(
            f"opening {wanted.device.name!r}",
            lambda: self._open_stream(wanted),
            limits.call_s + limits.rate_s + limits.buffer_s,
            undo=lambda stream: stream.close(),
        )

    def _open_stream(self, wanted: Wanted) -> CoreAudioStream:
        device = devices.find_id(self.hal, wanted.device)
        with self._lock:
            in_use = self._open.get(device, 0) > 0
            self._open[device] = self._open.get(device, 0) + 1
        early = _Placeholder()
        stream: CoreAudioStream | None = None
        try:
            # Listening comes first: what changes from now on is not missed.
            self._listen(early, device)
            opened = opening.set_up(self.hal, device, wanted, self.timeouts, in_use)
            stream = CoreAudioStream(self, wanted, opened)
            self._listen(stream, device)
            for found in opened.streams.values():
                for one in found:
                    self.changes.listen(stream, one.object_id, "sfmt")
        except BaseException:
            if stream is not None:
                self._forget(stream)
            with self._lock:
                self._open[device] -= 1
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
        """Calls `listener` with what changed; returns how to end that.

        It is called on voicecoil's control thread, with no lock held, so it may play and open and
        close streams; but streams that were dropped wait for it to return. What it raises is shown
        as Python shows the errors of `__del__` (`sys.unraisablehook`), and the next change is told
        all the same.
        """
        watcher = _Watcher(self, listener, self._forget)
        self.call("listening", watcher.begin, self.timeouts.call_s, undo=lambda _: watcher.forget())
        control.tick(watcher.look)
        return watcher.end


class _Placeholder:
    """Keeps the registrations while a stream is being made."""

    def changed(self, host_ns: int, object_id: int, property_selector: int) -> None:
        pass

    def changes_lost(self) -> None:
        pass


class _Watcher:
    """Somebody who wants to hear of devices that come, go and become the default.

    Notes are taken by whoever looks for changes, under locks of its own; so they are only kept
    here, and told by `look`.
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
        """On voicecoil's control thread."""
        if not self._ended:
            self._driver.changes.dispatch()
        while self._notes and not self._ended:
            note = self._notes.popleft()
            if note == "restart":
                self._guarded(self._listen_again)
            self._guarded(partial(self._listener, note))
        return not self._ended

    def _guarded(self, call: Callable[[], object]) -> None:
        try:
            call()
        except Exception as error:
            control.report(error, self._listener)

    def _listen_again(self) -> None:
        """Any call renews what a restart took along."""
        self._driver.call("listening", lambda: None, self._driver.timeouts.call_s)

    def changed(self, host_ns: int, object_id: int, property_selector: int) -> None:
        self._notes.append(self._names.get(property_selector, "devices"))

    def changes_lost(self) -> None:
        self._notes.extend(_WATCHED.values())

    def forget(self) -> None:
        self._forget(self)

    def end(self) -> None:
        if not self._ended:
            self._ended = True
            self._driver.call(
                "removing listeners", self.forget, self._driver.timeouts.call_s, later=True
            )
