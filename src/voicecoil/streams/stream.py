"""Streams: a callback on its way to a device and back.

``OutputStream``, ``InputStream`` and ``Stream`` (both ways) open a device, run a callback in its IO
cycles, and end in a way that is a promise: when ``stop()`` has returned, no callback runs or will
run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from voicecoil.drivers.protocol import Device, Driver, Latency
from voicecoil.errors import (
    ArgumentError,
)
from voicecoil.levels import Level
from voicecoil.streams.base import StreamBase
from voicecoil.streams.channel_map import channel_map
from voicecoil.streams.lead import Home
from voicecoil.streams.recovery import OnDeviceLost
from voicecoil.streams.request import Arrays, Callback

__all__ = ["InputStream", "OutputStream", "Stream"]


class OutputStream(StreamBase):
    """Plays what a callback makes.

    Parameters
    ----------
    callback : callable or native function
        Called for every block with one argument, the :class:`Block`. It fills ``block.output``.
        It returns None before the next block is due; how much later it may be says `latency`. It
        may raise :class:`Stop`. Native functions (numba ``cfunc``, ctypes, cffi, PyCapsule,
        :class:`NativeCallback`) run without Python.
    device : str, Device or None
        A name, a part of one, a uid, or a :class:`Device`; None: the default.
    driver : str, Driver or None
        The audio system; None: the environment variable ``VOICECOIL_DRIVER``, else the
        platform's.
    samplerate : float or None
        Hz; None: as the device runs.
    channels : int, sequence of int, or None
        How many of the device's first channels; or which ones, 0-based; None: two, or as
        many as there are.
    blocksize : int or None
        Frames per block; None or 0: as the device delivers them, and ahead of a device whose
        cycles vary as most of them are. Any size costs no latency.
    latency : {"safe", "low"} or float
        Where the callback runs (docs/latency.md). "safe": on a thread of its own, 60 ms or two
        cycles ahead of the device, so that a program that is busy with something else does not
        make it late; a number: that many seconds ahead. "low": on the device's own IO thread,
        with no latency added. Native functions always run there.
    zero_copy : bool
        The callback's arrays are the device's own memory; with ``latency="low"``. A reference
        that outlives its block is found right after the callback and ends the stream with
        `EscapedBlockError`. Where the device's memory is no single array, blocks are copied and
        counted (``statistics().copied_blocks``).
    arrays : {"numpy", "memoryview"}
        What ``block.input`` and ``block.output`` are; memoryviews need no NumPy.
    meter : bool
        Keep the levels that :meth:`levels` gives; costs a look at each sample.
    on_device_lost : {"stop", "wait", "default"}
        What happens when the device goes away, or changes its rate or channels. "stop": the stream
        ends with `DeviceLostError`. "wait": it goes on when the device is back. "default": it goes
        on with the same device if that is still there, else with the default one, and waits
        where there is none. Rate, channels and block size stay; frames lost meanwhile are an xrun;
        :meth:`events` tells. With the last two a stream can be opened before there is a device.
    isolated : bool
        `callback` is a name, "module:name", of a callable that is imported in an interpreter with
        a GIL of its own, and called there on the device's thread: nothing that the rest of the
        program does makes it late. From Python 3.12 on. It sees memoryviews; NumPy cannot be
        imported there.
    parameters, results : dict or None
        Names and first values (float, int, bool, bytes) of what goes into the callback and comes
        out of it: :attr:`parameters` here is ``block.parameters`` there, likewise `results`.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        What was given cannot work.
    DeviceNotFoundError
        No device, or more than one, is meant.
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
        channels: Any = None,
        blocksize: int | None = None,
        latency: Home = "safe",
        zero_copy: bool = False,
        arrays: Arrays = "numpy",
        meter: bool = False,
        on_device_lost: OnDeviceLost = "stop",
        isolated: bool = False,
        parameters: Mapping[str, Any] | None = None,
        results: Mapping[str, Any] | None = None,
    ) -> None:
        self._open(
            callback,
            device=device,
            driver=driver,
            samplerate=samplerate,
            channels=channels,
            blocksize=blocksize,
            latency=latency,
            zero_copy=zero_copy,
            arrays=arrays,
            meter=meter,
            on_device_lost=on_device_lost,
            isolated=isolated,
            parameters=parameters,
            results=results,
        )

    @property
    def channels(self) -> int:
        """Channels of ``block.output``."""
        return len(self._plan.output_map)

    @property
    def latency(self) -> Latency:
        """Frames from ``block.output`` to the connector.

        Before the first cycle JACK has to be asked, which takes up to a block's time.
        """
        return self._latency("output")

    def levels(self) -> list[Level]:
        """Level of each channel since the last call. Needs ``meter=True``."""
        return self._levels()[1]


