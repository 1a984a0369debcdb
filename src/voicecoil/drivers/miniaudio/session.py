"""A thread's session with a sound system: its context, its JACK client, and the known devices.

A call that hangs may use these objects while it hangs and after it returns. So threads never share
a session. The thread that takes over has a session of its own, and the old session is closed after
its thread has returned from the call.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from voicecoil.arguments import program_name
from voicecoil.drivers.call_thread import check_wanted
from voicecoil.drivers.miniaudio import _io, alsa_facts, jack, library, pulse, pulse_facts
from voicecoil.drivers.miniaudio.jack_client import Spare
from voicecoil.drivers.miniaudio.library import CAPTURE, PLAYBACK, Library
from voicecoil.drivers.miniaudio.status import NO_BACKEND, result_error
from voicecoil.drivers.protocol import Device
from voicecoil.errors import DeviceLostError, DriverError

if TYPE_CHECKING:
    from voicecoil.drivers.miniaudio.system import SoundSystem

__all__ = ["Context", "Session"]

WAYS = (0, 1)  # capture, playback
ANY_CHANNELS = 2  # number given for a device that takes any number of channels
ANY_RATE_HZ = 48_000


class Context:
    """A ma_context. It is freed when it is retired and all devices made in it are closed.

    Parameters
    ----------
    pointer : Any
    free : callable
    keep : Any
        Objects that must live as long as the context, which has pointers to them.
    """

    def __init__(self, pointer: Any, free: Callable[[Any], None], keep: Any) -> None:
        self.pointer = pointer
        self._free = free
        self._keep = keep
        self._lock = threading.Lock()
        self._devices = 0
        self._retired = False

    def lend(self) -> None:
        """Counts one more device that uses the context."""
        with self._lock:
            self._devices += 1

    def give_back(self) -> None:
        """Counts one device less."""
        with self._lock:
            self._devices -= 1
            free = self._retired and self._devices == 0
        if free:
            self._free(self.pointer)

    def retire(self) -> None:
        """Frees the context as soon as no device uses it. No more devices are made in it."""
        with self._lock:
            free = not self._retired and self._devices == 0
            self._retired = True
        if free:
            self._free(self.pointer)


class _Form(NamedTuple):
    """One direction of a device."""

    channels: int
    samplerate: int
    samplerates: tuple[int, ...] = ()  # that the sound system lists, Hz; empty: not known


@dataclass(frozen=True)
class _Listed:
    device: Device
    ids: tuple[bytes | None, bytes | None]  # capture, playback; None: the system's default


class Session:
    """A session. All methods except `close` run on the thread to which it belongs.

    Parameters
    ----------
    system : SoundSystem
    """

    def __init__(self, system: SoundSystem) -> None:
        self._system = system
        self._kind = system.kind
        self._context: Context | None = None
        self._unconnected: Context | None = None  # makes devices that stay unconnected
        self._spare: Spare | None = None  # the shared JACK client
        self._known: dict[str, _Listed] = {}
        # The uids of the default devices (input, output) when the devices were last listed.
        self.defaults: tuple[str | None, str | None] = (None, None)

    @property
    def library(self) -> Library:
        """The miniaudio library, loaded when it is first needed. Raises `DriverError`."""
        return library.load()

    def close(self) -> None:
        """Releases the context and the JACK client.

        Called after the session's thread has made its last call.
        """
        self._drop_context()
        if self._spare is not None:
            self._spare.close()

    def check(self, call: str, result: int, what: str) -> None:
        """Raises `DriverError` for a result other than success."""
        said = _io.take_messages()
        if result != 0:
            raise result_error(call, result, what, said)

    # ---- the connection ----

    @contextlib.contextmanager
    def connecting(self) -> Iterator[None]:
        """Context for calls that make a new connection.

        When a client is opened, libjack frees the clients of a server that is gone. It crashes if
        those clients are closed afterwards. So they are closed before, or never.
        """
        check_wanted()
        for opened in self._system.gone():
            if not opened.inside:
                opened.end()
        try:
            yield
        finally:
            if self._spare is not None and not self._system.is_held:
                self._spare.close()
            for opened in self._system.gone():
                opened.leave()  # libjack may have freed its client, so it is not used again

    def context(self) -> Context:
        """Returns the connection to the sound system. It is made when it is first needed.

        Raises
        ------
        DriverError
            The sound system does not answer.
        """
        check_wanted()
        if self._context is None:
            self._context = self._connect()
        return self._context

    def unconnected_context(self) -> Context:
        """Returns the context of devices that leave their JACK ports unconnected when they start.

        Raises
        ------
        DriverError
            The sound system does not answer, or its library calls no known `jack_connect`.
        """
        check_wanted()
        if self._unconnected is None:
            context = self._connect()
            if self._kind.key != "jack" or not jack.leave_unconnected(
                memoryview(self.library.ffi.buffer(context.pointer))
            ):
                context.retire()
                raise DriverError(
                    f"connect=False is not possible with this library of {self._kind.title}; open "
                    "the stream without it",
                    call="jack_connect",
                )
            self._unconnected = context
        return self._unconnected

    def _connect(self) -> Context:
        number = self.library.backend(self._kind.title)
        if number is None or not self._system.has_library():
            raise result_error("ma_context_init", NO_BACKEND, self._kind.title, [])
        ffi, lib = self.library.ffi, self.library.lib
        name = ffi.new("char[]", program_name().encode())
        client_name = ffi.new("char[]", jack.client_name(program_name()))
        config = ffi.new("ma_context_config *", lib.ma_context_config_init())
        config.pulse.pApplicationName = name
        config.jack.pClientName = client_name
        pointer = ffi.new("ma_context *")
        numbers = ffi.new("ma_backend[]", [number])
        spare = self.spare()
        with contextlib.ExitStack() as stack:
            if spare is not None:
                stack.enter_context(spare.lent())
                stack.enter_context(spare.known_to(ffi, config, pointer))
            _io.take_messages()
            result = lib.ma_context_init(numbers, 1, config, pointer)
        self.check("ma_context_init", result, self._kind.title)
        self._system.was_connected = True
        if self._kind.key == "pulse":
            pulse.guard(ffi.buffer(pointer))
        return Context(pointer, lib.ma_context_uninit, (pointer, name, client_name, spare))

    def spare(self) -> Spare | None:
        """Returns the shared JACK client; None if this is not JACK or cannot share a client."""
        found = library.jack() if self._kind.key == "jack" and sys.platform != "win32" else None
        if self._spare is None and found is not None and Spare.works_with(found):
            name = jack.client_name(program_name())
            self._spare = Spare(found, name, self._system.clients)
        return self._spare

    @property
    def has_spare(self) -> bool:
        """Whether a JACK client is open that belongs to no device. Any thread may read it."""
        spare = self._spare
        return spare is not None and spare.is_open

    def _drop_context(self) -> None:
        contexts = (self._context, self._unconnected)
        self._context = self._unconnected = None
        for context in contexts:
            if context is not None:
                context.retire()

    # ---- devices ----

    def look(self) -> list[Device]:
        """Lists the devices, the default one first. Raises `DriverError` if there is no server."""
        with self.connecting():
            return self._look()

    def _look(self) -> list[Device]:
        spare = self.spare()
        listed = self._list_jack(spare) if spare is not None else self._list_anew()
        self._known = {one.device.uid: one for one in listed}
        return [one.device for one in listed]

    def _list_anew(self) -> list[_Listed]:
        fresh = self._context is None
        try:
            return self._list(self.context().pointer)
        except DriverError:
            if fresh:
                raise
            self._drop_context()  # the server may have been restarted, so connect again
            return self._list(self.context().pointer)

    def _list_jack(self, spare: Spare) -> list[_Listed]:
        inputs, outputs, rate = jack.ports(spare.client())
        forms = [_Form(count, rate, (rate,)) if count else None for count in (inputs, outputs)]
        if not any(forms):
            return []
        listed = self._listed(self._kind.title, self._kind.key, forms, (None, None))
        if self._system.is_held:
            return [listed]  # a stream is about to open it, and asks for the latency when needed
        latencies = jack.card_latencies(spare.client())
        return [replace(listed, device=replace(listed.device, **latencies))]

    def ids(self, device: Device) -> tuple[bytes | None, bytes | None]:
        """Returns the native ids for (capture, playback) of a device that was listed."""
        if device.uid not in self._known:
            self._look()
        if device.uid not in self._known:
            raise DeviceLostError(
                f"the device {device.name!r} (uid {device.uid!r}) is not there any more"
            )
        return self._known[device.uid].ids

    def answers(self, device: Device) -> list[bool]:
        """Whether the server knows the device now, for (capture, playback)."""
        ids = self.ids(device)  # this call may replace the context
        context = self.context().pointer
        return [self._formats(context, ids[way], way) is not None for way in WAYS]

    def _list(self, context: Any) -> list[_Listed]:
        ffi, lib = self.library.ffi, self.library.lib
        infos = ffi.new("ma_device_info *[2]")
        counts = ffi.new("ma_uint32[2]")
        check_wanted()
        if self._kind.key == "pulse":
            pulse_facts.clear()
        result = lib.ma_context_get_devices(
            context, infos + 1, counts + 1, infos, counts
        )  # playback, then capture
        self.check("ma_context_get_devices", result, self._kind.title)
        found: dict[str, tuple[str, list[bytes | None]]] = {}
        defaults: list[str | None] = [None, None]
        for way in (1, 0):
            for info in infos[way][0 : counts[way]]:
                raw = bytes(ffi.buffer(ffi.addressof(info.id)))
                name = ffi.string(info.name).decode("utf-8", "replace")
                found.setdefault(self._uid(raw), (name, [None, None]))[1][way] = raw
                if info.isDefault:
                    defaults[way] = self._uid(raw)
        self.defaults = (defaults[0], defaults[1])
        formats = [self._formats(context, None, way) if counts[way] else None for way in (0, 1)]
        if self._kind.key == "pulse":
            # PipeWire never tells a connection about a default device that was set after the
            # connection was made. The first device of each direction then stands for the default.
            first = [
                next((ids[way] for _, ids in found.values() if ids[way]), None) for way in WAYS
            ]
            formats = [
                form or (self._formats(context, raw, way) if raw else None)
                for way, form, raw in zip(WAYS, formats, first, strict=True)
            ]
        listed = []
        if any(formats):
            alone = self._kind.ids == "none"
            title = self._kind.title if alone else f"Default ({self._kind.title})"
            listed.append(self._listed(title, self._kind.key, formats, (None, None)))
        if self._kind.ids != "none":
            for uid, (name, ids) in found.items():
                formats = [
                    self._formats(context, ids[way], way) if ids[way] else None for way in (0, 1)
                ]
                if any(formats):
                    name = f"{name} ({self._kind.title})"
                    listed.append(self._listed(name, uid, formats, (ids[0], ids[1])))
        return listed

    def _uid(self, raw: bytes) -> str:
        if self._kind.ids == "wide":
            text = raw.decode("utf-16-le", "replace").split("\0")[0]
        elif self._kind.ids == "text":
            text = raw.split(b"\0")[0].decode("utf-8", "replace")
        else:
            text = raw.rstrip(b"\0").hex() or "0"
        return f"{self._kind.key}:{text}"

    def _listed(
        self,
        name: str,
        uid: str,
        formats: list[_Form | None],
        ids: tuple[bytes | None, bytes | None],
    ) -> _Listed:
        inputs, outputs = (form.channels if form else 0 for form in formats)
        ways = [form for form in reversed(formats) if form is not None]
        rate = ways[0].samplerate
        facts: dict[str, Any] = {}
        if self._kind.key in ("jack", "alsa"):
            rates = set.intersection(*(set(form.samplerates) for form in ways))
            facts = {"samplerates": tuple(map(float, sorted(rates))) or None}
        if self._kind.key == "alsa":
            facts |= alsa_facts.facts_of(uid.partition(":")[2])
        elif self._kind.key == "pulse":
            uids = [uid] if any(ids) else [self.defaults[way] for way in WAYS if formats[way]]
            facts = pulse_facts.facts_of([one.partition(":")[2] for one in uids if one])
        return _Listed(Device(name, uid, "miniaudio", inputs, outputs, float(rate), **facts), ids)

    def _formats(self, context: Any, raw: bytes | None, way: int) -> _Form | None:
        """Returns a direction of a device; None if the device does not have it."""
        ffi, lib = self.library.ffi, self.library.lib
        native = ffi.NULL
        if raw is not None:
            native = ffi.new("ma_device_id *")
            ffi.buffer(native)[:] = raw
        info = ffi.new("ma_device_info *")
        kind = PLAYBACK if way else CAPTURE
        check_wanted()
        if lib.ma_context_get_device_info(context, kind, native, info) != 0:
            _io.take_messages()
            return None
        formats = list(info.nativeDataFormats[0 : info.nativeDataFormatCount])
        channels = max((form.channels for form in formats), default=0)
        if len(formats) == len(info.nativeDataFormats) and formats[0].format == formats[-1].format:
            # A device that converts formats, such as ALSA's "default", has so many formats that the
            # list of them is cut off. Such a device takes any number of channels.
            channels = 0
        rates = [form.sampleRate for form in formats if form.channels == channels]
        rate = max((r for r in rates if r <= ANY_RATE_HZ), default=0) or max(rates, default=0)
        listed = tuple({form.sampleRate for form in formats} - {0})
        return _Form(channels or ANY_CHANNELS, rate or ANY_RATE_HZ, listed)
