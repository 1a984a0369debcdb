"""Opening a device: the configuration for miniaudio, and the result."""

from __future__ import annotations

import contextlib
import os
import sys
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any

from voicecoil import _core
from voicecoil.drivers.call_thread import check_wanted
from voicecoil.drivers.miniaudio import _io, jack, pulse
from voicecoil.drivers.miniaudio.backends import Backend
from voicecoil.drivers.miniaudio.jack import NO_JACK, Jack
from voicecoil.drivers.miniaudio.latency import Latencies, buffered_frames
from voicecoil.drivers.miniaudio.library import (
    CAPTURE,
    DUPLEX,
    FLOAT32,
    PLAYBACK,
    Side,
    load,
)
from voicecoil.drivers.miniaudio.pulse import Pulse
from voicecoil.drivers.miniaudio.session import Context
from voicecoil.drivers.miniaudio.system import SoundSystem
from voicecoil.drivers.protocol import OpenedFormat, OpenRequest
from voicecoil.errors import DriverError

__all__ = ["Opened", "set_up"]

# Priority of an IO thread: above ordinary threads, below those of the kernel and of sound servers.
PRIORITY = 40
# PulseAudio maps channels by their names. Sound cards name their channels in ALSA's order, so that
# with this map each channel keeps its number.
ALSA_CHANNEL_MAP = 1
MAX_PERIOD_FRAMES = 4096  # longest period that is requested; blocks may be longer
SETTLE_S = 0.2  # after this time a sound server has begun to play
# Length, in periods, of miniaudio's buffer between input and output if each has its own callback.
DUPLEX_PERIODS = 2
SAMPLE_BYTES = (0, 1, 2, 3, 4, 4)  # bytes of a sample, by ma_format
ANY_FRAMES = (1 << 32) - 1
DATA_CALLBACK = _io.data_callback_address()


@dataclass(eq=False)
class _Made:
    """A ma_device.

    Attributes
    ----------
    device : Any
    context : Context
        The context in which the device was made.
    keep : Any
        Objects that must live as long as the device, because miniaudio has pointers to them.
    dead : bool
        The device was closed or abandoned, and must not be given to any call.
    """

    device: Any
    context: Context
    keep: Any
    dead: bool = False

    def end(self) -> None:
        """Closes the device. A second call does nothing."""
        if not self.dead:
            self.dead = True
            load().lib.ma_device_uninit(self.device)
            self.context.give_back()


@dataclass(eq=False)
class Opened:
    """A device that is open.

    Attributes
    ----------
    system : SoundSystem
    made : _Made
    io : IO
        The device's user data.
    opened_format : OpenedFormat
    latencies : Latencies
    max_period_frames : int
        The longest cycle that the device can deliver, even if the stream could take more.
    client : int
        The device's JACK client; 0 on other sound systems.
    inside : set
        One token for each call with the device that has not returned. Such a call may hang.
    """

    system: SoundSystem
    made: _Made
    io: _io.IO
    opened_format: OpenedFormat
    latencies: Latencies
    max_period_frames: int
    client: int = 0
    inside: set[object] = field(default_factory=set)

    @property
    def device(self) -> Any:
        """The ma_device."""
        return self.made.device

    @property
    def dead(self) -> bool:
        """The device was closed or abandoned, and must not be given to any call."""
        return self.made.dead

    @property
    def gone(self) -> bool:
        """Whether its server ended the connection."""
        return bool(self.io.counts()["gone"])

    def kept(self) -> AbstractContextManager[bool]:
        """Context in which libjack does not free the device's client.

        Its value is false if libjack may have freed the client already.
        """
        return self.system.clients.kept(self.client, self.io)

    def end(self) -> None:
        """Closes the device, on the sound system's thread. A second call does nothing."""
        self.system.opened.discard(self)
        if self.dead:
            return
        with self.kept() as is_there:
            if self.latencies.hung or not is_there:
                self.leave()
                return
            lib = load().lib
            if not self.gone and lib.ma_device_is_started(self.device):
                lib.ma_device_stop(self.device)  # otherwise closing waits for PulseAudio's thread
                _io.take_messages()
            self.made.end()
            self.system.clients.forget(self.client, self.io)

    def leave(self) -> None:
        """Abandons the device for ever, because a call that did not return may still use it."""
        self.made.dead = True
        self.system.leave(self)


def set_up(backend: Backend, request: OpenRequest) -> Opened:
    """Opens the device as close to the request as possible.

    Call it on the sound system's thread.
    """
    with backend.session.connecting():
        opened = _set_up(backend, request)
    backend.system.opened.add(opened)
    return opened


