"""PyAudio's main class: devices, host APIs and the opening of streams."""

from __future__ import annotations

import contextlib
import operator
from typing import Any

from voicecoil.arguments import shown
from voicecoil.pyaudio import constants as pa
from voicecoil.pyaudio import stream as streams
from voicecoil.pyaudio.formats import FORMATS, format_of_width, sample_bytes
from voicecoil.sounddevice import devices
from voicecoil.sounddevice.errors import PortAudioError
from voicecoil.sounddevice.parameters import direction_parameters, samplerate_of

__all__ = [
    "PyAudio",
    "get_format_from_width",
    "get_portaudio_version",
    "get_portaudio_version_text",
    "get_sample_size",
]

_TYPES = {
    "ALSA": pa.paALSA,
    "Core Audio": pa.paCoreAudio,
    "JACK Audio Connection Kit": pa.paJACK,
    "MME": pa.paMME,
    "OSS": pa.paOSS,
    "PulseAudio": 16,  # newer than PyAudio's constants
    "Windows DirectSound": pa.paDirectSound,
    "Windows WASAPI": pa.paWASAPI,
}


def get_sample_size(format: int) -> int:
    """Return the size of a sample.

    Parameters
    ----------
    format : int
        The sample format, such as `paInt16`.

    Returns
    -------
    int
        Bytes.
    """
    return sample_bytes(format)


def get_format_from_width(width: int, unsigned: bool = True) -> int:
    """Return the sample format with a size.

    Parameters
    ----------
    width : int
        Bytes of a sample, 1 to 4.
    unsigned : bool, optional
        The format of one byte: unsigned or signed.

    Returns
    -------
    int
        The sample format.
    """
    return format_of_width(width, unsigned)


def get_portaudio_version() -> int:
    """Return the number of the version of PortAudio whose behaviour this package has.

    Returns
    -------
    int
        PortAudio's number of the version.
    """
    return 0x130700


def get_portaudio_version_text() -> str:
    """Return the version of PortAudio whose behaviour this package has.

    Returns
    -------
    str
        A text.
    """
    return "PortAudio V19.7.0 (its API on voicecoil, without PortAudio)"


