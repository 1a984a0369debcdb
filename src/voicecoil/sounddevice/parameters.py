"""The arguments of the streams: checked, and translated into those of voicecoil."""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

from voicecoil.arguments import shown
from voicecoil.limits import BLOCK_RANGE_FRAMES, RATE_RANGE_HZ
from voicecoil.sounddevice import devices, state
from voicecoil.sounddevice.defaults import pick, split
from voicecoil.sounddevice.errors import (
    INVALID_CHANNELS,
    INVALID_DEVICE,
    INVALID_FLAG,
    INVALID_RATE,
    PortAudioError,
    fault,
)
from voicecoil.sounddevice.formats import Layout, check_format, layout_of
from voicecoil.sounddevice.query import find_index, query_devices
from voicecoil.sounddevice.settings import AsioSettings, CoreAudioSettings, WasapiSettings

if TYPE_CHECKING:
    from voicecoil.streams.lead import LatencyMode

__all__ = ["Direction", "StreamParameters", "direction_parameters", "samplerate_of"]


class Direction:
    """The checked arguments of one direction of a stream.

    Attributes
    ----------
    way : {"input", "output"}
    device : int
        Index of the device.
    channels : int
    dtype : str
    latency : "low", "high" or float
    settings : CoreAudioSettings or None
    default_rate : float
        The device's sample rate, Hz.
    """

    def __init__(
        self,
        way: str,
        device: int,
        channels: int,
        dtype: str,
        latency: str | float,
        settings: CoreAudioSettings | None,
        default_rate: float,
    ) -> None:
        self.way = way
        self.device = device
        self.channels = channels
        self.dtype = dtype
        self.latency = latency
        self.settings = settings
        self.default_rate = default_rate

    @property
    def places(self) -> int | list[int]:
        """The channels as voicecoil's streams take them."""
        if self.settings is not None:
            places = self.settings.places(self.way, self.channels)
            if places is not None:
                return places
        if self.way == "input":
            return self.channels
        # The stereo pair is for one and two channels. More are the device's first ones.
        return self.channels


def _given(value: Any, name: str, way: str) -> Any:
    """Return the part of an argument for one direction, or of its default value."""
    value = pick(value, way)
    return getattr(state.default, name)[way] if value is None else value


def direction_parameters(
    way: str,
    device: Any,
    channels: Any,
    dtype: Any,
    latency: Any,
    extra_settings: Any,
    doing: str = "",
) -> Direction:
    """Return the checked arguments of one direction. `doing`: the beginning of messages."""
    index = find_index(device, way)
    try:
        found = query_devices(index, way)
    except PortAudioError:
        raise fault(INVALID_DEVICE, doing) from None
    most = found[f"max_{way}_channels"]
    wanted = _given(channels, "channels", way)
    count = most if wanted is None else operator.index(wanted)
    name = check_format(_given(dtype, "dtype", way), way)
    height = _check_latency(_given(latency, "latency", way))
    settings = _check_settings(_given(extra_settings, "extra_settings", way))
    if not 1 <= count <= most:
        raise fault(INVALID_CHANNELS, doing)
    return Direction(way, index, count, name, height, settings, found["default_samplerate"])


def _check_latency(latency: Any) -> str | float:
    if latency in ("low", "high"):
        return str(latency)
    if isinstance(latency, str):
        raise TypeError(
            f"latency={shown(latency)}; it must be real number, not str, or one of 'low' and 'high'"
        )
    return float(latency)


def _check_settings(settings: Any) -> CoreAudioSettings | None:
    if settings is None or isinstance(settings, CoreAudioSettings):
        return settings
    if isinstance(settings, WasapiSettings):
        return None
    if isinstance(settings, AsioSettings):
        raise PortAudioError(
            "Incompatible host API specific stream info: ASIO is not supported", -9984
        )
    raise AttributeError(
        f"extra_settings={shown(settings)}; give CoreAudioSettings, WasapiSettings or None"
    )


def samplerate_of(samplerate: Any, ways: list[Direction], doing: str = "") -> float:
    """Return the sample rate of a stream, Hz."""
    if samplerate is None:
        samplerate = state.default.samplerate
    if samplerate is None:
        # The input of a duplex stream may be another device. The output's clock is the stream's.
        return ways[-1].default_rate
    if isinstance(samplerate, str | bytes):
        raise TypeError(f"samplerate={shown(samplerate)}; it must be real number, not str")
    rate = float(samplerate)
    low, high = RATE_RANGE_HZ
    if not low <= rate <= high:
        raise fault(INVALID_RATE, doing)
    return rate


