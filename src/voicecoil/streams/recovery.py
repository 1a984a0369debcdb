"""Recovery of a stream whose device was lost: the search for a device, and the threads for it.

One thread watches the devices of all running streams whose policy is "wait" or "default". Each
stream that has lost its device gets a thread of its own until it is on a device again or has ended,
because opening a device may take long and must not delay the other streams.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol, get_args

from voicecoil.arguments import shown
from voicecoil.drivers.find import find_device
from voicecoil.drivers.protocol import (
    Device,
    Direction,
    Driver,
    DriverStream,
    Latency,
    OpenedFormat,
    OpenRequest,
)
from voicecoil.drivers.system_audio import SystemAudio
from voicecoil.drivers.two_devices import DeviceRequest, open_stream, same_devices
from voicecoil.errors import (
    ArgumentError,
    DeviceLostError,
    DeviceNotFoundError,
    DriverError,
    StreamStateError,
    VoicecoilError,
)
from voicecoil.lifetime import exit_and_fork
from voicecoil.lifetime.background_thread import BackgroundThread
from voicecoil.lifetime.flag import Flag
from voicecoil.lifetime.weak_registry import Alive
from voicecoil.streams.channel_map import StreamChannels, places_on
from voicecoil.streams.engine_rate import at_engine_rate, can_convert

__all__ = ["OpenedDevice", "OnDeviceLost", "Recovery", "check_on_device_lost", "watch"]

OnDeviceLost = Literal["wait", "default", "stop"]

LOOK_S = 0.02  # how soon a loss is noticed
AWAY_S = 0.1  # pause between two listings of the devices; CoreAudio takes some ms for each
SLOWEST_S = 1.0  # the longest pause, if a device is there but does not open
PATIENCE_S = 1.0  # how long a device may be there at another rate before the stream gives up
SOON_S = 2.0  # if the rate changes again within this time, another program insists on its rate
QUARRELS = 3  # number of such changes in a row after which the stream gives up
ABSENT_CHANNELS = 2  # channels in each direction that a stream gets if it opens without a device
ABSENT_RATE_HZ = 48_000.0


def check_on_device_lost(policy: str) -> OnDeviceLost:
    """Returns the policy. Raises `ArgumentError` if there is no such policy."""
    for possible in get_args(OnDeviceLost):
        if policy == possible:
            return possible  # type: ignore[no-any-return]
    raise ArgumentError(
        f'on_device_lost={shown(policy)}; possible are "stop" (the stream ends with an error), '
        '"wait" (for the same device) and "default" (it goes on with the default device)'
    )


def _numbered(places: Sequence[int | None]) -> list[int | None]:
    """Maps the stream's channels to the channels that were opened: those that are not None."""
    numbers = iter(range(len(places)))
    return [None if place is None else next(numbers) for place in places]


def find_or_await(
    device: DeviceRequest,
    directions: tuple[Direction, ...],
    driver: Driver,
    policy: OnDeviceLost,
) -> tuple[Device, bool]:
    """Returns the device, and whether it exists now. If it does not, a stream can wait for it.

    A device that is given by its name has to exist. Otherwise a stream would wait in vain for a
    name that was mistyped.
    """
    try:
        return find_device(device, directions, driver), True
    except (DeviceNotFoundError, DriverError):
        if policy == "stop" or isinstance(device, (str, tuple, list, SystemAudio)):
            raise
    if device is not None:
        return device, False
    absent = Device(
        name="no device yet",
        uid="",
        driver=driver.name,
        input_channels=ABSENT_CHANNELS,
        output_channels=ABSENT_CHANNELS,
        samplerate=ABSENT_RATE_HZ,
    )
    return absent, False


def unknown_format(samplerate: float) -> OpenedFormat:
    """Returns an `OpenedFormat` for a device that does not exist yet. Its cycles are unknown."""
    latency = Latency(samplerate=samplerate)
    return OpenedFormat(
        samplerate, period_frames=None, max_period_frames=0, latency=lambda _: latency
    )


@dataclass(frozen=True)
class OpenedDevice:
    """A device that was opened for a stream, and the maps of the stream's channels to it."""

    device: Device
    driver_stream: DriverStream
    opened_format: OpenedFormat  # of the cycles that the engine sees
    input_map: list[int | None]
    output_map: list[int | None]


class _RateError(DeviceLostError):
    """The device exists, but runs at another rate."""