def _set_up(backend: Backend, request: OpenRequest) -> Opened:
    kind = (PLAYBACK if request.output_map else 0) | (CAPTURE if request.input_map else 0)
    rate = 0 if backend.kind.own_rate else round(request.samplerate or 0)
    # 0: as many channels as the device has, so that miniaudio does not mix them.
    channels = [0, 0]
    if backend.kind.key == "pulse":
        # While a device is being added or removed, the server does not report the number of its
        # channels, and libpulse aborts the program if the number is 0. Only then is the listed
        # number used, because PulseAudio maps explicit channels in an order of its own.
        listed = (request.device.input_channels, request.device.output_channels)
        known = backend.session.answers(request.device)
        channels = [0 if known[way] else listed[way] for way in (0, 1)]
    made = _init(backend, request, kind, rate, channels)
    try:
        sides, jack_ = _read(backend, made.device, kind)
        maps = (request.input_map, request.output_map)
        short = [bool(maps[way]) and max(maps[way]) >= sides[way].channels for way in (0, 1)]
        own_rate = made.device.sampleRate
        converts = any(side.channels and side.samplerate != own_rate for side in sides)
        if any(short) or converts:
            made.end()
            channels = [max(maps[way]) + 1 if short[way] else 0 for way in (0, 1)]
            made = _init(backend, request, kind, 0 if converts else rate, channels)
            sides, jack_ = _read(backend, made.device, kind)
        _check_channels(request, sides)
        rate_hz, client = float(made.device.sampleRate), jack_.client
        added = _added_frames(backend, sides, jack_)
        pulse_ = _pulse(backend, made.device, kind)
        io = _io_of(backend, request, sides, rate_hz, added, jack_, pulse_)
        latencies = Latencies(backend, io, sides, rate_hz, added, client)
        opened_format = _opened_format(backend, sides, rate_hz, latencies)
        if client:
            backend.system.clients.listen(client, io)
        made.device.pUserData = backend.library.ffi.cast("void *", io.address)
    except BaseException:
        made.end()
        raise
    return Opened(
        backend.system,
        made,
        io,
        opened_format,
        latencies,
        _max_period_frames(backend, made.device, kind),
        client or 0,
    )


def _init(
    backend: Backend, request: OpenRequest, kind: int, rate: int, channels: list[int]
) -> _Made:
    ffi, lib = backend.library.ffi, backend.library.lib
    session = backend.session
    ids = session.ids(request.device)  # this call may make another context
    context = session.context() if request.connect else session.unconnected_context()
    config = ffi.new("ma_device_config *", lib.ma_device_config_init(kind))
    kept: list[Any] = []
    for side, raw, count in zip((config.capture, config.playback), ids, channels, strict=True):
        side.format = FLOAT32
        side.channels = count
        if raw is not None:
            native = ffi.new("ma_device_id *")
            ffi.buffer(native)[:] = raw
            side.pDeviceID = native
            kept.append(native)
    name = ffi.new("char[]", request.name.encode())
    config.pulse.pStreamNamePlayback = config.pulse.pStreamNameCapture = name
    config.pulse.channelMap = ALSA_CHANNEL_MAP
    config.sampleRate = rate
    if request.block_frames:
        frames = max(request.block_frames, backend.kind.least_frames)
        config.periodSizeInFrames = min(frames, MAX_PERIOD_FRAMES)
    config.dataCallback = ffi.cast("ma_device_data_proc", DATA_CALLBACK)
    config.notificationCallback = ffi.cast(
        "ma_device_notification_proc", _io.notification_callback_address()
    )
    backend.library.layout.set_switches(config)
    device = ffi.new("ma_device *")
    spare = session.spare()
    check_wanted()
    with (
        spare.given(jack.client_name(request.name))
        if spare is not None
        else contextlib.nullcontext()
    ):
        result = lib.ma_device_init(context.pointer, config, device)
        session.check("ma_device_init", result, repr(request.device.name))
    context.lend()
    return _Made(device, context, (kept, name))


def _read(backend: Backend, device: Any, kind: int) -> tuple[tuple[Side, Side], Jack]:
    """Returns ((capture, playback), the JACK functions of the device)."""
    rest = backend.library.layout.of(device, kind)
    if rest is None:
        raise backend.library.unknown_layout()
    sides = tuple(
        Side(way.channels, way.own_samplerate, way.own_period_frames, way.own_periods)
        if kind & bit
        else Side(0, 0, 0, 0)
        for bit, way in ((CAPTURE, rest.capture), (PLAYBACK, rest.playback))
    )
    return (sides[0], sides[1]), _jack(backend, rest, kind)


