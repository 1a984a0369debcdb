"""The sound systems that miniaudio speaks to, and the devices of each."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from voicecoil.drivers.control_thread import QUEUE_S, ControlThread, NotBegunError
from voicecoil.drivers.driver import Device
from voicecoil.drivers.miniaudio import _io, jack, library, pulse
from voicecoil.drivers.miniaudio.jack_client import Spare
from voicecoil.drivers.miniaudio.library import CAPTURE, PLAYBACK, Library
from voicecoil.drivers.miniaudio.status import NO_BACKEND, result_error
from voicecoil.errors import DeviceLostError, DriverError, StreamTimeoutError

if TYPE_CHECKING:
    from voicecoil.drivers.miniaudio.opening import Opened

__all__ = ["BACKENDS", "Backend", "Kind", "Timeouts", "real_backends"]

Result = TypeVar("Result")
WAYS = (0, 1)  # capture, playback
ANY_CHANNELS = 2  # of a device that takes any number
ANY_RATE_HZ = 48_000
CLIENT_NAME = "voicecoil"  # what mixers and patch bays show


@dataclass(frozen=True)
class Timeouts:
    """How long is waited for what, s.

    Attributes
    ----------
    probe_s : float
        Until a sound system has said whether it is there, and which devices it has.
    look_s : float
        The same while a stream has stopped to run, or somebody wants to know its latency.
    open_s, start_s, stop_s : float
        A call that opens, starts or ends a device.
    cycle_s : float
        Between any two IO cycles of a device that runs.
    """

    probe_s: float = 3.0
    look_s: float = 1.0
    open_s: float = 10.0
    start_s: float = 5.0
    stop_s: float = 5.0
    cycle_s: float = 5.0


@dataclass(frozen=True)
class Kind:
    """What is to be known of a sound system.

    Attributes
    ----------
    key : str
        What uids begin with, and what follows "miniaudio:" in a driver's name.
    title : str
        As miniaudio and people call it.
    ids : {"text", "wide", "bytes", "none"}
        How its device ids read; "none": it has one device.
    own_rate : bool
        Its rate cannot be chosen.
    fixed_frames : bool
        All its cycles have the same number of frames.
    least_frames : int
        A shorter period than this it cannot keep up with.
    asynchronous : bool
        Its two directions do not wait for each other: miniaudio puts a buffer of two periods
        between them.
    connects_later : bool
        Its first cycles reach nobody: it is connected to the sound card when it runs already.
    own_threads : bool
        Its callbacks come on threads to which it gives a priority itself.
    catches_up : bool
        A late callback costs no frames: its clock waits.
    """

    key: str
    title: str
    ids: Literal["text", "wide", "bytes", "none"] = "text"
    own_rate: bool = False
    fixed_frames: bool = False
    least_frames: int = 32
    asynchronous: bool = False
    connects_later: bool = False
    own_threads: bool = False
    catches_up: bool = False


BACKENDS = {
    kind.key: kind
    for kind in (
        Kind("pulse", "PulseAudio", least_frames=256, asynchronous=True),
        Kind(
            "jack",
            "JACK",
            "none",
            own_rate=True,
            fixed_frames=True,
            asynchronous=True,
            connects_later=True,
            own_threads=True,
        ),
        Kind("alsa", "ALSA"),
        Kind("wasapi", "WASAPI", "wide"),
        Kind("dsound", "DirectSound", "bytes"),
        Kind("winmm", "WinMM", "bytes"),
        Kind("coreaudio", "Core Audio", asynchronous=True),
        Kind("sndio", "sndio"),
        Kind("audio4", "audio(4)"),
        Kind("oss", "OSS"),
        Kind("null", "Null", "none", catches_up=True),
    )
}


def real_backends() -> list[str]:
    """The sound systems to look for here, the most likely one first; never the null one."""
    if sys.platform == "win32":
        return ["wasapi"]
    if sys.platform == "darwin":
        return ["coreaudio", "jack"]
    if sys.platform == "linux":
        return ["pulse", "jack", *(["alsa"] if has_sound_card() else [])]
    return ["pulse", "jack", "sndio", "audio4", "oss"]


def has_sound_card() -> bool:
    """Whether Linux knows one. Where it knows none, ALSA lists plugins that play nowhere."""
    try:
        return any(name.startswith("pcm") for name in os.listdir("/dev/snd"))
    except OSError:
        return False


@dataclass(frozen=True)
class _Listed:
    device: Device
    ids: tuple[bytes | None, bytes | None]  # capture, playback; None: the system's default


class Backend:
    """One sound system: its context, its thread, its devices.

    Parameters
    ----------
    kind : Kind
    driver : str
        The driver's name, for devices and messages.
    timeouts : Timeouts
    """

    def __init__(self, kind: Kind, driver: str, timeouts: Timeouts) -> None:
        self.kind = kind
        self.timeouts = timeouts
        self._driver = driver
        self._thread = ControlThread(f"voicecoil {kind.key}", kind.title)
        self.absence = "not asked"  # why it has no devices, in two words or so
        self.opened: set[Opened] = set()  # by this process, on this sound system
        # uids of the (input, output) that the sound system uses itself, as of the newest list.
        self.defaults: list[str | None] = [None, None]
        self._context: Any = None
        self._spare: Spare | None = None  # JACK's
        self._held = 0  # how many are about to open a device
        self._lock = threading.Lock()
        self._known: dict[str, _Listed] = {}
        self._leaked: list[Any] = []  # what calls that did not return may still use

    @property
    def library(self) -> Library:
        """Loaded when it is first needed. Raises `DriverError`."""
        return library.load()

    def call(
        self,
        name: str,
        work: Callable[[], Result],
        timeout_s: float,
        undo: Callable[[Result], None] = lambda _: None,
        queue_s: float = QUEUE_S,
        meanwhile: Callable[[], object] | None = None,
    ) -> Result:
        """Runs `work` on the thread that calls this sound system; see `ControlThread.call`."""
        try:
            return self._thread.call(
                name, work, timeout_s, undo, queue_s=queue_s, meanwhile=meanwhile
            )
        except NotBegunError:
            raise
        except StreamTimeoutError:
            self._leaked.append((self._context, self._spare))
            self._context = self._spare = None
            raise

    @contextlib.contextmanager
    def connecting(self) -> Iterator[None]:
        """Around what makes a new connection.

        libjack frees the clients of a server that is gone when the next one is opened, and crashes
        when they are closed after that. So they are closed before, or never.
        """
        for opened in list(self.opened):
            if opened.gone and not opened.dead:
                opened.dead = True
                self.library.lib.ma_device_uninit(opened.device)
        try:
            yield
        finally:
            if self._spare is not None and not self._held:
                self._spare.close()
            for opened in list(self.opened):
                if opened.gone and not opened.dead:
                    opened.dead = True  # it may be freed by now, or not: nobody touches it again
                    self.keep(opened)

    def keep(self, thing: object) -> None:
        """Keeps for ever what a call that did not return may still use."""
        self._leaked.append(thing)

    # ---- on its thread ----

    def check(self, call: str, result: int, what: str) -> None:
        """Raises for a result other than success."""
        said = _io.take_messages()
        if result != 0:
            raise result_error(call, result, what, said)

    def context(self) -> Any:
        """The connection to the sound system, made when it is first needed.

        Raises
        ------
        DriverError
            It is not there.
        """
        if self._context is not None:
            return self._context
        number = self.library.backend(self.kind.title)
        if number is None or not self._libraries():
            raise result_error("ma_context_init", NO_BACKEND, self.kind.title, [])
        ffi, lib = self.library.ffi, self.library.lib
        name = ffi.new("char[]", CLIENT_NAME.encode())
        config = ffi.new("ma_context_config *", lib.ma_context_config_init())
        config.pulse.pApplicationName = name
        config.jack.pClientName = name
        context = ffi.new("ma_context *")
        numbers = ffi.new("ma_backend[]", [number])
        with contextlib.ExitStack() as stack:
            if (spare := self.jack_client()) is not None:
                stack.enter_context(spare.lent())
                stack.enter_context(spare.known_to(ffi, config, context))
            _io.take_messages()
            result = lib.ma_context_init(numbers, 1, config, context)
        self.check("ma_context_init", result, self.kind.title)
        if self.kind.key == "pulse":
            pulse.guard(ffi.buffer(context))
        self._context = (context, name)
        return self._context

    def _libraries(self) -> bool:
        """Whether its client library is here; and has that tell us what it would print."""
        if self.kind.key == "jack" and sys.platform != "win32":
            return library.jack() is not None
        if self.kind.key == "alsa":
            library.jack()  # ALSA's plugin for JACK is a client of it while devices are listed
            return library.alsa() is not None
        return True

    def jack_client(self) -> Spare | None:
        """For JACK, where it can be shared."""
        jack = library.jack() if self.kind.key == "jack" and sys.platform != "win32" else None
        if self._spare is None and jack is not None and Spare.works_with(jack):
            self._spare = Spare(jack, CLIENT_NAME.encode())
        return self._spare

    def _drop_context(self) -> None:
        if self._context is not None:
            self.library.lib.ma_context_uninit(self._context[0])
            self._context = None

    def look(self) -> list[Device]:
        """Its devices, the default one first. Raises `DriverError`: it is not there."""
        with self.connecting():
            return self._look()

    def _look(self) -> list[Device]:
        spare = self.jack_client()
        listed = self._list_jack(spare) if spare is not None else self._list_anew()
        self._known = {one.device.uid: one for one in listed}
        return [one.device for one in listed]

    def _list_anew(self) -> list[_Listed]:
        fresh = self._context is None
        try:
            return self._list(self.context()[0])
        except DriverError:
            if fresh:
                raise
            self._drop_context()  # its server may have been restarted
            return self._list(self.context()[0])

    def _list_jack(self, spare: Spare) -> list[_Listed]:
        inputs, outputs, rate = jack.ports(spare.client())
        forms = [(count, rate) if count else None for count in (inputs, outputs)]
        if not any(forms):
            return []
        return [self._listed(self.kind.title, self.kind.key, forms, (None, None))]

    def ids(self, device: Device) -> tuple[bytes | None, bytes | None]:
        """The native ids for (capture, playback) of a device that was listed."""
        if device.uid not in self._known:
            self._look()
        if device.uid not in self._known:
            raise DeviceLostError(
                f"the device {device.name!r} (uid {device.uid!r}) is not there any more"
            )
        return self._known[device.uid].ids

    def answers(self, device: Device) -> list[bool]:
        """Whether the server tells of it now, for (capture, playback)."""
        context = self.context()[0]
        ids = self.ids(device)
        return [self._formats(context, ids[way], way) is not None for way in WAYS]

    def _list(self, context: Any) -> list[_Listed]:
        ffi, lib = self.library.ffi, self.library.lib
        infos = ffi.new("ma_device_info *[2]")
        counts = ffi.new("ma_uint32[2]")
        result = lib.ma_context_get_devices(
            context, infos + 1, counts + 1, infos, counts
        )  # playback, then capture
        self.check("ma_context_get_devices", result, self.kind.title)
        found: dict[str, tuple[str, list[bytes | None]]] = {}
        self.defaults = [None, None]
        for way in (1, 0):
            for info in infos[way][0 : counts[way]]:
                raw = bytes(ffi.buffer(ffi.addressof(info.id)))
                name = ffi.string(info.name).decode("utf-8", "replace")
                found.setdefault(self._uid(raw), (name, [None, None]))[1][way] = raw
                if info.isDefault:
                    self.defaults[way] = self._uid(raw)
        formats = [self._formats(context, None, way) if counts[way] else None for way in (0, 1)]
        if self.kind.key == "pulse":
            # A connection that is older than PipeWire's defaults is not told of them, ever.
            first = [
                next((ids[way] for _, ids in found.values() if ids[way]), None) for way in WAYS
            ]
            formats = [
                form or (self._formats(context, raw, way) if raw else None)
                for way, form, raw in zip(WAYS, formats, first, strict=True)
            ]
        listed = []
        if any(formats):
            alone = self.kind.ids == "none"
            title = self.kind.title if alone else f"Default ({self.kind.title})"
            listed.append(self._listed(title, self.kind.key, formats, (None, None)))
        if self.kind.ids != "none":
            for uid, (name, ids) in found.items():
                formats = [
                    self._formats(context, ids[way], way) if ids[way] else None for way in (0, 1)
                ]
                if any(formats):
                    name = f"{name} ({self.kind.title})"
                    listed.append(self._listed(name, uid, formats, (ids[0], ids[1])))
        return listed

    def _uid(self, raw: bytes) -> str:
        if self.kind.ids == "wide":
            text = raw.decode("utf-16-le", "replace").split("\0")[0]
        elif self.kind.ids == "text":
            text = raw.split(b"\0")[0].decode("utf-8", "replace")
        else:
            text = raw.rstrip(b"\0").hex() or "0"
        return f"{self.kind.key}:{text}"

    def _listed(
        self,
        name: str,
        uid: str,
        formats: list[Any],
        ids: tuple[bytes | None, bytes | None],
    ) -> _Listed:
        inputs, outputs = (form[0] if form else 0 for form in formats)
        rate = (formats[1] or formats[0])[1]
        return _Listed(Device(name, uid, self._driver, inputs, outputs, float(rate)), ids)

    def _formats(self, context: Any, raw: bytes | None, way: int) -> tuple[int, int] | None:
        """(channels, rate in Hz) of a device; None: it cannot be opened in that direction."""
        ffi, lib = self.library.ffi, self.library.lib
        native = ffi.NULL
        if raw is not None:
            native = ffi.new("ma_device_id *")
            ffi.buffer(native)[:] = raw
        info = ffi.new("ma_device_info *")
        kind = PLAYBACK if way else CAPTURE
        if lib.ma_context_get_device_info(context, kind, native, info) != 0:
            _io.take_messages()
            return None
        formats = list(info.nativeDataFormats[0 : info.nativeDataFormatCount])
        channels = max((form.channels for form in formats), default=0)
        if len(formats) == len(info.nativeDataFormats) and formats[0].format == formats[-1].format:
            channels = 0  # one that converts (ALSA's "default"): so many that their list is cut off
        rates = [form.sampleRate for form in formats if form.channels == channels]
        rate = max((r for r in rates if r <= ANY_RATE_HZ), default=0) or max(rates, default=0)
        return channels or ANY_CHANNELS, rate or ANY_RATE_HZ

    # ---- from any thread ----

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Around listing devices and opening one: JACK's client for the list is the device's."""
        with self._lock:
            self._held += 1
        try:
            yield
        finally:
            with self._lock:
                self._held -= 1
            if self._spare is not None and self._spare.is_open:
                with contextlib.suppress(StreamTimeoutError):
                    self.call(f"leaving {self.kind.title}", self._leave, self.timeouts.stop_s)

    def _leave(self) -> None:
        with self.connecting():
            pass  # which closes what nobody holds

    def missing(self, device: Device) -> str | None:
        """Why a device gives no cycles, where that can be seen; None: it is there."""
        try:
            limit_s = self.timeouts.look_s  # also for another stream's call, which may hang
            listed = self.call(f"looking for {device.name!r}", self.look, limit_s, queue_s=limit_s)
        except DriverError:
            return f"the server of {self.kind.title} stopped, and {device.name!r} with it"
        except StreamTimeoutError:
            return None  # it may only be slow
        if all(one.uid != device.uid for one in listed):
            return f"the device {device.name!r} was removed"
        return None

    def devices(self) -> list[Device]:
        """Its devices, the default one first; none when it is not there."""
        limit_s = self.timeouts.probe_s
        try:
            # JACK's list takes 20 ms, of waiting, and not this library.
            name = f"asking {self.kind.title} for its devices"
            found = self.call(name, self.look, limit_s, meanwhile=library.load)
            self.absence = "no device"
        except DriverError:
            library.load()  # raises again, if that was the trouble
            self.absence = "no server" if self._libraries() else "not installed"
            return []
        except StreamTimeoutError:
            self.absence = f"no answer within {limit_s:g} s"
            return []
        return found