class PyAudio:
    """Lists devices and opens streams."""

    Stream = streams.Stream

    def __init__(self) -> None:
        self._streams: set[streams.Stream] = set()

    def terminate(self) -> None:
        """Close all streams that this object has opened.

        Raises
        ------
        Exception
            The exception that has ended a callback and was not raised yet, when all are closed.
        """
        with contextlib.ExitStack() as streams_to_close:  # closes all before it raises
            for stream in list(self._streams):
                streams_to_close.callback(stream.close)

    def get_sample_size(self, format: int) -> int:
        """Return the size of a sample.

        Parameters
        ----------
        format : int
            The sample format, such as `paInt16`.

        Returns
        -------
        int
            Bytes.
        """
        return sample_bytes(format)

    def get_format_from_width(self, width: int, unsigned: bool = True) -> int:
        """Return the sample format with a size.

        Parameters
        ----------
        width : int
            Bytes of a sample, 1 to 4.
        unsigned : bool, optional
            The format of one byte: unsigned or signed.

        Returns
        -------
        int
            The sample format.
        """
        return format_of_width(width, unsigned)

    def open(self, *args: Any, **kwargs: Any) -> streams.Stream:
        """Open a stream.

        Parameters
        ----------
        *args, **kwargs
            The arguments of `Stream` after the first one.

        Returns
        -------
        Stream
        """
        stream = streams.Stream(self, *args, **kwargs)
        self._streams.add(stream)
        return stream

    def close(self, stream: streams.Stream) -> None:
        """Close a stream of this object.

        Parameters
        ----------
        stream : Stream
            The stream.
        """
        if stream not in self._streams:
            raise ValueError(f"Stream {shown(stream)} not found")
        stream.close()

    def _remove_stream(self, stream: streams.Stream) -> None:
        self._streams.discard(stream)

    def get_host_api_count(self) -> int:
        """Return the number of host APIs.

        Returns
        -------
        int
            The number of audio systems that have devices.
        """
        return len(devices.hostapi_dicts())

    def get_default_host_api_info(self) -> dict[str, Any]:
        """Return the host API of the default devices.

        Returns
        -------
        dict
            As for `get_host_api_info_by_index`.
        """
        return self.get_host_api_info_by_index(devices.default_hostapi())

    def get_host_api_info_by_type(self, host_api_type: int) -> dict[str, Any]:
        """Return the host API of a type.

        Parameters
        ----------
        host_api_type : int
            The type, such as `paCoreAudio`.

        Returns
        -------
        dict
            As for `get_host_api_info_by_index`.
        """
        for index in range(self.get_host_api_count()):
            found = self.get_host_api_info_by_index(index)
            if found["type"] == host_api_type:
                return found
        raise OSError(pa.paHostApiNotFound, "Host API not found")

    def get_host_api_info_by_index(self, host_api_index: int) -> dict[str, Any]:
        """Return one host API.

        Parameters
        ----------
        host_api_index : int
            Its index.

        Returns
        -------
        dict
            index, structVersion, type, name, deviceCount, defaultInputDevice, defaultOutputDevice.
        """
        listed = devices.hostapi_dicts()
        if not 0 <= host_api_index < len(listed):
            raise OSError(pa.paInvalidHostApi, "Invalid host api info")
        found = listed[host_api_index]
        return {
            "index": host_api_index,
            "structVersion": 1,
            "type": _TYPES.get(found["name"], pa.paInDevelopment),
            "name": found["name"],
            "deviceCount": len(found["devices"]),
            "defaultInputDevice": found["default_input_device"],
            "defaultOutputDevice": found["default_output_device"],
        }

    def get_device_info_by_host_api_device_index(
        self, host_api_index: int, host_api_device_index: int
    ) -> dict[str, Any]:
        """Return a device of one host API.

        Parameters
        ----------
        host_api_index : int
            The index of the host API.
        host_api_device_index : int
            The number of the device among its devices.

        Returns
        -------
        dict
            As for `get_device_info_by_index`.
        """
        self.get_host_api_info_by_index(host_api_index)
        indices = devices.hostapi_dicts()[host_api_index]["devices"]
        if not 0 <= host_api_device_index < len(indices):
            raise OSError(pa.paInvalidDevice, "Invalid device")
        return self.get_device_info_by_index(indices[host_api_device_index])

    def get_device_count(self) -> int:
        """Return the number of devices.

        Returns
        -------
        int
            The number.
        """
        return len(devices.device_dicts())

    def is_format_supported(
        self,
        rate: float,
        input_device: int | None = None,
        input_channels: int | None = None,
        input_format: int | None = None,
        output_device: int | None = None,
        output_channels: int | None = None,
        output_format: int | None = None,
    ) -> bool:
        """Return True if a stream can be opened with these arguments, or raise ValueError.

        Parameters
        ----------
        rate : float
            Frames per second, Hz.
        input_device, output_device : int, optional
            The devices; None and negative numbers: the stream does not have this direction.
        input_channels, output_channels : int, optional
            The numbers of channels.
        input_format, output_format : int, optional
            The sample formats.

        Returns
        -------
        bool
            True.

        Raises
        ------
        ValueError
            The arguments are not possible. ``args`` has a text and PortAudio's number of the error.
        """
        asked = [
            ("input", input_device, input_channels, input_format),
            ("output", output_device, output_channels, output_format),
        ]
        asked = [one for one in asked if one[1] is not None and one[1] >= 0]
        if not asked:
            raise ValueError(
                "Must specify stream format for input, output, or both", pa.paInvalidDevice
            )
        try:
            ways = [
                direction_parameters(
                    way, device, channels, FORMATS.get(form or 0, "none"), "high", None
                )
                for way, device, channels, form in asked
            ]
            samplerate_of(rate, ways)
        except PortAudioError as error:
            raise ValueError(*error.args) from error
        except ValueError as error:
            raise ValueError(str(error), pa.paSampleFormatNotSupported) from error
        return True

    def get_default_input_device_info(self) -> dict[str, Any]:
        """Return the default input device.

        Returns
        -------
        dict
            As for `get_device_info_by_index`.
        """
        return self._default("input")

    def get_default_output_device_info(self) -> dict[str, Any]:
        """Return the default output device.

        Returns
        -------
        dict
            As for `get_device_info_by_index`.
        """
        return self._default("output")

    def _default(self, kind: str) -> dict[str, Any]:
        index = devices.default_index(kind)
        if index < 0:
            raise OSError(f"No Default {kind.capitalize()} Device Available")
        return self.get_device_info_by_index(index)

    def get_device_info_by_index(self, device_index: int) -> dict[str, Any]:
        """Return one device.

        Parameters
        ----------
        device_index : int
            Its index.

        Returns
        -------
        dict
            index, structVersion, name, hostApi, maxInputChannels, maxOutputChannels,
            defaultLowInputLatency, defaultLowOutputLatency, defaultHighInputLatency,
            defaultHighOutputLatency, defaultSampleRate.
        """
        listed = devices.device_dicts()
        if not 0 <= operator.index(device_index) < len(listed):
            raise OSError(pa.paInvalidDevice, "Invalid device info")
        found = listed[operator.index(device_index)]
        return {
            "index": found["index"],
            "structVersion": 2,
            "name": found["name"],
            "hostApi": found["hostapi"],
            "maxInputChannels": found["max_input_channels"],
            "maxOutputChannels": found["max_output_channels"],
            "defaultLowInputLatency": found["default_low_input_latency"],
            "defaultLowOutputLatency": found["default_low_output_latency"],
            "defaultHighInputLatency": found["default_high_input_latency"],
            "defaultHighOutputLatency": found["default_high_output_latency"],
            "defaultSampleRate": found["default_samplerate"],
        }
