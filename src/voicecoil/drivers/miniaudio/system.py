"""The state of a sound system in this process: the thread that calls it, and its open devices.

Two drivers of the same sound system ("miniaudio" and "miniaudio:jack") share this state, because
the client libraries keep state for the whole process. See `Session.connecting`.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from voicecoil.drivers.call_thread import CallThread
from voicecoil.drivers.miniaudio import library
from voicecoil.drivers.miniaudio.jack_clients import Clients
from voicecoil.drivers.miniaudio.kinds import Kind
from voicecoil.drivers.miniaudio.session import Session
from voicecoil.errors import StreamTimeoutError

if TYPE_CHECKING:
    from voicecoil.drivers.miniaudio.opening import Opened

__all__ = ["SoundSystem", "system_of"]


class SoundSystem:
    """One sound system.

    Parameters
    ----------
    kind : Kind

    Attributes
    ----------
    thread : CallThread
        The thread that makes all calls to the sound system.
    opened : set of Opened
        The devices that are open.
    clients : Clients
        The JACK clients that are open.
    was_connected : bool
        Whether this process has ever been connected to its server.
    """

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.thread = CallThread(f"voicecoil {kind.key}", kind.title, lambda: Session(self))
        self.opened: set[Opened] = set()
        self.clients = Clients()
        self.was_connected = False
        self._sharing = 0  # number of `shared_session` contexts that are active
        self._lock = threading.Lock()
        self._left: list[Opened] = []  # kept for ever, because abandoned calls may still use them

    @property
    def session(self) -> Session:
        """The session of the current job. Call it on that job's thread."""
        session = self.thread.session
        assert isinstance(session, Session)
        return session

    def has_library(self) -> bool:
        """Whether the client library is installed. Also redirects its messages from stderr."""
        if self.kind.key == "jack" and sys.platform != "win32":
            return library.jack() is not None
        if self.kind.key == "alsa":
            library.jack()  # while ALSA lists devices, its JACK plugin prints through libjack
            return library.alsa() is not None
        return True

    def gone(self) -> list[Opened]:
        """Returns the open devices whose server ended the connection."""
        self.clients.lose_server()
        return [one for one in list(self.opened) if one.gone and not one.dead]

    def leave(self, opened: Opened) -> None:
        """Keeps a device for ever, because it can be neither used nor closed any more."""
        self.opened.discard(opened)
        self._left.append(opened)

    # ---- holding ----

    @property
    def is_held(self) -> bool:
        """Whether a stream is about to open a device."""
        return self._sharing > 0

    @contextlib.contextmanager
    def shared_session(self, timeout_s: float) -> Iterator[None]:
        """Context for listing devices and opening one, so that both use the same JACK client."""
        with self._lock:
            self._sharing += 1
        try:
            yield
        finally:
            with self._lock:
                self._sharing -= 1
            if self.kind.key == "jack":
                with contextlib.suppress(StreamTimeoutError):
                    self._leave_jack(timeout_s)

    def _leave_jack(self, timeout_s: float) -> None:
        session = self.thread.newest_session
        if isinstance(session, Session) and session.has_spare:
            self.thread.call(f"leaving {self.kind.title}", self._close_spare, timeout_s)

    def _close_spare(self) -> None:
        with self.session.connecting():
            pass  # the end of the block closes the shared client, unless a stream needs it


_systems: dict[str, SoundSystem] = {}
_lock = threading.Lock()


def system_of(kind: Kind) -> SoundSystem:
    """Return the sound system of a kind. There is one object for each kind in the process."""
    with _lock:
        if kind.key not in _systems:
            _systems[kind.key] = SoundSystem(kind)
        return _systems[kind.key]


def _after_fork_in_child() -> None:
    """Drops the sound systems of the parent, so that a forked child connects anew.

    A system that does not survive a fork stays, so that its calls raise `ForkedError`.
    """
    global _lock
    _lock = threading.Lock()
    for key, system in list(_systems.items()):
        if system.kind.survives_fork or not system.was_connected:
            del _systems[key]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
