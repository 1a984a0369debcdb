"""One JACK client that is shared by all operations that need a client.

libjack takes some 40 ms to open a client, and half of that to close it. Listing the devices needs a
client. miniaudio opens one to see whether there is a server, two more to ask for the rate while it
makes a device, and one for the device itself. Here a single client serves all of these: the queries
borrow it, and the device keeps it. For this, miniaudio's context gets other functions in place of
`jack_client_open` and `jack_client_close`. They are called on the thread that calls JACK, never on
an IO thread.
"""

from __future__ import annotations

import contextlib
import ctypes
import threading
from collections.abc import Callable, Iterator
from typing import Any

from voicecoil.drivers.miniaudio.jack_clients import Clients
from voicecoil.drivers.miniaudio.status import NO_BACKEND, result_error

__all__ = ["Spare"]

_NEEDED = ("jack_client_open", "jack_client_close", "jack_free", "jack_get_ports")
_NO_START_SERVER = 1
_Open = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_void_p)
_Close = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)
_Allocate = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)


def _address(function: Any) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0


def _exchange(memory: Any, pairs: dict[int, int]) -> None:
    """Replaces addresses in the memory of a structure. `pairs` maps old to new addresses."""
    pointers: Any = memoryview(memory).cast("P")
    for index, pointer in enumerate(pointers):
        if pointer in pairs:
            pointers[index] = pairs[pointer]


class Spare:
    """An open client that no device has yet. Use it only on the thread that calls JACK.

    A device that owns the client may be closed on another thread, if that thread has taken over.

    Parameters
    ----------
    jack : CDLL
    name : bytes
        Name of a client that is opened only for queries.
    clients : Clients
        The clients of all sessions.
    """

    def __init__(self, jack: ctypes.CDLL, name: bytes, clients: Clients) -> None:
        self._clients = clients
        self._name = self._client_name = name
        self._client = 0
        self._end: Any = None  # the IO that libjack notifies if the server ends the connection
        self._real_open = _Open(_address(jack.jack_client_open))
        self._real_close = _Close(_address(jack.jack_client_close))
        self._open = _Open(self._opened)
        self._close = _Close(self._closed)
        # The ident of the thread that lends the client. Another thread may close devices meanwhile.
        self._lender = 0
        self._is_shared = False  # whether miniaudio's context calls our functions

    @staticmethod
    def works_with(jack: ctypes.CDLL | None) -> bool:
        return jack is not None and all(hasattr(jack, name) for name in _NEEDED)

    def client(self, name: bytes | None = None) -> int:
        """Returns the client. It is opened when it is first needed.

        Parameters
        ----------
        name : bytes or None
            The client must have been opened with this name, because JACK cannot rename a client.
            None: any name.

        Raises
        ------
        DriverError
            There is no server.
        """
        misnamed = name is not None and name != self._client_name
        if self._client and (misnamed or self._end.counts()["gone"]):
            self.close()
        if not self._client:
            name = name or self._name
            client, end, said = self._clients.open(
                lambda: self._real_open(name, _NO_START_SERVER, None)
            )
            if not client:
                raise result_error("jack_client_open", NO_BACKEND, "JACK", said)
            self._client, self._client_name, self._end = client, name, end
        return self._client

    @property
    def is_open(self) -> bool:
        return bool(self._client)

    def close(self) -> None:
        """Closes the client, unless libjack may have freed it."""
        client, self._client = self._client, 0
        if client:
            with self._clients.kept(client, self._end) as is_there:
                if is_there:
                    self._clients.close(client, lambda: self._real_close(client))

    # ---- called by miniaudio ----

    def _lends(self) -> bool:
        return self._lender == threading.get_ident()

    def _opened(self, name: bytes, options: int, status: int | None) -> int | None:
        if self._lends():
            return self._client
        return self._clients.open(lambda: self._real_open(name, options, status))[0]

    def _closed(self, client: int) -> int:
        if self._lends():
            return 0
        return self._clients.close(client, lambda: self._real_close(client))

    @contextlib.contextmanager
    def lent(self, name: bytes | None = None) -> Iterator[None]:
        """Context in which miniaudio's queries get this client whenever they open one.

        `name` is passed on to `client`.

        Raises
        ------
        DriverError
            There is no server.
        """
        self.client(name)
        self._lender = threading.get_ident()
        try:
            yield
        finally:
            self._lender = 0

    @contextlib.contextmanager
    def given(self, name: bytes) -> Iterator[None]:
        """Context in which miniaudio makes a device, which then owns this client and closes it.

        The client's name is `name`.
        """
        try:
            with self.lent(name):
                yield
        except BaseException:
            self.close()
            raise
        if self._is_shared:
            self._client = 0

    @contextlib.contextmanager
    def known_to(self, ffi: Any, config: Any, context: Any) -> Iterator[None]:
        """Context in which ma_context_init calls our functions to open and close clients.

        ma_context_init looks up libjack's functions, allocates memory for the client's name, and
        then calls the functions. So our own allocator exchanges the functions when it is called. If
        the allocator is not at the expected place of the configuration, nothing is exchanged, and
        the context opens clients itself.
        """
        pointer = ffi.sizeof("void *")
        first = ffi.offsetof("ma_context_config", "pUserData") + pointer
        size = ffi.sizeof("ma_allocation_callbacks") + ffi.sizeof(
            "size_t"
        )  # the size_t is DirectSound's structure, which comes after the allocator
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
