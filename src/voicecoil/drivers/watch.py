"""Watching which devices there are, on every driver: `watch`."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

from voicecoil.drivers.change_queue import ChangeQueue
from voicecoil.drivers.choose import get_driver
from voicecoil.drivers.polling import Watching
from voicecoil.drivers.protocol import Device, Driver
from voicecoil.lifetime.uninterrupted import uninterrupted

__all__ = ["DeviceChange", "DeviceWatch", "watch"]

Kind = Literal["added", "removed", "changed", "default input", "default output"]


@dataclass(frozen=True)
class DeviceChange:
    """A change of the devices.

    Attributes
    ----------
    kind : {"added", "removed", "changed", "default input", "default output"}
        "changed" means the device's name, channels or rate.
    old, new : Device or None
        The device before and after; of a default, the default device. None: there was none.
    """

    kind: Kind
    old: Device | None
    new: Device | None

    @property
    def device(self) -> Device | None:
        """The device as it is now, or as it was if it was removed."""
        return self.new or self.old


class DeviceWatch(ChangeQueue[DeviceChange]):
    """Changes of the devices of a driver, returned by :func:`voicecoil.watch`.

    It is an iterator, an asynchronous iterator and a context manager.
    """

    def __init__(self, driver: Driver, callback: Callable[[DeviceChange], object] | None) -> None:
        super().__init__(callback)
        self._driver = driver
        self._comparing = threading.Lock()
        self._seen: list[Device] = []
        self._end: Callable[[], None] | None = None
        uninterrupted("watch", self._begin, undo=lambda _: self.close())

    def __repr__(self) -> str:
        return f"<DeviceWatch {'ended' if self.ended else 'watching'} of {self._driver.name!r}>"

    def _begin(self) -> None:
        self._seen = self._driver.devices()
        listen: Callable[[Callable[[str], None]], Callable[[], None]] = self._driver.watch
        if self._driver.name == "virtual":  # only the program changes them, and it tells nobody
            listen = Watching(partial(_look, self._driver), "voicecoil watching").add
        self._end = listen(partial(_tell, weakref.WeakMethod(self._changed)))
        self._when_dropped(self._end)
        self._changed("")  # what has changed since the devices were listed

    def _changed(self, what: str) -> None:
        """Compares the devices with those of the last call. On any thread but the main thread."""
        with self._comparing:
            if self.ended:
                return
            before, now = self._seen, self._driver.devices()
            self._seen = now
        old, new = ({one.uid: one for one in listed} for listed in (before, now))
        for uid in old.keys() | new.keys():
            first, second = old.get(uid), new.get(uid)
            if first is None or second is None:
                self._add("added" if first is None else "removed", uid, first, second)
            elif _description(first) != _description(second):
                self._add("changed", uid, first, second)
        for way, kind in _DEFAULTS:
            first, second = _default(before, way), _default(now, way)
            if (first and first.uid) != (second and second.uid):
                self._add(kind, "", first, second)

    def _add(self, kind: Kind, uid: str, old: Device | None, new: Device | None) -> None:
        self._put(uid or kind, DeviceChange(kind, old, new), _merged)

    def close(self) -> None:
        """End the watch. A loop over it ends after the changes that were not read yet."""
        end, self._end = self._end, None
        if end is not None:
            end()
        super().close()


def _tell(changed: weakref.WeakMethod[Callable[[str], None]], what: str) -> None:
    """Tells a watch of a change, if the program has not dropped the watch."""
    found = changed()
    if found is not None:
        found(what)


def _look(driver: Driver) -> tuple[list[Device], tuple[str | None, str | None]]:
    listed = driver.devices()
    defaults = [_default(listed, way) for way in ("input", "output")]
    first, second = (one.uid if one is not None else None for one in defaults)
    return listed, (first, second)


_DEFAULTS: tuple[tuple[str, Kind], ...] = (("input", "default input"), ("output", "default output"))


def _default(listed: list[Device], way: str) -> Device | None:
    return next((one for one in listed if getattr(one, f"is_default_{way}")), None)


def _description(device: Device) -> tuple[object, ...]:
    return device.name, device.input_channels, device.output_channels, device.samplerate


def _merged(earlier: DeviceChange, later: DeviceChange) -> DeviceChange | None:
    """One change of two; None if the second one has undone the first."""
    old, new = earlier.old, later.new
    if later.kind in ("default input", "default output"):
        same = (old and old.uid) == (new and new.uid)
        return None if same else DeviceChange(later.kind, old, new)
    if old is None or new is None:
        return None if old is new else DeviceChange("added" if old is None else "removed", old, new)
    same = _description(old) == _description(new)
    return None if same else DeviceChange("changed", old, new)


def watch(
    driver: str | Driver | None = None,
    *,
    callback: Callable[[DeviceChange], object] | None = None,
) -> DeviceWatch:
    """Watch which devices there are, and which are the defaults.

    ::

        with vc.watch() as changes:
            for change in changes:  # or: async for
                print(change.kind, change.device.name)

    CoreAudio reports changes at once. Other audio systems have no notifications, so their devices
    are listed every second while there is a watch.

    Parameters
    ----------
    driver : str, Driver or None
        The driver whose devices are watched; None: the driver that streams use by default.
    callback : callable or None
        Called with each `DeviceChange` on an ordinary thread, instead of a loop. It may open and
        close streams.

    Returns
    -------
    DeviceWatch
        It ends with ``close``, a ``with`` block, or when the program has no reference to it any
        more. So keep it, also if it has a callback.
    """
    return DeviceWatch(get_driver(driver), callback)
