"""Mixing streams of `play`. Each output device has one, which mixes all sounds played on it."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence

from voicecoil import _core
from voicecoil.arguments import check_stream_name
from voicecoil.drivers.protocol import Device, Driver, OpenedFormat
from voicecoil.errors import StreamStateError
from voicecoil.files.read_ahead import Reader
from voicecoil.lifetime import exit_and_fork
from voicecoil.sounds.moment import Moments
from voicecoil.sounds.play_request import PlayRequest, ramp_frames
from voicecoil.streams.base import CodeFactory
from voicecoil.streams.channel_map import listed_channels
from voicecoil.streams.monitor import StreamMonitor
from voicecoil.streams.recovery import OnDeviceLost
from voicecoil.streams.stream import OutputStream

__all__ = ["Output", "close_outputs", "output_for", "outputs"]

CAPACITY = 256  # largest number of sounds at the same time
LINGER_S = 0.1  # a device stays open for this time after the last sound, because another may follow


class Output:
    """An output device with a mixing stream.

    A caller must hold the output before it adds a sound. Otherwise the device could close, or
    return with another rate, while the sound is prepared. A new output is held by its creator.
    """

    def __init__(
        self,
        driver: Driver,
        device: Device,
        channels: int | Sequence[int] | None,
        block_frames: int | None,
        on_device_lost: OnDeviceLost,
        name: str,
        at_once: bool,
    ) -> None:
        self.on_device_lost = on_device_lost
        self._listed = listed_channels(channels)
        self._name = name
        self._mixer: _core.MixerCode | None = None
        self._lock = threading.Lock()
        self._holds = 1  # number of callers that hold the output; the creator is the first
        self._quiet_since: int | None = None  # the mixer's frame at which the last sound ended
        self._ended_away = 0  # number of sounds that were stopped since the device was lost
        self.stream = OutputStream(
            CodeFactory(self._make_mixer),
            driver=driver,
            device=device,
            channels=channels if self._listed is None else self._listed,
            blocksize=block_frames,
            on_device_lost=on_device_lost,
            name=name,
        )
        self.monitor = StreamMonitor(self.stream)
        self._begun = False
        if at_once:
            self._begin()
        exit_and_fork.tick(self._look)

    def _make_mixer(self, opened_format: OpenedFormat, inputs: int, outputs: int) -> _core.Code:
        self._mixer = _core.MixerCode(outputs, CAPACITY, False)
        return self._mixer

    @property
    def mixer(self) -> _core.MixerCode:
        assert self._mixer is not None
        return self._mixer

    @property
    def usable(self) -> bool:
        """True if sounds can still be added. A sound is read ahead only while this is True."""
        if not self._begun:  # the first sound may be starting the device now
            return not self.monitor.closed
        return self.monitor.goes_on

    @property
    def may_wait(self) -> bool:
        """True if the device is virtual with a free clock, which can wait for frames of a file."""
        return self.monitor.waits_for_code

    @property
    def has_virtual_clock(self) -> bool:
        """True if the device is virtual with a clock that is not real, free or stepped."""
        return self.monitor.has_virtual_clock

    @property
    def settle_frames(self) -> int:
        """Frames from the end of a sound in the mixer until the sound has certainly been heard.

        This is the output latency plus the frames of one call of the mixer.
        """
        cycle = self.monitor.max_period_frames
        return self.stream.latency.frames + cycle + self.stream.blocksize

    def heard_frames(self) -> int:
        """Return the mixer's frame that the listener hears now. The result is never too large.

        The frames of the newest IO cycle are heard at the cycle's time stamp. If the mixer's blocks
        are longer than the cycle, the frames behind the cycle are not counted.
        """
        mixed, cycle_ns = self.monitor.newest_output()
        cycle = self.monitor.max_period_frames
        size = self.stream.blocksize
        ahead = cycle if size == 0 or cycle % size == 0 else cycle + size - 1
        latency = self.stream.latency
        when_begun = mixed - ahead - latency.frames
        try:
            now_ns = self.stream.now_ns() if cycle_ns is not None else 0
        except StreamStateError:  # the stream is closed, so its time has stopped
            cycle_ns = None
        if cycle_ns is None:
            return max(0, when_begun)
        since_s = (now_ns - cycle_ns) / 1e9 + latency.seconds
        since = int(since_s * self.stream.samplerate + 0.01)  # times are rounded to ticks
        return max(0, when_begun + min(cycle, max(0, since)))

    def hold(self) -> bool:
        """Keep the output open until `let_go`. Returns False if it can no longer be used."""
        with self._lock:
            if self.usable:
                self._holds += 1
                return True
            return False

    def let_go(self) -> None:
        """Release one `hold`."""
        with self._lock:
            self._holds -= 1

    def add(self, clip: _core.MixerClip) -> None:
        """Start a sound. The caller must hold the output.

        The first sound starts the device, if `output_for` did not.

        Raises
        ------
        DeviceLostError, DriverError
            The device was lost, or cannot be started.
        StreamStateError
            The output was closed, or `CAPACITY` sounds are playing.
        """
        with self._lock:
            if (trouble := self.monitor.trouble()) is not None:
                raise trouble
            if not self.usable:
                raise StreamStateError(
                    f"the output on {self.stream.device.name!r} was closed; play it again"
                )
            if not self.mixer.add(clip):
                raise StreamStateError(
                    f"{CAPACITY} sounds are already playing on {self.stream.device.name!r}; "
                    "wait() for one or stop() one first"
                )
            if not self._begun:
                self._begin()

    def _begin(self) -> None:
        try:
            self.stream.start()
        except BaseException:
            self._shut()
            raise
        self._begun = True

    def fade_frames(self, fade_s: float) -> int:
        """Return the duration of a fade in frames of the device."""
        return ramp_frames(fade_s, self.stream.samplerate)

    def moment(self, request: PlayRequest) -> int:
        """Return the frame or host time at which a sound begins; see `Moments.begin_of`."""
        return Moments(self.stream, self.mixer, self.stream.samplerate).begin_of(request)

    def stop(self, clip: _core.MixerClip, fade_frames: int) -> bool:
        """Fade a sound out and end it.

        Returns True if the sound has already ended, because there is no device on which to fade it.
        """
        with self._lock:
            away = self.stream.state == "waiting"
            self._ended_away += away
            fade_frames = 0 if away else fade_frames
            if self.usable and not self.mixer.stop(clip, fade_frames):
                raise StreamStateError(
                    f"{2 * CAPACITY} commands already wait for the next IO cycle of "
                    f"{self.stream.device.name!r}; stop it again after that"
                )
            return away

    def seek(self, clip: _core.MixerClip, reader: Reader | None, frame: int) -> None:
        """Make a sound jump to a frame."""
        with self._lock:  # so that the reader gets the newest of several jumps last
            number = clip.ask_jump()
            if reader is None:
                clip.jump(number, frame)
            else:
                reader.seek(frame, number)

    def _look(self) -> bool:
        """Close the device after `LINGER_S` without sounds. Runs on the background thread.

        This time is measured with the device's clock, because no sound is heard while that clock
        stands still.
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
        """Close the output if it is still unused. This can take long, so it has its own thread."""
        with self._lock:
            if not self._goes_on():
                self._shut()
                return
        exit_and_fork.tick(self._look)  # a sound was added in the meantime

    def _goes_on(self) -> bool:
        """Return True if the device must stay open. The caller must hold the lock."""
        if not self.usable:
            return False
        if not self._begun:
            return self._holds > 0
        now = self.mixer.frames
        away = self.stream.state == "waiting"
        self._ended_away = self._ended_away if away else 0
        if self.mixer.collect() > self._ended_away or self._holds > 0:
            self._quiet_since = None
            return True
        if away:  # the clock of a lost device stands still, so there is no time to wait for
            return False
        if self._quiet_since is None:
            self._quiet_since = now
        linger = int(LINGER_S * self.stream.samplerate) + self.settle_frames
        return now - self._quiet_since <= linger

    def close(self) -> None:
        """Close the device at once."""
        with self._lock:
            self._shut()

    def _shut(self) -> None:
        _outputs.discard(self)
        self.stream.close()

    def is_on(
        self,
        driver: Driver,
        device: Device,
        listed: tuple[int, ...] | None,
        on_device_lost: OnDeviceLost,
        name: str,
    ) -> bool:
        """Return True if this output is for that driver, device, policy, name and channels.

        The policy is what happens when the device is lost.

        The stream's present device is compared, because a stream may have changed its device.
        """
        return (
            self.stream.driver is driver
            and self.stream.device.uid == device.uid
            and self.on_device_lost == on_device_lost
            and self._name == name
            and self._listed == listed
        )


