"""The three kinds of stream: ``OutputStream``, ``InputStream`` and ``Stream`` (both directions).

A stream opens a device and runs a callback for its IO cycles. When ``stop()`` has returned, no
callback runs or will run.

Most parameters are the same for the three kinds. Editors show only the docstring and the signature
that are written at a class, and the TypeError for a wrong keyword names the class that was called.
Therefore the text is written in `OutputStream`, and tools/stream_parameters.py copies it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from voicecoil.drivers.protocol import Device, Driver, Latency
from voicecoil.drivers.two_devices import DeviceRequest
from voicecoil.levels import Level
from voicecoil.streams.base import StreamBase
from voicecoil.streams.channel_map import ChannelRequest, duplex_channels
from voicecoil.streams.input_stream import InputStream
from voicecoil.streams.lead import DEFAULT_MAX_LEAD_S, LatencyMode
from voicecoil.streams.on_end import OnEnd
from voicecoil.streams.recovery import OnDeviceLost
from voicecoil.streams.request import Arrays, Callback, DeviceRate

__all__ = ["InputStream", "OutputStream", "Stream"]


class OutputStream(StreamBase):
    """Plays the frames that a callback makes.

    Parameters
    ----------
    callback : callable or native function
        Called for every block with one argument, the :class:`Block`. It fills ``block.output``.
        It must return None before the next block is due; `latency` sets how much later it may
        return. It may raise :class:`Stop`. Native functions (numba ``cfunc``, ctypes, cffi,
        PyCapsule, :class:`NativeCallback`) run without Python.
    device : str, Device or None
        A name, a part of a name, a uid, or a :class:`Device`; None: the default device.
    driver : str, Driver or None
        The audio system. None: the one that the environment variable ``VOICECOIL_DRIVER`` names,
        otherwise the default one of the platform.
    samplerate : float or None
        The rate of the blocks, Hz; None: the rate at which the device runs. If the device runs at
        another rate, the stream converts. A callback on the device's thread converts only
        after it has moved to such a device.
    channels : int, sequence of int, or None
        The number of channels of ``block.output``, or a list. One channel is played on both
        channels of the device's stereo pair, two on that pair, and more on the device's first
        channels. A list has the device's channel, 0-based, for each channel of ``block.output``.
        None: two channels, or one if the device has only one.
    blocksize : int or None
        Frames per block. None or 0: the frames of the device's IO cycle. If the cycles vary and
        the callback runs on a worker, the frames of most cycles. No size adds latency.
    latency : {"safe", "low"} or float
        Where the callback runs (docs/latency.md). "safe": on a thread of its own, 60 ms or two
        cycles ahead of the device, so that it is not late while the program is busy. A number: the
        same, that number of seconds ahead. "low": on the device's own IO thread, with no latency
        added. Native functions always run there.
    max_lead_s : float
        With "safe", a callback that was late then runs further ahead, at most this, s. A short
        silence is heard, and :meth:`events` has an event "lead". 0: it never runs further ahead.
    zero_copy : bool
        The callback's arrays are the device's own memory. Needs ``latency="low"`` or native code. A
        reference that the callback has kept is found when it returns, and ends the stream with
        `EscapedBlockError`. If the device's memory is not a single array, blocks are copied and
        counted (``statistics().copied_blocks``).
    arrays : {"numpy", "memoryview"}
        The type of ``block.input`` and ``block.output``. Memoryviews need no NumPy.
    dtype : {"float32", "int16", "int32", "uint8"}
        The type of the samples in ``block.input`` and ``block.output``, also as a NumPy type. Full
        scale of the integers is -2**15, -2**31, and 0 to 255 around 128. Samples are converted as
        in libsndfile. Input samples beyond full scale are clipped and counted
        (``statistics().clipped_samples``). Native callbacks work with float32.
    meter : bool
        Keep the levels that :meth:`levels` returns. This costs one pass over all samples.
    on_device_lost : {"stop", "wait", "default"}
        What happens when the device is removed, or changes its rate or channels. "stop": the stream
        ends with `DeviceLostError`. "wait": it continues when the device is back. "default": it
        continues on the same device if that still exists, otherwise on the default one, and waits
        if there is none. Rate, channels and block size stay the same; frames lost meanwhile count
        as an xrun. With "wait" and "default", a stream can be opened before a device exists.
    isolated : bool
        `callback` is the name, "module:name", of a callable. It is imported in an interpreter with
        a GIL of its own and called there on the device's thread, so that the program's GIL cannot
        make it late. Needs Python 3.12. It gets memoryviews: NumPy cannot be imported there.
    parameters, results : dict or None
        Names and first values (float, int, bool, bytes) of the values that the callback reads
        (`parameters`) and sets (`results`). The program uses :attr:`parameters` and
        :attr:`results`. The callback uses ``block.parameters`` and ``block.results``.
    device_rate : {"keep", "set"}
        What happens if the device runs at another rate than `samplerate`. "keep": the device keeps
        its rate. "set": the device gets the rate, which applies to all programs, until the last
        stream on it closes. Audio systems that give each stream its own rate ignore it.
    conversion_quality : {"QQ", "LQ", "MQ", "HQ", "VHQ"}
        Quality of the conversion between the two rates (docs/rates.md). A lower one has a shorter
        delay.
    name : str or None
        The name that patch bays and mixers show, 1 to 64 characters. None: the program's name. On
        JACK it is the name of the client. On PulseAudio it is the name of the stream, and the name
        of the application is the program's name. Other audio systems show no name.
    connect : bool
        False leaves the stream's JACK ports unconnected at each start, so that another program can
        connect them. Other audio systems have no ports, and False is an `ArgumentError` there.
    on_end : callable or None
        Called once for each run that has ended, with the stream and with the exception that ended
        it, or None: after `stop`, `abort`, `close`, `Stop`, an error of the callback or the loss of
        the device. It runs on an ordinary thread that all listeners share, and may use the stream.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        An argument is not valid, or the device does not support it.
    DeviceNotFoundError
        No device, or more than one, matches `device`.
    DriverError
        The audio system refused.
    IsolatedImportError
        The module of an isolated callable cannot be imported there.
    """

    _directions = ("output",)

    def __init__(
        self,
        callback: Callback | Any,
        *,
        device: str | Device | None = None,
        driver: str | Driver | None = None,
        samplerate: float | None = None,
        channels: int | Sequence[int] | None = None,
        blocksize: int | None = None,
        latency: LatencyMode = "safe",
        max_lead_s: float = DEFAULT_MAX_LEAD_S,
        zero_copy: bool = False,
        arrays: Arrays = "numpy",
        dtype: Any = "float32",
        meter: bool = False,
        on_device_lost: OnDeviceLost = "stop",
        isolated: bool = False,
        parameters: Mapping[str, Any] | None = None,
        results: Mapping[str, Any] | None = None,
        device_rate: DeviceRate = "keep",
        conversion_quality: str = "HQ",
        name: str | None = None,
        connect: bool = True,
        on_end: OnEnd | None = None,
    ) -> None:
        self._open(
            callback,
            device=device,
            driver=driver,
            samplerate=samplerate,
            channels=ChannelRequest(output=channels),
            blocksize=blocksize,
            latency=latency,
            max_lead_s=max_lead_s,
            zero_copy=zero_copy,
            arrays=arrays,
            dtype=dtype,
            meter=meter,
            on_device_lost=on_device_lost,
            isolated=isolated,
            parameters=parameters,
            results=results,
            device_rate=device_rate,
            conversion_quality=conversion_quality,
            name=name,
            connect=connect,
            on_end=on_end,
        )

    @property
    def channels(self) -> int:
        """Channels of ``block.output``."""
        return self._plan.channels[1]

    @property
    def latency(self) -> Latency:
        """Frames from ``block.output`` to the connector.

        Before the first cycle, reading it calls JACK, which takes up to the duration of a block.
        """
        return self._latency("output")

    def levels(self) -> list[Level]:
        """Return the level of each channel since the last call. Needs ``meter=True``.

        Returns
        -------
        list of Level
            One level for each channel of ``block.output``.

        Raises
        ------
        StreamStateError
            The stream was opened without ``meter=True``.
        """
        return self._levels()[1]


class Stream(StreamBase):
    """Records and plays in one callback, on one device or on two.

    Parameters
    ----------
    callback : callable or native function
        Called for every block with one argument, the :class:`Block`. It reads ``block.input`` and
        fills ``block.output``. It must return None before the next block is due; `latency` sets how
        much later it may return. It may raise :class:`Stop`. Native functions (numba ``cfunc``,
        ctypes, cffi, PyCapsule, :class:`NativeCallback`) run without Python.
    device : str, Device, tuple or None
        A name, a part of a name, a uid, or a :class:`Device`. A pair of these (input, output): two
        devices, whose input is resampled to the output's clock. None: the default devices.
    driver : str, Driver or None
        The audio system. None: the one that the environment variable ``VOICECOIL_DRIVER`` names,
        otherwise the default one of the platform.
    samplerate : float or None
        The rate of the blocks, Hz; None: the rate at which the device runs. If the device runs at
        another rate, the stream converts. A callback on the device's thread converts only
        after it has moved to such a device.
    channels : int or None
        One number of channels for both directions. A list such as ``[2, 3]`` has two possible
        meanings, and raises an `ArgumentError` that explains both. A pair of lists, (input,
        output), is possible.
    input_channels : int, sequence of int, or None
        The number of channels of ``block.input``, which are the device's first channels, or a list.
        A list has the device's channel, 0-based, for each channel of ``block.input``. None: all.
    output_channels : int, sequence of int, or None
        The number of channels of ``block.output``, or a list. One channel is played on both
        channels of the device's stereo pair, two on that pair, and more on the device's first
        channels. A list has the device's channel, 0-based, for each channel of ``block.output``.
        None: two channels, or one if the device has only one.
    blocksize : int or None
        Frames per block. None or 0: the frames of the device's IO cycle. A size that does not
        divide the device's cycles adds one block of latency.
    latency : {"safe", "low"} or float
        Where the callback runs (docs/latency.md). "safe": on a thread of its own, 60 ms or two
        cycles ahead of the device, so that it is not late while the program is busy. A number: the
        same, that number of seconds ahead. "low": on the device's own IO thread, with no latency
        added. Native functions always run there.
    max_lead_s : float
        With "safe", a callback that was late then runs further ahead, at most this, s. A short
        silence is heard, and :meth:`events` has an event "lead". 0: it never runs further ahead.
    zero_copy : bool
        The callback's arrays are the device's own memory. Needs ``latency="low"`` or native code. A
        reference that the callback has kept is found when it returns, and ends the stream with
        `EscapedBlockError`. If the device's memory is not a single array, blocks are copied and
        counted (``statistics().copied_blocks``).
    arrays : {"numpy", "memoryview"}
        The type of ``block.input`` and ``block.output``. Memoryviews need no NumPy.
    dtype : {"float32", "int16", "int32", "uint8"}
        The type of the samples in ``block.input`` and ``block.output``, also as a NumPy type. Full
        scale of the integers is -2**15, -2**31, and 0 to 255 around 128. Samples are converted as
        in libsndfile. Input samples beyond full scale are clipped and counted
        (``statistics().clipped_samples``). Native callbacks work with float32.
    meter : bool
        Keep the levels that :meth:`levels` returns. This costs one pass over all samples.
    on_device_lost : {"stop", "wait", "default"}
        What happens when the device is removed, or changes its rate or channels. "stop": the stream
        ends with `DeviceLostError`. "wait": it continues when the device is back. "default": it
        continues on the same device if that still exists, otherwise on the default one, and waits
        if there is none. Rate, channels and block size stay the same; frames lost meanwhile count
        as an xrun. With "wait" and "default", a stream can be opened before a device exists.
    isolated : bool
        `callback` is the name, "module:name", of a callable. It is imported in an interpreter with
        a GIL of its own and called there on the device's thread, so that the program's GIL cannot
        make it late. Needs Python 3.12. It gets memoryviews: NumPy cannot be imported there.
    parameters, results : dict or None
        Names and first values (float, int, bool, bytes) of the values that the callback reads
        (`parameters`) and sets (`results`). The program uses :attr:`parameters` and
        :attr:`results`. The callback uses ``block.parameters`` and ``block.results``.
    device_rate : {"keep", "set"}
        What happens if the device runs at another rate than `samplerate`. "keep": the device keeps
        its rate. "set": the device gets the rate, which applies to all programs, until the last
        stream on it closes. Audio systems that give each stream its own rate ignore it.
    conversion_quality : {"QQ", "LQ", "MQ", "HQ", "VHQ"}
        Quality of the conversion between the two rates (docs/rates.md). A lower one has a shorter
        delay.
    name : str or None
        The name that patch bays and mixers show, 1 to 64 characters. None: the program's name. On
        JACK it is the name of the client. On PulseAudio it is the name of the stream, and the name
        of the application is the program's name. Other audio systems show no name.
    connect : bool
        False leaves the stream's JACK ports unconnected at each start, so that another program can
        connect them. Other audio systems have no ports, and False is an `ArgumentError` there.
    on_end : callable or None
        Called once for each run that has ended, with the stream and with the exception that ended
        it, or None: after `stop`, `abort`, `close`, `Stop`, an error of the callback or the loss of
        the device. It runs on an ordinary thread that all listeners share, and may use the stream.
    reference : bool
        True: ``block.reference`` has the sound that the program's streams, sounds and players gave
        to the output device for the times of ``block.input``, with the channels of that device, for
        echo cancellers (docs/recording.md). It is exact if both directions are one device with the
        rate of the stream. It needs a Python callback that gets arrays.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        An argument is not valid, or the device does not support it.
    DeviceNotFoundError
        No device, or more than one, matches `device`.
    DriverError
        The audio system refused.
    IsolatedImportError
        The module of an isolated callable cannot be imported there.
    """

    _directions = ("input", "output")

    def __init__(
        self,
        callback: Callback | Any,
        *,
        device: DeviceRequest = None,
        driver: str | Driver | None = None,
        samplerate: float | None = None,
        channels: int | Sequence[Any] | None = None,
        input_channels: int | Sequence[int] | None = None,
        output_channels: int | Sequence[int] | None = None,
        blocksize: int | None = None,
        latency: LatencyMode = "safe",
        max_lead_s: float = DEFAULT_MAX_LEAD_S,
        zero_copy: bool = False,
        arrays: Arrays = "numpy",
        dtype: Any = "float32",
        meter: bool = False,
        on_device_lost: OnDeviceLost = "stop",
        isolated: bool = False,
        parameters: Mapping[str, Any] | None = None,
        results: Mapping[str, Any] | None = None,
        device_rate: DeviceRate = "keep",
        conversion_quality: str = "HQ",
        name: str | None = None,
        connect: bool = True,
        on_end: OnEnd | None = None,
        reference: bool = False,
    ) -> None:
        self._open(
            callback,
            device=device,
            driver=driver,
            samplerate=samplerate,
            channels=duplex_channels(channels, input_channels, output_channels),
            blocksize=blocksize,
            latency=latency,
            max_lead_s=max_lead_s,
            zero_copy=zero_copy,
            arrays=arrays,
            dtype=dtype,
            meter=meter,
            on_device_lost=on_device_lost,
            isolated=isolated,
            parameters=parameters,
            results=results,
            device_rate=device_rate,
            conversion_quality=conversion_quality,
            name=name,
            connect=connect,
            on_end=on_end,
            reference=reference,
        )

    @property
    def channels(self) -> tuple[int, int]:
        """Channels of ``block.input`` and of ``block.output``."""
        return self._plan.channels

    @property
    def latency(self) -> tuple[Latency, Latency]:
        """Frames from the connector to ``block.input``, and from ``block.output`` to the connector.

        Before the first cycle, reading it calls JACK, which takes up to the duration of two blocks.
        """
        return self._latency("input"), self._latency("output")

    def levels(self) -> tuple[list[Level], list[Level]]:
        """Return the level of each input and of each output channel since the last call.

        Needs ``meter=True``.

        Returns
        -------
        (list of Level, list of Level)
            The levels of ``block.input`` and those of ``block.output``.

        Raises
        ------
        StreamStateError
            The stream was opened without ``meter=True``.
        """
        return self._levels()
