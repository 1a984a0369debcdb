"""One client of JACK's for all that needs one.

libjack takes some 40 ms to open a client, and half of that to close it. A list of the devices needs
one, miniaudio opens one to see whether there is a server and two to ask for the rate while it makes
a device, which is another. Here they are all the same: it is lent to the others and given to the
device. So miniaudio's context gets other functions for `jack_client_open` and `jack_client_close`;
they are called on the thread that calls JACK, never on an IO thread.
"""

from __future__ import annotations

import contextlib
import ctypes
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from voicecoil.drivers.miniaudio import _io
from voicecoil.drivers.miniaudio.jack import NO_JACK, listen
from voicecoil.drivers.miniaudio.status import NO_BACKEND, result_error

__all__ = ["Spare"]

_NEEDED = ("jack_client_open", "jack_client_close", "jack_free", "jack_get_ports")
_NO_START_SERVER = 1
_Open = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_void_p)
_Close = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)
_Allocate = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)
_NOTHING: tuple[list[int], int, int, int] = ([], 0, 0, 0)


def _address(function: Any) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0


def _exchange(memory: Any, pairs: dict[int, int]) -> None:
    """Puts other addresses in the place of some in a structure."""
    pointers: Any = memoryview(memory).cast("P")
    for index, pointer in enumerate(pointers):
        if pointer in pairs:
            pointers[index] = pairs[pointer]


class Spare:
    """An open client that no device has yet. All of it on the thread that calls JACK; but devices
    that it was given to may be closed by the thread that took over from that one.

    Parameters
    ----------
    jack : CDLL
    name : bytes
        Of the client.
    """

    def __init__(self, jack: ctypes.CDLL, name: bytes) -> None:
        self._name = name
        self._client = 0
        self._end: Any = None  # is told when the server ends the connection
        # libjack may be about to tell them, while another one is registered.
        self._earlier: deque[Any] = deque(maxlen=64)
        self._real_open = _Open(_address(jack.jack_client_open))
        self._real_close = _Close(_address(jack.jack_client_close))
        self._open = _Open(self._opened)
        self._close = _Close(self._closed)
        self._lender = 0  # the thread that lends it; another one may close devices meanwhile
        self._is_shared = False  # miniaudio asks here

    @staticmethod
    def works_with(jack: ctypes.CDLL | None) -> bool:
        return jack is not None and all(hasattr(jack, name) for name in _NEEDED)

    def client(self) -> int:
        """The client, opened when it is needed.

        Raises
        ------
        DriverError
            There is no server.
        """
        if self._client and self._end.counts()["gone"]:
            self.close()
        if not self._client:
            client = self._real_open(self._name, _NO_START_SERVER, None)
            if not client:
                raise result_error("jack_client_open", NO_BACKEND, "JACK", _io.take_messages())
            self._client = client
            self._earlier.append(self._end)
            self._end = _io.IO(0, _NOTHING, _NOTHING, 1.0, 0, -1, 0, NO_JACK)
            listen(client, self._end)
        return self._client

    @property
    def is_open(self) -> bool:
        return bool(self._client)

    def close(self) -> None:
        """Closes it, unless its server is gone: libjack may have freed it by now, or not."""
        client, self._client = self._client, 0
        if client and not self._end.counts()["gone"]:
            self._real_close(client)

    # ---- for miniaudio ----

    def _lends(self) -> bool:
        return self._lender == threading.get_ident()

    def _opened(self, name: bytes, options: int, status: int | None) -> int | None:
        return self._client if self._lends() else self._real_open(name, options, status)

    def _closed(self, client: int) -> int:
        return 0 if self._lends() else self._real_close(client)

    @contextlib.contextmanager
    def lent(self) -> Iterator[None]:
        """Around what opens and closes clients to ask something: each time it gets this one.

        Raises
        ------
        DriverError
            There is no server.
        """
        self.client()
        self._lender = threading.get_ident()
        try:
            yield
        finally:
            self._lender = 0

    @contextlib.contextmanager
    def given(self) -> Iterator[None]:
        """Around what makes a device: it keeps this client, and closes it some day."""
        try:
            with self.lent():
                yield
        except BaseException:
            self.close()
            raise
        if self._is_shared:
            self._client = 0

    @contextlib.contextmanager
    def known_to(self, ffi: Any, config: Any, context: Any) -> Iterator[None]:
        """Around ma_context_init, which opens a client: has it ask here.

        It looks the functions up, allocates memory for the client's name, and calls them: so they
        are exchanged when it allocates. Where the configuration has its allocator is checked; if
        not there, the context opens its clients itself.
        """
        pointer = ffi.sizeof("void *")
        first = ffi.offsetof("ma_context_config", "pUserData") + pointer
        size = ffi.sizeof("ma_allocation_callbacks") + ffi.sizeof("size_t")  # and DirectSound's
        if first + size != ffi.offsetof("ma_context_config", "alsa"):
            yield
            return
        libc = ctypes.CDLL(None)
        malloc: Callable[[int, None], int | None] = _Allocate(_address(libc.malloc))
        memory = ffi.buffer(context)
        exchanged = {
            _address(self._real_open): _address(self._open),
            _address(self._real_close): _address(self._close),
        }

        def allocate(size: int, user: int | None) -> int | None:
            _exchange(memory, exchanged)
            return malloc(size, None)

        watched = _Allocate(allocate)
        callbacks = (0, _address(watched), _address(libc.realloc), _address(libc.free))
        pointers: Any = memoryview(ffi.buffer(config)).cast("P")
        pointers[first // pointer : first // pointer + 4] = (
            memoryview((ctypes.c_void_p * 4)(*callbacks)).cast("B").cast("P")
        )
        try:
            yield
        finally:
            _exchange(memory, {_address(watched): _address(libc.malloc)})
            found: Any = memoryview(memory).cast("P")
            self._is_shared = _address(self._open) in list(found)