_outputs: set[Output] = set()
_opening = threading.Lock()  # must be taken before an output's own lock


def output_for(
    driver: Driver,
    device: Device,
    channels: int | Sequence[int] | None,
    block_frames: int | None,
    on_device_lost: OnDeviceLost = "stop",
    name: str | None = None,
    at_once: bool = True,
) -> Output:
    """Return the output for a device and a name. It is held; the caller must call `let_go`.

    The mixing stream runs at the device's present rate. The rate applies to the whole system, so
    changing it would end the streams of other programs. An output that is open already may have
    another number of channels than `channels`. A list of channels has an output of its own.

    With `at_once` False, the device is started with the first sound. A device that is started
    before plays silence until the first frames of a file have been read.
    """
    stream_name = check_stream_name(name)
    listed = listed_channels(channels)
    channels = channels if listed is None else listed
    with _opening:
        for output in list(_outputs):
            if output.is_on(driver, device, listed, on_device_lost, stream_name):
                if output.hold():
                    return output
                output.close()
        output = Output(
            driver, device, channels, block_frames, on_device_lost, stream_name, at_once
        )
        _outputs.add(output)
        return output


def outputs() -> list[Output]:
    """Return the open mixing streams."""
    return list(_outputs)


def close_outputs(driver: Driver | None = None) -> None:
    """Close all mixing streams, or those of one driver, even if sounds are playing on them."""
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
