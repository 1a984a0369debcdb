"""Watches for devices by polling, for audio systems that give no notifications.

A thread lists the devices at an interval. It exists only while there are listeners.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

from voicecoil.drivers.protocol import Device
from voicecoil.errors import VoicecoilError
from voicecoil.lifetime import exit_and_fork
from voicecoil.lifetime.background_thread import BackgroundThread
from voicecoil.lifetime.flag import Flag
from voicecoil.lifetime.uninterrupted import uninterrupted

__all__ = ["LOOK_S", "Watching"]

LOOK_S = 1.0  # pause between two listings of the devices

# The properties of each device that are compared, and the uids of the default devices.
Seen = tuple[frozenset[tuple[str, int, int, float]], dict[str, str | None]]


class Watching:
    """Calls listeners when devices are added, removed or changed, or a default device changes.

    Parameters
    ----------
    look : callable
        Returns the devices, and the uids of the default devices (input, output).
    name : str
        Name of the thread.
    """

    def __init__(
        self,
        look: Callable[[], tuple[list[Device], tuple[str | None, str | None]]],
        name: str,
    ) -> None:
        self._look = look
        self._name = name
        self._lock = threading.Lock()
        self._listeners: dict[object, Callable[[str], None]] = {}
        self._quit: Flag | None = None  # ends the thread; None: there is no thread
        self._thread: BackgroundThread | None = None

    def add(self, listener: Callable[[str], None]) -> Callable[[], None]:
        """Adds a listener, which voicecoil's listener thread calls.

        Returns a function that removes the listener.
        """
        key = object()
        uninterrupted("watch", partial(self._add, key, listener), undo=lambda _: self._end(key))
        return partial(uninterrupted, "watch", partial(self._end, key))

    def _add(self, key: object, listener: Callable[[str], None]) -> None:
        before = self._seen()
        exit_and_fork.register(self)
        with self._lock:
            if self._quit is None or self._thread is None or not self._thread.is_alive():
                quit_ = Flag()
                self._thread = exit_and_fork.start_thread(
                    partial(self._run, quit_, before), self._name
                )
                self._quit = quit_
            self._listeners[key] = listener

    def _end(self, key: object) -> None:
        with self._lock:
            self._listeners.pop(key, None)
            if not self._listeners and self._quit is not None:
                self._quit.set()
                self._quit = None

    def close_at_exit(self, timeout_s: float) -> None:
        """Ends the thread. Called by `exit_and_fork` when the interpreter is about to end."""
        with self._lock:
            self._listeners.clear()
            if self._quit is not None:
                self._quit.set()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _seen(self) -> Seen:
        devices, defaults = self._look()
        listed = frozenset(
            (d.uid, d.input_channels, d.output_channels, d.samplerate) for d in devices
        )
        return listed, dict(zip(("default input", "default output"), defaults, strict=True))

    def _run(self, quit_: Flag, before: Seen) -> None:
        while not quit_.wait(LOOK_S):
            try:
                after = self._seen()
            except VoicecoilError:
                continue  # the audio system does not answer now
            except Exception as error:
                exit_and_fork.report(error, self._look)
                continue
            changed = ["devices"] if after[0] != before[0] else []
            changed += [name for name, uid in after[1].items() if uid != before[1][name]]
            before = after
            with self._lock:
                keys = list(self._listeners)
            for what in changed:
                for key in keys:
                    exit_and_fork.tell(partial(self._tell, key, what))

    def _tell(self, key: object, what: str) -> None:
        listener = self._listeners.get(key)
        if listener is not None:
            listener(what)