class Recovery:
    """Finds a device for one stream whose device was lost.

    Parameters
    ----------
    policy : {"wait", "default"}
    driver : Driver
    channels : StreamChannels
        The channels with which the stream was opened.
    samplerate : float
        The rate of the device on which the stream was opened, Hz.
    block_frames : int or None
        Frames per block; None: they vary.
    name : str
    connect : bool
        The values with which the stream was opened.
    asked_hz : float or None
        The rate for which the driver is asked, Hz. None: the device keeps its rate.
    sets_rate : bool
        True: the stream sets its device to `samplerate`, and ends if that is impossible. False: the
        stream converts.
    follows_rate : bool
        Whether the engine takes the rate of the device, because a worker converts, or because the
        code can do with any rate. Otherwise the engine converts.
    """

    def __init__(
        self,
        policy: Literal["wait", "default"],
        driver: Driver,
        channels: StreamChannels,
        samplerate: float,
        block_frames: int | None,
        name: str,
        connect: bool,
        asked_hz: float | None,
        sets_rate: bool,
        follows_rate: bool,
    ) -> None:
        self._driver = driver
        self.refusal: DeviceLostError | None = None  # not None: no later search can succeed
        self._policy = policy
        self._channels = channels
        self._samplerate = samplerate
        self._block_frames = block_frames
        self._name = name
        self._connect = connect
        self._asked_hz = asked_hz
        self._sets_rate = sets_rate
        self._follows_rate = follows_rate
        self._next_look = 0.0
        self._pause_s = AWAY_S
        self._back_at = -SOON_S
        self._refused_at = float("inf")
        self._quarrels = 0
        self._trouble: Exception | None = None  # the reason of a loss, until a search has used it

    def lost(self, trouble: Exception) -> None:
        """Notes that the stream has lost its device, and why."""
        self._trouble = trouble
        self._refused_at = float("inf")
        self._next_look = 0.0
        self._pause_s = AWAY_S

    def open_candidates(self, device: Device) -> Iterator[OpenedDevice]:
        """Opens the devices with which the stream can continue, one after the other.

        The caller keeps the first device that starts. If none starts, a later call lists the
        devices again. A call yields nothing if the pause since the last search is not over.
        """
        self.refusal = None
        if time.monotonic() < self._next_look:
            return
        listed = self._listed()
        self.refusal = self._quarrel(next(iter(same_devices(device, listed)), None))
        if self.refusal is not None:
            return
        candidates = self._candidates(device, listed)
        refusal = None
        for candidate in candidates:
            try:
                yield self._open(candidate)
            except _RateError as error:
                refusal = refusal or error
            except (VoicecoilError, OSError):
                pass  # the device is just being plugged in or unplugged
        # Another stream of this program may keep the device at its rate, and may be about to leave
        # it. So a wrong rate is final only after PATIENCE_S.
        now = time.monotonic()
        self._refused_at = min(self._refused_at, now) if refusal else float("inf")
        if now - self._refused_at > PATIENCE_S:
            self.refusal = DeviceLostError(str(refusal))
        self._pause_s = min(2 * self._pause_s, SLOWEST_S) if candidates else AWAY_S
        self._next_look = time.monotonic() + self._pause_s

    def settled(self) -> None:
        """Notes that the stream runs on a device again."""
        self._back_at = time.monotonic()

    def _quarrel(self, device: Device | None) -> DeviceLostError | None:
        """Returns an error if another program has changed the rate QUARRELS times in a row.

        Each loss of the device is counted once.
        """
        trouble, self._trouble = self._trouble, None
        if trouble is None:
            return None
        if not self._sets_rate:
            return None
        changed = device is not None and device.samplerate != self._samplerate
        soon = time.monotonic() - self._back_at < SOON_S
        self._quarrels = self._quarrels + 1 if changed and soon else 0
        if self._quarrels < QUARRELS:
            return None
        return DeviceLostError(
            f"{trouble}; it was set back to {self._samplerate:g} Hz {QUARRELS} times, and changed "
            "again each time: have all programs use one rate, or open the stream with another one"
        )

    def _listed(self) -> list[Device]:
        try:
            return self._driver.devices()
        except (VoicecoilError, OSError):
            return []  # the audio system itself does not answer

    def _directions(self) -> tuple[Direction, ...]:
        ways: tuple[Direction, ...] = ("input", "output")
        maps = (self._channels.input_map, self._channels.output_map)
        return tuple(way for way, places in zip(ways, maps, strict=True) if places)

    def _candidates(self, device: Device, listed: list[Device]) -> list[Device]:
        ways = self._directions()
        same = same_devices(device, listed)
        found = [d for d in same if all(d.channels(way) for way in ways)]
        if self._policy == "default" or not device.uid:
            try:
                default = find_device(None, ways, self._driver)
            except (DeviceNotFoundError, OSError):
                return found
            found += [default] if default.uid != device.uid else []
        return found

    def _open(self, device: Device) -> OpenedDevice:
        input_map, output_map = places_on(self._channels, device)
        stream = open_stream(
            self._driver,
            OpenRequest(
                device,
                [channel for channel in input_map if channel is not None],
                [channel for channel in output_map if channel is not None],
                samplerate=self._asked_hz,
                block_frames=self._device_block_frames(device),
                name=self._name,
                connect=self._connect,
            ),
        )
        opened, rate = stream.opened_format, self._samplerate
        counts = len(input_map), len(output_map)
        if opened.samplerate != rate and not self._goes_on_at(opened.samplerate, counts):
            stream.close()
            raise _RateError(
                f"the stream runs at {rate:g} Hz and cannot go on with {device.name!r}, which runs "
                f"at {opened.samplerate:g} Hz {opened.rate_note}"
            )
        opened = opened if self._follows_rate else at_engine_rate(opened, rate)
        return OpenedDevice(device, stream, opened, _numbered(input_map), _numbered(output_map))

    def _device_block_frames(self, device: Device) -> int | None:
        """Returns the frames that the device's cycles should have, at the device's rate."""
        frames = self._block_frames
        if frames is None or self._follows_rate or self._asked_hz is not None:
            return frames
        return max(1, round(frames * device.samplerate / self._samplerate))

    def _goes_on_at(self, device_hz: float, counts: tuple[int, int]) -> bool:
        """Whether the stream can continue at another rate of its device."""
        return not self._sets_rate and (
            self._follows_rate or can_convert(device_hz, self._samplerate, *counts)
        )