class InputStream(StreamBase):
    """Gives a callback what the device records.

    Parameters
    ----------
    callback : callable or native function
        Called for every block with one argument, the :class:`Block`. It reads ``block.input``.
        It returns None before the next block is due; how much later it may be says `latency`. It
        may raise :class:`Stop`. Native functions (numba ``cfunc``, ctypes, cffi, PyCapsule,
        :class:`NativeCallback`) run without Python.
    device : str, Device or None
        A name, a part of one, a uid, or a :class:`Device`; None: the default.
    driver : str, Driver or None
        The audio system; None: the environment variable ``VOICECOIL_DRIVER``, else the
        platform's.
    samplerate : float or None
        Hz; None: as the device runs.
    channels : int, sequence of int, or None
        How many of the device's first channels; or which ones, 0-based; None: all.
    blocksize : int or None
        Frames per block; None or 0: as the device delivers them. A block that spans cycles comes
        when its last frame has come.
    latency : {"safe", "low"} or float
        Where the callback runs (docs/latency.md). "safe": on a thread of its own, 60 ms or two
        cycles ahead of the device, so that a program that is busy with something else does not
        make it late; a number: that many seconds ahead. "low": on the device's own IO thread,
        with no latency added. Native functions always run there.
    zero_copy : bool
        The callback's arrays are the device's own memory; with ``latency="low"``. A reference
        that outlives its block is found right after the callback and ends the stream with
        `EscapedBlockError`. Where the device's memory is no single array, blocks are copied and
        counted (``statistics().copied_blocks``).
    arrays : {"numpy", "memoryview"}
        What ``block.input`` and ``block.output`` are; memoryviews need no NumPy.
    meter : bool
        Keep the levels that :meth:`levels` gives; costs a look at each sample.
    on_device_lost : {"stop", "wait", "default"}
        What happens when the device goes away, or changes its rate or channels. "stop": the stream
        ends with `DeviceLostError`. "wait": it goes on when the device is back. "default": it goes
        on with the same device if that is still there, else with the default one, and waits
        where there is none. Rate, channels and block size stay; frames lost meanwhile are an xrun;
        :meth:`events` tells. With the last two a stream can be opened before there is a device.
    isolated : bool
        `callback` is a name, "module:name", of a callable that is imported in an interpreter with
        a GIL of its own, and called there on the device's thread: nothing that the rest of the
        program does makes it late. From Python 3.12 on. It sees memoryviews; NumPy cannot be
        imported there.
    parameters, results : dict or None
        Names and first values (float, int, bool, bytes) of what goes into the callback and comes
        out of it: :attr:`parameters` here is ``block.parameters`` there, likewise `results`.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        What was given cannot work.
    DeviceNotFoundError
        No device, or more than one, is meant.
    DriverError
        The audio system refused.
    IsolatedImportError
        The module of an isolated callable cannot be imported there.
    """

    _directions = ("input",)

    def __init__(
        self,
        callback: Callback | Any,
        *,
        device: str | Device | None = None,
        driver: str | Driver | None = None,
        samplerate: float | None = None,
        channels: Any = None,
        blocksize: int | None = None,
        latency: Home = "safe",
        zero_copy: bool = False,
        arrays: Arrays = "numpy",
        meter: bool = False,
        on_device_lost: OnDeviceLost = "stop",
        isolated: bool = False,
        parameters: Mapping[str, Any] | None = None,
        results: Mapping[str, Any] | None = None,
    ) -> None:
        self._open(
            callback,
            device=device,
            driver=driver,
            samplerate=samplerate,
            channels=channels,
            blocksize=blocksize,
            latency=latency,
            zero_copy=zero_copy,
            arrays=arrays,
            meter=meter,
            on_device_lost=on_device_lost,
            isolated=isolated,
            parameters=parameters,
            results=results,
        )

    @property
    def channels(self) -> int:
        """Channels of ``block.input``."""
        return len(self._plan.input_map)

    @property
    def latency(self) -> Latency:
        """Frames from the connector to ``block.input``.

        Before the first cycle JACK has to be asked, which takes up to a block's time.
        """
        return self._latency("input")

    def levels(self) -> list[Level]:
        """Level of each channel since the last call. Needs ``meter=True``."""
        return self._levels()[0]


