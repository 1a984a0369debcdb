"""The process's session with CoreAudio: its functions, the thread that calls them, the IOProcs.

All drivers that use the same libraries share a session. Otherwise two threads would call CoreAudio
at the same time, and a notification that one driver takes from the queue would be lost to others.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

from voicecoil.drivers.call_thread import CallThread, check_wanted
from voicecoil.drivers.coreaudio import _hal
from voicecoil.drivers.coreaudio.changes import Changes
from voicecoil.drivers.coreaudio.hal import SYSTEM, Hal
from voicecoil.drivers.coreaudio.notifier import Notifier
from voicecoil.drivers.coreaudio.status import BAD_OBJECT, UNKNOWN_PROPERTY
from voicecoil.errors import DriverError

if TYPE_CHECKING:
    from voicecoil.drivers.coreaudio.stream import CoreAudioStream

__all__ = ["CoreAudioSession", "connect", "disconnect", "missing"]

ENDING_S = 2.0  # how long the end of a session waits for a call that is under way
RETIRED_S = 5.0  # how long a destroyed IOProc is kept, because an IO thread may still read it
_log = logging.getLogger("voicecoil.coreaudio")


class CoreAudioSession:
    """The session that `connect` returns.

    Attributes
    ----------
    hal : Hal
    changes : Changes
    notifier : Notifier
    thread : CallThread
    """

    def __init__(self, library: _hal.Library, name: str) -> None:
        self.hal = Hal(library)
        self.changes = Changes(self.hal)
        self.notifier = Notifier(library, self.changes.dispatch)
        self.thread = CallThread(f"voicecoil {name}", "CoreAudio", make_idle=_hal.Quick)
        self._ended = False
        self._lock = threading.Lock()
        self._open: dict[int, int] = {}  # number of open streams of each device
        self._rates: dict[int, float] = {}  # rate of a device before a stream changed it, Hz
        # The IOProcs that CoreAudio may call, and the device and the stream of each
        self._kept: dict[_hal.IOProc, tuple[int, weakref.ref[CoreAudioStream]]] = {}
        self._retired: deque[tuple[float, _hal.IOProc]] = deque()

    def prepare(self) -> None:
        """Makes the HAL deliver notifications on a thread of its own.

        By default, notifications wait for a run loop, which this process does not have. A restart
        of coreaudiod resets the setting, and without listeners the restart is not noticed. So this
        method is called on the call thread before each call that may add listeners.
        """
        self.changes.dispatch()
        if self.changes.are_heard:
            return
        try:
            self.hal.set_bytes(SYSTEM, "rnlp", bytes(8))
        except DriverError as error:
            if error.code != UNKNOWN_PROPERTY:
                _log.warning("no notifications until the next call sets this: %s", error)
                self.changes.end()
                return
        self.changes.renew()

    def end(self, timeout_s: float) -> None:
        """Refuses all later calls. Waits, for `timeout_s` at most, for the call that is under way.

        For a simulated CoreAudio that ends. Otherwise a thread that looks for a lost device, for
        example, would open it in the next simulation, whose devices have the same UIDs and IDs.
        """
        self._ended = True
        self.thread.settle(timeout_s)

    def check_not_ended(self) -> None:
        """Raises an error after `end`. Call it on the call thread."""
        if self._ended:
            raise DriverError(
                "the simulated CoreAudio of this driver was closed; make another "
                "SimulatedCoreAudio and use its driver",
                code=BAD_OBJECT,
            )

    @property
    def has_ended(self) -> bool:
        """Whether `end` was called, so that no call may be made."""
        return self._ended

    # ---- IOProcs ----

    def keep(self, device: int, ioproc: _hal.IOProc, stream: CoreAudioStream) -> None:
        """Keeps an IOProc alive, because CoreAudio may call it from now on."""
        with self._lock:
            self._kept[ioproc] = device, weakref.ref(stream)

    def on(self, device: int) -> list[tuple[_hal.IOProc, CoreAudioStream | None]]:
        """The IOProcs that CoreAudio may call on a device. None: the stream was dropped."""
        with self._lock:
            return [(one, ref()) for one, (on, ref) in self._kept.items() if on == device]

    def retire(self, ioproc: _hal.IOProc) -> None:
        """Frees a destroyed IOProc after RETIRED_S, because an IO thread may still read it."""
        now = time.monotonic()
        with self._lock:
            self._kept.pop(ioproc, None)
            self._retired.append((now, ioproc))
            while self._retired and now - self._retired[0][0] > RETIRED_S:
                self._retired.popleft()

    @property
    def kept_ioprocs(self) -> int:
        """How many IOProcs CoreAudio may still call: those of running streams, and leaked ones."""
        return len(self._kept)

    # ---- streams ----

    def opened(self, device: int) -> bool:
        """Counts one more stream on a device. Returns whether there was one before."""
        with self._lock:
            before = self._open.get(device, 0)
            self._open[device] = before + 1
            return before > 0

    def remember_rate(self, device: int, rate: float) -> None:
        """Keeps the rate of a device, Hz, before a stream sets another one."""
        with self._lock:
            self._rates.setdefault(device, rate)

    def closed(self, device: int) -> float | None:
        """Counts one stream less. Returns the rate to restore after the last one, Hz, or None."""
        with self._lock:
            self._open[device] -= 1
            return self._rates.pop(device, None) if self._open[device] == 0 else None

    @property
    def open_streams(self) -> int:
        """How many streams are open."""
        with self._lock:
            return sum(self._open.values())


# A session is kept for the life of the process. A forked child finds its parent's session here, and
# `connect` raises an error, because CoreAudio must not be called after a fork.
_sessions: dict[tuple[str, ...], CoreAudioSession] = {}


def connect(paths: tuple[str, ...], name: str) -> CoreAudioSession:
    """Returns the session for the CoreAudio in these libraries. `name` names its thread."""
    known = _sessions.get(paths)
    # No lock is used, because a child that is forked while a lock is held would wait for ever.
    if known is None:
        known = _sessions.setdefault(paths, CoreAudioSession(_load(paths), name))
    known.thread.check_not_forked()
    return known


def disconnect(paths: tuple[str, ...]) -> None:
    """Ends a session, so that the next `connect` makes a new one. For simulations."""
    known = _sessions.pop(paths, None)
    if known is not None:
        known.end(ENDING_S)


def _load(paths: tuple[str, ...]) -> _hal.Library:
    try:
        return _hal.Library(paths, check_wanted)
    except OSError as error:
        raise DriverError(
            f"CoreAudio cannot be opened: {error}. The driver 'coreaudio' is for macOS; on other "
            "systems 'coreaudio-simulated' runs the same code on a simulated one",
            call="dlopen",
        ) from error
    except _hal.MissingSymbolError as error:
        raise missing(error, paths) from error


def missing(error: _hal.MissingSymbolError, paths: Sequence[str]) -> DriverError:
    """Returns the error for a function that a library does not have."""
    return DriverError(
        f"{', '.join(os.path.basename(path) for path in paths)} has no function {error}: this is "
        "an older macOS than the feature needs, or not CoreAudio",
        call=str(error),
    )