def _jack(backend: Backend, rest: Any, kind: int) -> Jack:
    if backend.kind.key != "jack" or not rest.kept[0]:
        return NO_JACK
    told = jack.functions(rest.kept[0])
    loaded = backend.library
    readable, skip = (
        loaded.address(f"ma_pcm_rb_{name}") for name in ("available_read", "seek_read")
    )
    if kind != DUPLEX or not readable or not skip:
        return told
    return replace(told, readable=readable, skip=skip, ring=loaded.layout.ring_of(rest)[0])


def _pulse(backend: Backend, device: Any, kind: int) -> Pulse | None:
    """Returns the timing functions of the PulseAudio stream that runs the IO thread.

    For a duplex device this is the playback stream.
    """
    rest = backend.library.layout.of(device, kind) if backend.kind.key == "pulse" else None
    if rest is None:
        return None
    is_playback = bool(kind & PLAYBACK)
    way = rest.playback if is_playback else rest.capture
    frame_bytes = SAMPLE_BYTES[way.own_format] * way.own_channels
    return pulse.timing(rest.kept[2 if is_playback else 3] or 0, is_playback, frame_bytes)


def _check_channels(request: OpenRequest, sides: tuple[Side, Side]) -> None:
    for way, channel_map in enumerate((request.input_map, request.output_map)):
        if channel_map and max(channel_map) >= sides[way].channels:
            raise DriverError(
                f"{request.device.name!r} was listed with more channels than the "
                f"{sides[way].channels} that it has now; list the devices again",
                call="ma_device_init",
            )


def _period_frames(backend: Backend, sides: tuple[Side, Side]) -> int | None:
    """Returns the frames in each callback; None if they vary."""
    kind = backend.kind
    if not kind.fixed_period or (kind.key == "jack" and jack.is_pipewire()):
        return None
    return max(side.period_frames for side in sides)


def _max_period_frames(backend: Backend, device: Any, kind: int) -> int:
    """Returns the frames of the longest possible cycle.

    JACK's cycles can grow, but the input of a duplex device must fit into a ring.
    """
    if kind != DUPLEX or backend.kind.key != "jack":
        return ANY_FRAMES
    rest = backend.library.layout.of(device, kind)
    assert rest is not None  # `_read` has checked this
    return backend.library.layout.ring_of(rest)[1]


def _opened_format(
    backend: Backend, sides: tuple[Side, Side], rate: float, latencies: Latencies
) -> OpenedFormat:
    kind = backend.kind
    period = _period_frames(backend, sides)
    if period is not None:
        longest = period
    elif kind.key == "jack":
        longest = jack.MAX_PERIOD_FRAMES
    else:
        longest = max(side.period_frames * side.periods for side in sides)
    return OpenedFormat(
        samplerate=rate,
        period_frames=period,
        max_period_frames=longest,
        latency=latencies.of,
        rate_note=f"because {kind.title} has no other rate for it: use that",
        # At the start, and after a stall, the system asks for a whole buffer at once.
        usual_period_frames=max(side.period_frames for side in sides),
    )


def _added_frames(backend: Backend, sides: tuple[Side, Side], jack_: Jack) -> int:
    both = all(side.channels for side in sides)
    ring_is_emptied = bool(jack_.ring)
    if not both or not backend.kind.asynchronous or ring_is_emptied:
        return 0
    return DUPLEX_PERIODS * sides[0].period_frames


def _priority() -> int:
    """Returns the SCHED_FIFO priority that this user may use; 0 if none."""
    if sys.platform != "linux":
        return 0
    import resource

    limit = resource.getrlimit(resource.RLIMIT_RTPRIO)[0]
    if os.geteuid() == 0 or limit == resource.RLIM_INFINITY:
        return PRIORITY
    return min(PRIORITY, limit)


def _io_of(
    backend: Backend,
    request: OpenRequest,
    sides: tuple[Side, Side],
    rate: float,
    added_frames: int,
    jack_: Jack,
    pulse_: Pulse | None,
) -> _io.IO:
    used = [side for side in sides if side.channels]
    # A callback may be late by the buffer and one more period, because callbacks come in bursts.
    slack = min(side.period_frames * (side.periods + 1) for side in used)
    tells_of_loss = pulse_ is not None and pulse_.is_playback
    capture, playback = sides
    behind = buffered_frames(capture, "input") + added_frames
    ahead = buffered_frames(playback, "output")
    return _io.IO(
        _core.cycle_run_address(),
        (list(request.input_map), capture.channels, behind, added_frames),
        (list(request.output_map), playback.channels, ahead, 0),
        rate,
        0 if backend.kind.own_threads else _priority(),
        -1
        if backend.kind.catches_up or tells_of_loss
        else slack + round(backend.kind.reserve_s * rate),
        round(SETTLE_S * rate),
        jack_,
        pulse_,
    )