# ---- the threads ---------------------------------------------------------------------------------


class Watched(Protocol):
    @property
    def watched(self) -> bool:
        """Whether the device of this stream must be watched."""

    def is_well(self) -> bool:
        """Whether the stream has a device that works, or needs no device. Returns soon."""

    def recover(self) -> None:
        """Tries once to leave the lost device or to find another one. This may take long."""

    def fail(self, error: Exception) -> None:
        """Ends the search for a device: the stream fails with `error`."""


class _Closer:
    def close_at_exit(self, timeout_s: float) -> None:
        """Ends the threads. Called by `exit_and_fork` when the interpreter is about to end."""
        _ended.set()
        until = time.monotonic() + timeout_s
        with _lock:
            threads = [_thread, *_recovering.values()]
        for thread in threads:
            if thread is not None:
                thread.join(max(0.0, until - time.monotonic()))


_lock = threading.Lock()
_watched: Alive[Watched] = Alive()
_recovering: dict[int, BackgroundThread] = {}  # threads of the lost streams, by the stream's id
_thread: BackgroundThread | None = None
_ended = Flag()
_closer = _Closer()


def watch(connection: Watched) -> None:
    """Watches the device of `connection` from now on, for as long as `connection.watched`.

    Raises
    ------
    StreamStateError
        The interpreter is ending.
    DriverError
        The system cannot start a thread.
    """
    global _thread
    exit_and_fork.register(_closer)
    with _lock:
        if _thread is None or not _thread.is_alive():
            _thread = exit_and_fork.start_thread(_run, "voicecoil devices")
        _watched.add(connection)


def _run() -> None:
    global _thread
    while not _ended.wait(LOOK_S):
        try:
            with _lock:
                found = [one for one in _watched.now() if id(one) not in _recovering]
            while found:
                _look(found.pop())
            with _lock:
                if not _watched.now():
                    _thread = None
                    return
        except MemoryError as error:  # the next look tries again
            exit_and_fork.report(error, _look)


def _look(connection: Watched) -> None:
    if not _is_well(connection):
        key = id(connection)
        recover = partial(_recover, key, weakref.ref(connection))
        thread = BackgroundThread(recover, "voicecoil devices, lost")
        with _lock:
            _recovering[key] = thread
        try:
            exit_and_fork.start(thread)
        except BaseException as error:
            with _lock:
                _recovering.pop(key, None)
            if not isinstance(
                error, (DriverError, StreamStateError)
            ):  # otherwise the next look tries again
                raise
    _forget_unwatched(connection)


def _forget_unwatched(connection: Watched) -> None:
    with _lock:
        if not connection.watched:
            _watched.discard(connection)


def _is_well(connection: Watched) -> bool:
    try:
        return connection.is_well()
    except Exception as error:
        connection.fail(error)
        return True


def _recover(key: int, reference: weakref.ref[Watched]) -> None:
    """Runs on the thread of one lost stream. A device that does not answer delays no other stream.

    The thread holds a weak reference between two tries, so that a stream that the program drops is
    garbage collected.
    """
    try:
        while _is_lost_still(reference()):
            if _ended.wait(LOOK_S):
                return
    finally:
        with _lock:
            _recovering.pop(key, None)


def _is_lost_still(connection: Watched | None) -> bool:
    if connection is None:
        return False
    try:
        if not _is_well(connection):
            connection.recover()
            return True
    except Exception as error:
        connection.fail(error)
    _forget_unwatched(connection)
    return False


def _after_fork_in_child() -> None:
    global _lock, _thread, _ended
    _lock = threading.Lock()
    _ended = Flag()
    _thread = None
    _watched.clear()
    _recovering.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
