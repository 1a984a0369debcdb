"""The driver for all sound systems that the miniaudio library supports.

The `miniaudio` package contains the library, with the code for each platform. Python configures its
structures, and the callback is written in C (callback.h). See docs/linux.md.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import ClassVar

from voicecoil import _core
from voicecoil.drivers.miniaudio import library
from voicecoil.drivers.miniaudio.backends import Backend
from voicecoil.drivers.miniaudio.kinds import KINDS, Timeouts, real_kinds
from voicecoil.drivers.miniaudio.opening import Opened, set_up
from voicecoil.drivers.miniaudio.stream import MiniaudioStream
from voicecoil.drivers.polling import Watching
from voicecoil.drivers.protocol import Device, Direction, OpenRequest
from voicecoil.errors import ArgumentError, DeviceLostError
from voicecoil.sealed import Unique

__all__ = ["MiniaudioDriver"]


class MiniaudioDriver(Unique):
    """The devices of the sound systems of this machine.

    Parameters
    ----------
    backend : str or None
        One sound system: "pulse" (also PipeWire), "jack", "alsa", "wasapi" ... or "null", which
        runs in real time without output. None: all sound systems of this machine except "null".
    timeouts : Timeouts or None
        Time limits of the calls.

    Raises
    ------
    DriverError
        The package `miniaudio` is not installed.
    ArgumentError
        There is no sound system of that name.
    """

    _attributes: ClassVar[tuple[str, ...]] = (
        "name",
        "timeouts",
    )

    def __init__(self, backend: str | None = None, *, timeouts: Timeouts | None = None) -> None:
        if backend is not None and backend not in KINDS:
            raise ArgumentError(
                f"miniaudio has no backend {backend!r}; possible are {', '.join(KINDS)}"
            )
        self.name = "miniaudio" if backend is None else f"miniaudio:{backend}"
        self.timeouts = timeouts or Timeouts()
        library.check_installed()
        self._all = backend is None
        keys: Sequence[str] = [backend] if backend is not None else real_kinds()
        self._backends = {key: Backend(KINDS[key], self.name, self.timeouts) for key in keys}
        self._watching = Watching(self._look, f"voicecoil watches {self.name}")

    def why_silent(self) -> str | None:
        """Returns why there is no device; None if a sound system has a device."""
        if any(backend.devices() for backend in self._backends.values()):
            return None
        absences = [f"{b.kind.title}: {b.absence}" for b in self._backends.values()]
        if self._all and sys.platform == "linux" and "alsa" not in self._backends:
            absences.append("ALSA: no sound card")
        return ", ".join(absences)

    def devices(self) -> list[Device]:
        """The devices that exist now, those of the preferred sound system first."""
        listed = [device for backend in self._backends.values() for device in backend.devices()]
        first = {
            way: next((d.uid for d in listed if d.channels(way)), None)
            for way in ("input", "output")
        }
        return [
            replace(
                device,
                is_default_input=device.uid == first["input"],
                is_default_output=device.uid == first["output"],
            )
            for device in listed
        ]

    def default(self, direction: Direction) -> Device | None:
        """The default device of the first sound system that has one."""
        flag = f"is_default_{direction}"
        return next((device for device in self.devices() if getattr(device, flag)), None)

    @contextlib.contextmanager
    def shared_session(self) -> Iterator[None]:
        """Context for a call of `devices` and the `open_stream` that follows it."""
        with contextlib.ExitStack() as stack:
            for backend in self._backends.values():
                stack.enter_context(backend.shared_session())
            yield

    def has_ports(self, device: Device) -> bool:
        """Whether streams on `device` have ports that other programs can connect, as in JACK."""
        return device.uid == "jack" or (not device.uid and list(self._backends) == ["jack"])

    def shows_names(self, device: Device) -> bool:
        """Whether patch bays or mixers show the names of streams on `device`."""
        kinds = [device.uid.split(":")[0]] if device.uid else list(self._backends)
        return all(kind in ("jack", "pulse") for kind in kinds)

    def open_stream(self, request: OpenRequest) -> MiniaudioStream:
        """Opens a stream that is not started yet."""
        backend = self._backends.get(request.device.uid.split(":")[0])
        if backend is None:
            raise DeviceLostError(
                f"the device {request.device.name!r} (uid {request.device.uid!r}) is not one of "
                f"the driver {self.name!r}"
            )
        backend.check_answers()
        opened = backend.call(
            f"opening {request.device.name!r}",
            lambda: set_up(backend, request),
            self.timeouts.open_s,
            Opened.end,
        )
        return MiniaudioStream(backend, request, opened)

    def now_ns(self) -> int:
        """The machine's monotonic clock, ns."""
        return _core.clock_ns()

    def watch(self, listener: Callable[[str], None]) -> Callable[[], None]:
        """Calls `listener` with the name of each change. Returns a function that ends the calls.

        The names are "devices", "default input" and "default output". The listener is called on
        voicecoil's listener thread, up to some seconds after the change. miniaudio gives no
        notifications, so a thread lists the devices every second while there are listeners.
        """
        return self._watching.add(listener)

    def _look(self) -> tuple[list[Device], tuple[str | None, str | None]]:
        """Lists devices and defaults for `Watching`.

        A sound system's "Default" device keeps its uid when another device becomes the default. So
        the uid of the actual default device is returned.
        """
        listed = self.devices()
        ways: tuple[Direction, ...] = ("input", "output")
        defaults: list[str | None] = []
        for way, direction in enumerate(ways):
            uid = next((d.uid for d in listed if getattr(d, f"is_default_{direction}")), None)
            own = self._backends[uid.split(":")[0]].defaults[way] if uid is not None else None
            defaults.append(own or uid)
        return listed, (defaults[0], defaults[1])
