"""Settings for single audio systems: `extra_settings` of streams."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from voicecoil.arguments import shown

__all__ = ["AsioSettings", "CoreAudioSettings", "WasapiSettings"]

_QUALITIES = {"min": "QQ", "low": "LQ", "medium": "MQ", "high": "HQ", "max": "VHQ"}


class AsioSettings:
    """Channels of an ASIO device. ASIO itself is not supported, so streams refuse these settings.

    Parameters
    ----------
    channel_selectors : list of int
        The device's channels, 0-based.
    """

    def __init__(self, channel_selectors: Sequence[int]) -> None:
        self._channel_selectors = [int(channel) for channel in channel_selectors]


class CoreAudioSettings:
    """Settings of a stream on a Mac.

    Parameters
    ----------
    channel_map : sequence of int, optional
        For input: the device's channel, 0-based, of each channel of the stream. For output: the
        stream's channel, 0-based, that each channel of the device plays, or -1 for none.
    change_device_parameters : bool, optional
        The device gets the stream's sample rate.
    fail_if_conversion_required : bool, optional
        With `change_device_parameters`: opening fails if the device does not have that rate.
    conversion_quality : {"min", "low", "medium", "high", "max"}, optional
        The quality of the conversion between the stream's rate and the device's.
    """

    def __init__(
        self,
        channel_map: Sequence[int] | None = None,
        change_device_parameters: bool = False,
        fail_if_conversion_required: bool = False,
        conversion_quality: str = "max",
    ) -> None:
        if conversion_quality not in _QUALITIES:
            raise ValueError(
                f"conversion_quality={shown(conversion_quality)}; conversion_quality must be one "
                f"of {list(_QUALITIES)}"
            )
        self._channel_map = None if channel_map is None else [int(one) for one in channel_map]
        self._change_device_parameters = bool(change_device_parameters)
        self._fail_if_conversion_required = bool(fail_if_conversion_required)
        self._quality = _QUALITIES[conversion_quality]

    def places(self, direction: str, channels: int) -> list[int] | None:
        """Return the device's channel for each channel of the stream, or None without a map."""
        if self._channel_map is None:
            return None
        if direction == "input":
            if len(self._channel_map) != channels:
                raise ValueError(
                    f"channel_map has {len(self._channel_map)} channels, and the stream {channels}"
                )
            return self._channel_map
        places = [-1] * channels
        for place, channel in enumerate(self._channel_map):
            if 0 <= channel < channels:
                places[channel] = place
        if -1 in places:
            raise ValueError(
                f"channel_map={self._channel_map} plays channel {places.index(-1)} of the stream "
                "on no channel of the device"
            )
        return places

    def stream_arguments(self) -> dict[str, Any]:
        """Return the arguments of a voicecoil stream."""
        rate = "set" if self._change_device_parameters else "keep"
        return {"device_rate": rate, "conversion_quality": self._quality}


class WasapiSettings:
    """Settings of a stream on WASAPI. They are accepted and have no effect.

    Parameters
    ----------
    exclusive : bool, optional
        Ask for exclusive use of the device.
    auto_convert : bool, optional
        Let the system convert the sample rate. It always does.
    explicit_sample_format : bool, optional
        Ask for the sample format of the stream.
    """

    def __init__(
        self,
        exclusive: bool = False,
        auto_convert: bool = False,
        explicit_sample_format: bool = False,
    ) -> None:
        self._exclusive = exclusive
        self._auto_convert = auto_convert
        self._explicit_sample_format = explicit_sample_format
