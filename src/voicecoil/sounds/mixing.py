"""One mixing stream for each output device: where `play` sends its sound."""

from __future__ import annotations

import os
import threading

from voicecoil import _core
from voicecoil.drivers.protocol import Device, Driver, Got
from voicecoil.errors import StreamStateError
from voicecoil.lifetime import exit_and_fork
from voicecoil.streams.base import CodeFactory
from voicecoil.streams.recovery import OnDeviceLost
from voicecoil.streams.stream import OutputStream

__all__ = ["Output", "close_outputs", "output_for"]

CAPACITY = 256  # sounds at the same time
LINGER_S = 0.1  # how long a device stays open when all is quiet: sounds often follow each other


class Output:
    """A device that mixes what is played on it.

    Whoever wants to add a sound holds the output first (whoever makes it does), so that it does not
    close, or come back with another rate, while the sound is made ready.
    """

    def __init__(
        self,
        driver: Driver,
        device: Device,
        channels: int | None,
        blocksize: int | None,
        on_device_lost: OnDeviceLost,
    ) -> None:
        self.on_device_lost = on_device_lost
        self._mixer: _core.MixerCode | None = None
        self._lock = threading.Lock()
        self._holds = 1  # the maker's
        self._quiet_since: int | None = None  # the mixer's frame
        self._ended_away = 0  # sounds that were stopped since the device was lost
        self.stream = OutputStream(
            CodeFactory(self._make_mixer),
            driver=driver,
            device=device,
            channels=channels,
            blocksize=blocksize,
            on_device_lost=on_device_lost,
        )
        try:
            self.stream.start()
        except BaseException:
            self.stream.close()
            raise
        exit_and_fork.tick(self._look)

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
        return self.stream._goes_on

    @property
    def may_wait(self) -> bool:
        """Whether it is on a free clock, which waits for what is read."""
        connection = self.stream._connection
        clock = connection.clock if connection is not None else None
        return isinstance(clock, _core.VirtualDevice) and not clock.stepped

    @property
    def settle_frames(self) -> int:
        """Frames from the mixer to the ear, and one call of the mixer: after them all was heard."""
        return self.stream.latency.frames + self.stream._got.max_frames + self.stream.blocksize

    def heard_frames(self) -> int:
        """How far on the mixer's time line the listener is; never too far.

        The newest cycle's frames reach the ear at the time that the device stamped it with. What
        the mixer made beyond that cycle, because its blocks are longer, is not counted.
        """
        mixed, cycle_ns = self.stream._newest_output()
        cycle = self.stream._got.max_frames
        size = self.stream.blocksize
        ahead = cycle if size == 0 or cycle % size == 0 else cycle + size - 1
        latency = self.stream.latency
        when_begun = mixed - ahead - latency.frames
        try:
            now_ns = self.stream.now_ns() if cycle_ns is not None else 0
        except StreamStateError:  # closed: no time passes any more
            cycle_ns = None
        if cycle_ns is None:
            return max(0, when_begun)
        since_s = (now_ns - cycle_ns) / 1e9 + latency.seconds
        since = int(since_s * self.stream.samplerate + 0.001)  # times are whole ns
        return max(0, when_begun + min(cycle, max(0, since)))

    def hold(self) -> bool:
        """Keeps it open until `let_go`. False: it is closed, or its device lost."""
        with self._lock:
            if self.usable:
                self._holds += 1
                return True
            return False

    def let_go(self) -> None:
        """The counterpart of `hold`."""
        with self._lock:
            self._holds -= 1

    def add(self, clip: _core.Clip) -> None:
        """Gives it a sound; the caller holds the output."""
        with self._lock:
            if (trouble := self.stream._trouble()) is not None:
                raise trouble
            if not self.usable:
                raise StreamStateError(
                    f"the output on {self.stream.device.name!r} was closed; play it again"
                )
            if not self.mixer.add(clip):
                raise StreamStateError(
                    f"{CAPACITY} sounds are playing on {self.stream.device.name!r} already; "
                    "wait() for one or stop() one first"
                )

    def stop(self, clip: _core.Clip, fade_frames: int) -> bool:
        """Fades a sound out and ends it. True: it is over, for there is no device to fade it on."""
        with self._lock:
            away = self.stream.state == "waiting"
            self._ended_away += away
            fade_frames = 0 if away else fade_frames
            if self.usable and not self.mixer.stop(clip, fade_frames):
                raise StreamStateError(
                    f"{2 * CAPACITY} commands wait for the next IO cycle of "
                    f"{self.stream.device.name!r} already; stop it again after that"
                )
            return away

    def _look(self) -> bool:
        """On a control thread: has the device closed when nothing has played for a while.

        The while is measured in the device's own time: a sound is over when it was heard, and
        nothing was heard while a clock stands still.
        """
        if not self._lock.acquire(blocking=False):
            return True  # another thread adds a sound, or closes the device
        try:
            if self._goes_on():
                return True
        finally:
            self._lock.release()
        exit_and_fork.submit(self._close_quiet)
        return False

    def _close_quiet(self) -> None:
        """On a thread of its own, because the device may not answer."""
        with self._lock:
            if not self._goes_on():
                self._shut()
                return
        exit_and_fork.tick(self._look)  # a sound came meanwhile

    def _goes_on(self) -> bool:
        """With the lock: whether the device stays open for now."""
        if not self.usable:
            return False
        now = self.mixer.frames
        away = self.stream.state == "waiting"
        self._ended_away = self._ended_away if away else 0
        if self.mixer.collect() > self._ended_away or self._holds > 0:
            self._quiet_since = None
            return True
        if away:  # no time passes there, and nothing is heard
            return False
        if self._quiet_since is None:
            self._quiet_since = now
        linger = int(LINGER_S * self.stream.samplerate) + self.settle_frames
        return now - self._quiet_since <= linger

    def close(self) -> None:
        """Closes the device at once."""
        with self._lock:
            self._shut()

    def _shut(self) -> None:
        _outputs.discard(self)
        self.stream.close()

    def is_on(self, driver: Driver, device: Device, on_device_lost: OnDeviceLost) -> bool:
        """Whether what is to be played there belongs here; a stream may have changed its device."""
        return (
            self.stream.driver is driver
            and self.stream.device.uid == device.uid
            and self.on_device_lost == on_device_lost
        )


_outputs: set[Output] = set()
_opening = threading.Lock()  # taken before an output's own lock, never after it


def output_for(
    driver: Driver,
    device: Device,
    channels: int | None,
    blocksize: int | None,
    on_device_lost: OnDeviceLost = "stop",
) -> Output:
    """The device's mixing stream, held for the caller, who has to let it go.

    It runs at the device's own rate: a rate is the whole system's, and setting it would end the
    streams of other programs. One that is open already may have other channels: look at its stream.
    """
    with _opening:
        for output in list(_outputs):
            if output.is_on(driver, device, on_device_lost):
                if output.hold():
                    return output
                output.close()
        output = Output(driver, device, channels, blocksize, on_device_lost)
        _outputs.add(output)
        return output


def close_outputs(driver: Driver | None = None) -> None:
    """Closes every mixing stream, or those of one driver, whatever still plays on them."""
    with _opening:
        for output in list(_outputs):
            if driver is None or output.stream.driver is driver:
                output.close()


def _after_fork_in_child() -> None:
    global _opening
    _opening = threading.Lock()
    _outputs.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