class Stream(StreamBase):
    """Both ways at once: what comes in, and what goes out, in one callback on one device.

    Parameters
    ----------
    callback : callable or native function
        Called for every block with one argument, the :class:`Block`. It reads ``block.input`` and
        fills ``block.output``. It returns None before the next block is due; how much later it may
        be says `latency`. It may raise :class:`Stop`. Native functions (numba ``cfunc``, ctypes,
        cffi, PyCapsule, :class:`NativeCallback`) run without Python.
    device : str, Device or None
        A name, a part of one, a uid, or a :class:`Device`; None: the default.
    driver : str, Driver or None
        The audio system; None: the environment variable ``VOICECOIL_DRIVER``, else the
        platform's.
    samplerate : float or None
        Hz; None: as the device runs.
    channels : int, (input, output), or None
        One number for both, or a pair; each a number of the device's first channels, a list of
        0-based channels, or None: all in, two out.
    blocksize : int or None
        Frames per block; None or 0: as the device delivers them. A size that does not
        divide the device's cycles adds one block of latency.
    latency : {"safe", "low"} or float
        Where the callback runs (docs/latency.md). "safe": on a thread of its own, 60 ms or two
        cycles ahead of the device, so that a program that is busy with something else does not
        make it late; a number: that many seconds ahead. "low": on the device's own IO thread,
        with no latency added. Native functions always run there.
    zero_copy : bool
        The callback's arrays are the device's own memory; with ``latency="low"``. A reference
        that outlives its block is found right after the callback and ends the stream with
        `EscapedBlockError`. Where the device's memory is no single array, blocks are copied and
        counted (``statistics().copied_blocks``).
    arrays : {"numpy", "memoryview"}
        What ``block.input`` and ``block.output`` are; memoryviews need no NumPy.
    meter : bool
        Keep the levels that :meth:`levels` gives; costs a look at each sample.
    on_device_lost : {"stop", "wait", "default"}
        What happens when the device goes away, or changes its rate or channels. "stop": the stream
        ends with `DeviceLostError`. "wait": it goes on when the device is back. "default": it goes
        on with the same device if that is still there, else with the default one, and waits
        where there is none. Rate, channels and block size stay; frames lost meanwhile are an xrun;
        :meth:`events` tells. With the last two a stream can be opened before there is a device.
    isolated : bool
        `callback` is a name, "module:name", of a callable that is imported in an interpreter with
        a GIL of its own, and called there on the device's thread: nothing that the rest of the
        program does makes it late. From Python 3.12 on. It sees memoryviews; NumPy cannot be
        imported there.
    parameters, results : dict or None
        Names and first values (float, int, bool, bytes) of what goes into the callback and comes
        out of it: :attr:`parameters` here is ``block.parameters`` there, likewise `results`.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        What was given cannot work.
    DeviceNotFoundError
        No device, or more than one, is meant.
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
        device: str | Device | None = None,
        driver: str | Driver | None = None,
        samplerate: float | None = None,
        channels: Any = None,
        blocksize: int | None = None,
        latency: Home = "safe",
        zero_copy: bool = False,
        arrays: Arrays = "numpy",
        meter: bool = False,
        on_device_lost: OnDeviceLost = "stop",
        isolated: bool = False,
        parameters: Mapping[str, Any] | None = None,
        results: Mapping[str, Any] | None = None,
    ) -> None:
        self._open(
            callback,
            device=device,
            driver=driver,
            samplerate=samplerate,
            channels=channels,
            blocksize=blocksize,
            latency=latency,
            zero_copy=zero_copy,
            arrays=arrays,
            meter=meter,
            on_device_lost=on_device_lost,
            isolated=isolated,
            parameters=parameters,
            results=results,
        )

    def _channel_maps(self, channels: Any, device: Device) -> tuple[list[int], list[int]]:
        pair = (channels, channels)
        if isinstance(channels, (tuple, list)):
            if len(channels) != 2:
                raise ArgumentError(
                    f"channels={channels!r}; a duplex stream takes one number for both directions "
                    "or a pair (input, output) such as (1, 2) or ([3], [0, 1])"
                )
            pair = (channels[0], channels[1])
        return (
            channel_map(pair[0], device, "input", None),
            channel_map(pair[1], device, "output", 2),
        )

    @property
    def channels(self) -> tuple[int, int]:
        """Channels of ``block.input`` and of ``block.output``."""
        return self._plan.channels

    @property
    def latency(self) -> tuple[Latency, Latency]:
        """Frames from the connector to ``block.input``, and from ``block.output`` to it.

        Before the first cycle JACK has to be asked, which takes up to two blocks' time.
        """
        return self._latency("input"), self._latency("output")

    def levels(self) -> tuple[list[Level], list[Level]]:
        """Level of each input and of each output channel since the last call.

        Needs ``meter=True``.
        """
        return self._levels()
