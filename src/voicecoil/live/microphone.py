"""Input streams that recorders share. Each input device has one."""

from __future__ import annotations

import math
import os
import threading
from typing import Any

from voicecoil import _core
from voicecoil.arguments import check_stream_name
from voicecoil.drivers.choose import get_driver
from voicecoil.drivers.protocol import Device, Driver
from voicecoil.errors import StreamStateError
from voicecoil.lifetime import exit_and_fork
from voicecoil.lifetime.weak_registry import Alive
from voicecoil.streams.base import CodeFactory
from voicecoil.streams.channel_map import channel_map
from voicecoil.streams.input_stream import InputStream
from voicecoil.streams.monitor import StreamMonitor
from voicecoil.streams.recovery import OnDeviceLost, check_on_device_lost, find_or_await

__all__ = ["Microphone", "microphone_for"]

MARGIN_S = 0.25  # frames that a history keeps beyond its limit, so that a reader can read the limit
MAX_HISTORY_FRAMES = 2**31 - 1


class Microphone:
    """An input device with a stream that writes its frames into one history for each recorder.

    The stream has all channels of the device, and runs at the device's rate. It is opened by the
    first recorder, started by the first that starts, and closed when the last one is closed.
    """

    def __init__(
        self, driver: Driver, device: Device, on_device_lost: OnDeviceLost, name: str
    ) -> None:
        self.on_device_lost = on_device_lost
        self._name = name
        self._lock = threading.Lock()
        self._users: set[_core.History] = set()
        self.stream = InputStream(
            CodeFactory(lambda *_: _core.NoCode(), any_rate=True),
            driver=driver,
            device=device,
            on_device_lost=on_device_lost,
            name=name,
        )
        self.monitor = StreamMonitor(self.stream)
        self.generation = exit_and_fork.generation()

    @property
    def usable(self) -> bool:
        """True if recorders can still be added."""
        return self.stream.state == "idle" or self.monitor.goes_on

    def listen(self, channels: Any, buffer_s: float, ends: bool) -> tuple[_core.History, int]:
        """Return a history for a recorder, which is empty until `start`, and its limit in frames.

        Raises
        ------
        ArgumentError, ArgumentTypeError
            The device does not have the channels.
        MemoryError, OverflowError
            There is not enough memory.
        """
        chosen = channel_map(channels, self.stream.device, "input", None)
        hz = self.stream.device.samplerate or self.stream.samplerate
        limit = math.ceil(buffer_s * hz)
        margin = max(math.ceil(MARGIN_S * hz), 2 * self.monitor.max_period_frames)
        if limit + margin > MAX_HISTORY_FRAMES:
            raise OverflowError
        history = _core.History(limit + margin, list(chosen))
        history.limit(limit, ends, self.monitor.waits_for_code)
        self._users.add(history)
        return history, limit

    def start(self, history: _core.History) -> None:
        """Begin to write into a history. The first one starts the stream."""
        with self._lock:
            if not self.monitor.engine.add_history(history, False):
                raise StreamStateError(
                    f"64 recorders already record {self.stream.device.name!r}; close() one first"
                )
            try:
                if self.stream.state == "idle":
                    self.stream.start()
            except BaseException:
                self.monitor.engine.remove_history(history)
                raise

    def stop(self, history: _core.History) -> None:
        """Write nothing into a history any more. Returns at once."""
        self.monitor.engine.remove_history(history)
        history.release(2**63)  # a virtual device does not wait for it any more

    def leave(self, history: _core.History) -> None:
        """End a recorder. The last one closes the stream."""
        self.stop(history)
        with _opening:
            self._users.discard(history)
            if not self._users:
                _microphones.discard(self)
                self.stream.close()

    def is_on(self, driver: Driver, device: Device, policy: OnDeviceLost, name: str) -> bool:
        """Return True if this microphone is on that device now, with that policy and name."""
        return (
            self.stream.driver is driver
            and self.stream.device.uid == device.uid
            and self.on_device_lost == policy
            and self._name == name
        )


_microphones: Alive[Microphone] = Alive()
_opening = threading.Lock()  # taken on the main thread only in `uninterrupted` work


def microphone_for(
    device: str | Device | None,
    driver: str | Driver | None,
    on_device_lost: OnDeviceLost,
    name: str | None,
    channels: Any,
    buffer_s: float,
    ends: bool,
) -> tuple[Microphone, _core.History, int]:
    """Return the microphone on a device, and a history of it with its limit in frames.

    Raises
    ------
    DeviceNotFoundError, DriverError, ArgumentError, ArgumentTypeError
        As for `InputStream`.
    """
    policy = check_on_device_lost(on_device_lost)
    chosen = get_driver(driver, waits=policy != "stop")
    stream_name = check_stream_name(name)
    with _opening:
        target, _ = find_or_await(device, ("input",), chosen, policy)
        for found in _microphones.now():
            if found.is_on(chosen, target, policy, stream_name) and found.usable:
                return found, *found.listen(channels, buffer_s, ends)
        made = Microphone(chosen, target, policy, stream_name)
        try:
            history, limit = made.listen(channels, buffer_s, ends)
        except BaseException:
            made.stream.close()
            raise
        _microphones.add(made)
        return made, history, limit


def _after_fork_in_child() -> None:
    global _opening
    _opening = threading.Lock()
    _microphones.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
