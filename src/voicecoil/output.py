"""One mixing stream for each output device: where `play` sends its sound."""

from __future__ import annotations

import os
import threading
import time

from voicecoil import _core, control
from voicecoil.drivers.driver import RATE_RANGE_HZ, Device, Driver, Got
from voicecoil.errors import StreamStateError
from voicecoil.stream import OutputStream, _CodeFactory

__all__ = ["Output", "close_outputs", "output_for"]

CAPACITY = 256  # sounds at the same time
LINGER_S = 0.1  # how long a device stays open when all is quiet: sounds often follow each other


class Output:
    """A device that mixes what is played on it."""

    def __init__(
        self,
        driver: Driver,
        device: Device,
        samplerate: float,
        channels: int | None,
        blocksize: int | None,
    ) -> None:
        self._mixer: _core.MixerCode | None = None
        self.lock = threading.Lock()
        self._quiet_since = time.monotonic()
        low, high = RATE_RANGE_HZ
        self.stream = OutputStream(
            _CodeFactory(self._make_mixer),
            driver=driver,
            device=device,
            samplerate=samplerate if low <= samplerate <= high else None,
            channels=channels,
            blocksize=blocksize,
        )
        try:
            self.stream.start()
        except BaseException:
            self.stream.close()
            raise
        control.tick(self._look)

    def _make_mixer(self, got: Got, inputs: int, outputs: int) -> _core.Code:
        self._mixer = _core.MixerCode(outputs, CAPACITY, False)
        return self._mixer

    @property
    def mixer(self) -> _core.MixerCode:
        assert self._mixer is not None
        return self._mixer

    @property
    def usable(self) -> bool:
        """Whether something can still be added."""
        return self.stream.active

    def add(self, clip: _core.Clip) -> bool:
        """Gives it a sound. False: it has ended meanwhile."""
        with self.lock:
            if not self.usable:
                return False
            if not self.mixer.add(clip):
                raise StreamStateError(
                    f"{CAPACITY} sounds are playing on {self.stream.device.name!r} already; "
                    "wait() for one or stop() one first"
                )
            self._quiet_since = time.monotonic()
            return True

    def stop(self, clip: _core.Clip, fade_frames: int) -> bool:
        with self.lock:
            return self.mixer.stop(clip, fade_frames)

    def levels(self) -> list[tuple[float, float]]:
        """(peak, mean square) of each output channel since the last call, linear."""
        connection = self.stream._connection
        return connection.engine.levels() if connection is not None else []

    def _look(self) -> bool:
        """On the control thread: closes the device when nothing has played for a while."""
        with self.lock:
            if self.mixer.collect() > 0:
                self._quiet_since = time.monotonic()
            latency = self.stream.latency.seconds
            quiet = time.monotonic() - self._quiet_since > LINGER_S + latency
            if self.stream.state == "running" and not quiet:
                return self._well()
            self._shut()
        return False

    def close(self) -> None:
        """Closes the device at once."""
        with self.lock:
            self._shut()

    def _well(self) -> bool:
        connection = self.stream._connection
        if connection is not None and connection.driver_stream.trouble() is None:
            return True
        self._shut()
        return False

    def _shut(self) -> None:
        _outputs.pop(self._key(), None)
        self.stream.close()

    def _key(self) -> tuple[int, str]:
        return id(self.stream.driver), self.stream.device.uid


_outputs: dict[tuple[int, str], Output] = {}
_opening = threading.Lock()


def output_for(
    driver: Driver, device: Device, samplerate: float, channels: int | None, blocksize: int | None
) -> Output:
    """The device's mixing stream; opened at `samplerate` if it can be, when it is not open yet.

    The one that is open may run at another rate and with other channels: look at its stream.
    """
    with _opening:
        key = id(driver), device.uid
        output = _outputs.get(key)
        if output is None or not output.usable:
            output = Output(driver, device, samplerate, channels, blocksize)
            _outputs[key] = output
        return output


def close_outputs() -> None:
    """Closes every mixing stream, whatever still plays on it."""
    with _opening:
        for output in list(_outputs.values()):
            output.close()


def _after_fork_in_child() -> None:
    global _opening
    _opening = threading.Lock()
    _outputs.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