class StreamParameters:
    """The checked arguments of a stream.

    Parameters
    ----------
    kind : {"input", "output", "duplex"}
    ways : list of Direction
    samplerate : float
    blocksize : int
    """

    def __init__(self, kind: str, ways: list[Direction], samplerate: float, blocksize: int) -> None:
        self.kind = kind
        self.ways = ways
        self.samplerate = samplerate
        self.blocksize = blocksize

    def each(self, name: str) -> Any:
        """Return an attribute of the direction, or the pair of both."""
        values = tuple(getattr(way, name) for way in self.ways)
        return values if self.kind == "duplex" else values[0]

    def way(self, way: str) -> Direction | None:
        """Return the arguments of a direction; None if the stream does not have it."""
        return next((one for one in self.ways if one.way == way), None)

    def check_flags(self, never_drops: bool, has_callback: bool, doing: str) -> None:
        """Refuse `never_drop_input` where PortAudio refuses it."""
        if never_drops and (self.kind != "duplex" or not has_callback or self.blocksize):
            raise fault(INVALID_FLAG, doing)

    def layouts(self) -> dict[str, Layout]:
        """Return how the samples of each direction are made of the engine's."""
        return layout_of({one.way: one.dtype for one in self.ways})

    @property
    def direct(self) -> bool:
        """Whether the engine's blocks have the formats of the program."""
        return all(layout.direct for layout in self.layouts().values())

    def engine_arguments(self, blocking: bool) -> dict[str, Any]:
        """Return the arguments of the stream of voicecoil.

        A stream without a callback never runs on the IO thread, because it waits for a lock.
        """
        from voicecoil.sounddevice.engine import SHORT_LEAD_S, home_of

        mode = home_of([one.latency for one in self.ways])
        if blocking and mode == "low":
            mode = SHORT_LEAD_S
        most = BLOCK_RANGE_FRAMES[1]
        arguments: dict[str, Any] = {}
        for one in self.ways:
            if one.settings is not None:
                arguments = one.settings.stream_arguments()
        return {
            "directions": tuple(one.way for one in self.ways),
            "device": self._device(),
            "samplerate": self.samplerate,
            "channels": {one.way: one.places for one in self.ways},
            "blocksize": min(self.blocksize, most) or self._usual_block(mode),
            "latency": mode,
            "dtype": next(iter(self.layouts().values())).engine,
            **arguments,
        }

    def _usual_block(self, mode: LatencyMode) -> int | None:
        """Return the frames per block for ``blocksize=0``; None: the device's cycle.

        PulseAudio has no cycles of its own. Without a request it takes 25 ms, three of which are in
        its buffer, and PortAudio takes less.
        """
        device = devices.device_at(self.ways[-1].device)
        if device is None or devices.host_api_of(device) != "PulseAudio":
            return None
        seconds = 256 / 48_000 if mode == "low" else 512 / 48_000
        return 1 << max(5, round(math.log2(seconds * self.samplerate)))

    def _device(self) -> Any:
        found = [devices.device_at(one.device) for one in self.ways]
        return found[0] if len(found) == 1 else tuple(found)


def parts(value: Any) -> tuple[Any, Any]:
    """Return the pair (input, output) of a value, as `_split` of sounddevice."""
    return split(value)


def check_input_settings(
    device: Any = None,
    channels: Any = None,
    dtype: Any = None,
    extra_settings: Any = None,
    samplerate: Any = None,
) -> None:
    """Raise an error if an input stream cannot be opened with these arguments.

    Parameters
    ----------
    device, channels, dtype, extra_settings, samplerate
        As for `InputStream`.
    """
    _check("input", device, channels, dtype, extra_settings, samplerate)


def check_output_settings(
    device: Any = None,
    channels: Any = None,
    dtype: Any = None,
    extra_settings: Any = None,
    samplerate: Any = None,
) -> None:
    """Raise an error if an output stream cannot be opened with these arguments.

    Parameters
    ----------
    device, channels, dtype, extra_settings, samplerate
        As for `OutputStream`.
    """
    _check("output", device, channels, dtype, extra_settings, samplerate)


def _check(
    way: str, device: Any, channels: Any, dtype: Any, extra_settings: Any, samplerate: Any
) -> None:
    one = direction_parameters(way, device, channels, dtype, None, extra_settings)
    samplerate_of(samplerate, [one])
