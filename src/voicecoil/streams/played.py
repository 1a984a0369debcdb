"""The streams of this process that play, for references of what is played on a device."""

from __future__ import annotations

import weakref
from typing import Protocol

from voicecoil import _core
from voicecoil.drivers.protocol import Driver
from voicecoil.drivers.two_devices import DevicePair
from voicecoil.lifetime.weak_registry import Alive
from voicecoil.streams.channel_map import StreamChannels, places_on
from voicecoil.streams.stream_device import StreamDevice

__all__ = ["Playing", "attach_all", "listen", "note_playing"]


class Running(Protocol):
    @property
    def running(self) -> bool: ...


class Playing:
    """The output of one stream.

    Parameters
    ----------
    driver : Driver
    places : StreamChannels
    device : StreamDevice
    engine : Engine
    connection : Running
        The connection, which is not kept alive.
    may_move : bool
        Whether the stream can continue on another device.
    """

    def __init__(
        self,
        driver: Driver,
        places: StreamChannels,
        device: StreamDevice,
        engine: _core.Engine,
        connection: Running,
        may_move: bool,
    ) -> None:
        self.driver = driver
        self.engine = engine
        self.may_move = may_move
        self._places = places
        self._device = device
        self._connection = weakref.ref(connection)

    @property
    def uid(self) -> str:
        """The device on which the stream plays now."""
        device = self._device.current.device
        return device.output.uid if isinstance(device, DevicePair) else device.uid

    @property
    def runs(self) -> bool:
        """Whether the stream is being played."""
        # The engine of a stream that was aborted or closed stays in its state, because no IO cycle
        # comes that would change it.
        connection = self._connection()
        return (
            connection is not None
            and connection.running
            and self.engine.state in (_core.RUNNING, _core.DRAINING)
        )

    @property
    def channels(self) -> list[int]:
        """The device's channel for each output channel of the device's IO cycles."""
        _, output_map = places_on(self._places, self._device.current.device)
        return [channel for channel in output_map if channel is not None]


class Listener(Protocol):
    def attach(self, playing: Playing) -> None:
        """Called for each stream at each start, before it plays or later. It must not wait."""


_playing: Alive[Playing] = Alive()
_listeners: Alive[Listener] = Alive()


def note_playing(playing: Playing | None) -> None:
    """Tells all listeners of a stream that is started; None: it does not play.

    A listener may have forgotten a stream that was stopped for long. The stream keeps `playing`
    alive.
    """
    if playing is None:
        return
    _playing.add(playing)
    for listener in _listeners.now():
        listener.attach(playing)


def listen(listener: Listener) -> None:
    """Tells a listener of all streams that play, now and as long as it is alive."""
    # It is added first, so that a stream that another thread opens meanwhile is not missed.
    _listeners.add(listener)
    attach_all(listener)


def attach_all(listener: Listener) -> None:
    """Tells a listener of all streams that play now."""
    for playing in _playing.now():
        listener.attach(playing)
