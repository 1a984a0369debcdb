"""The JACK clients that are open in this process. One is opened or closed at a time.

libjack reports the end of its server to each client on a thread of that client. When one client has
been told, libjack frees all clients when the next one is opened. The clients that have not been
told then never are, and a call with one of them crashes.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from voicecoil.drivers.miniaudio import _io, jack
from voicecoil.drivers.miniaudio.jack import NO_JACK

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

__all__ = ["Clients"]

_FREED = "Cleanup client ref"  # libjack says this for each client that it frees
_NOTHING: tuple[list[int], int, int, int] = ([], 0, 0, 0)


class Clients:
    """The open clients. Any thread may call the methods.

    PipeWire's libjack never frees a client when it opens another one. So its clients are told of
    nothing, and are always closed.
    """

    def __init__(self) -> None:
        # A client is opened or closed while this is locked. Otherwise a thread could close a client
        # while an abandoned call of another thread opens one, which frees the first.
        self._lock = threading.RLock()
        self._listeners: dict[int, _io.IO] = {}  # the IO that libjack notifies, by client
        self._is_gone = False  # a client that is not open any more was told of the server's end
        # IOs that were registered. libjack may still be calling one after it was replaced.
        self._earlier: deque[_io.IO] = deque(maxlen=64)

    def _alone(self) -> AbstractContextManager[object]:
        return contextlib.nullcontext() if jack.is_pipewire() else self._lock

    def listen(self, client: int, io: _io.IO) -> None:
        """Registers the IO that is notified of the server's end, in place of an earlier one."""
        earlier = self._listeners.get(client)
        self._listeners[client] = io
        jack.listen(client, io)
        if earlier is not None and earlier.counts()["gone"]:
            io.lose_server()

    def lose_server(self) -> None:
        """Tells all clients that the server is gone, if one client has been told."""
        listeners = list(self._listeners.values())
        is_gone = self._is_gone or any(io.counts()["gone"] for io in listeners)
        if is_gone and not jack.is_pipewire():
            for io in listeners:
                io.lose_server()

    def open(self, opens: Callable[[], int | None]) -> tuple[int, _io.IO, list[str]]:
        """Opens a client. Returns it (0: there is no server), its IO, and libjack's messages.

        The clients that libjack may have freed are told that the server is gone, and are never
        closed.
        """
        io = _io.IO(0, _NOTHING, _NOTHING, 1.0, 0, -1, 0, NO_JACK)
        with self._alone():
            self._forget_lost()
            self._is_gone = False
            client = opens() or 0
            said = _io.take_messages()
            # The server may have ended just before the call or during it.
            has_freed = any(text.startswith(_FREED) for text in said)
            self._is_gone = has_freed
            # If libjack has freed nothing, the new client may be one of the server that ended.
            self._is_gone = self._forget_lost() and not has_freed
            if client:
                self._earlier.append(io)
                self.listen(client, io)
        return client, io, said

    def _forget_lost(self) -> bool:
        """Forgets all clients if their server is gone. Returns whether it is."""
        if jack.is_pipewire():
            return False
        self.lose_server()
        lost = [client for client, io in self._listeners.items() if io.counts()["gone"]]
        for client in lost:
            del self._listeners[client]
        return bool(lost)

    def close(self, client: int, closes: Callable[[], int]) -> int:
        """Closes a client, unless libjack may have freed it."""
        with self._alone():
            io = self._listeners.get(client)
            if io is None:
                return 0
            self.forget(client, io)
            return closes()

    def forget(self, client: int, io: _io.IO) -> None:
        """Removes a client that is closed."""
        if self._listeners.get(client) is io:
            del self._listeners[client]
            self._is_gone = self._is_gone or bool(io.counts()["gone"])

    @contextlib.contextmanager
    def kept(self, client: int, io: _io.IO) -> Iterator[bool]:
        """Context in which no client is freed. Its value is false if this one may be freed already.

        The value is true if `client` is 0, because the device has no client.
        """
        with self._alone() if client else contextlib.nullcontext():
            yield not client or self._listeners.get(client) is io
