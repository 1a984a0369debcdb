"""The arguments of the three kinds of stream, checked in one place."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from voicecoil import _block, _core
from voicecoil.arguments import (
    check_blocksize,
    check_latency,
    check_samplerate,
    check_stream_name,
    shown,
)
from voicecoil.callbacks.isolated import check_name
from voicecoil.callbacks.mailbox import Record
from voicecoil.callbacks.native import NativeCallback, as_native, check_native
from voicecoil.callbacks.unsuitable import why_unsuitable
from voicecoil.drivers.protocol import Driver, OpenedFormat
from voicecoil.drivers.two_devices import DeviceRequest
from voicecoil.errors import ArgumentError, ArgumentTypeError
from voicecoil.sample_types import SampleType, check_dtype
from voicecoil.streams.channel_map import ChannelRequest
from voicecoil.streams.lead import LatencyMode, check_latency_mode, check_max_lead
from voicecoil.streams.rate_conversion import check_quality
from voicecoil.streams.recovery import OnDeviceLost, check_on_device_lost

__all__ = [
    "Arrays",
    "Callback",
    "CodeFactory",
    "CodeSource",
    "DeviceRate",
    "StreamRequest",
    "check_request",
]

Callback = Callable[[_block.Block], None]
Arrays = Literal["numpy", "memoryview"]
DeviceRate = Literal["keep", "set"]
Kind = Literal["python", "native", "isolated", "internal"]
CodeSource = Any  # Callback | NativeCallback | str | CodeFactory, as `StreamRequest.kind` says


class CodeFactory:
    """Makes internal code in place of a callback. It is called with the opened device's format.

    With `any_rate`, the code can go on at another rate if the stream moves to another device.
    """

    def __init__(
        self, make: Callable[[OpenedFormat, int, int], _core.Code], *, any_rate: bool = False
    ) -> None:
        self._make = make
        self.any_rate = any_rate

    def __call__(self, opened_format: OpenedFormat, inputs: int, outputs: int) -> _core.Code:
        return self._make(opened_format, inputs, outputs)


@dataclass(frozen=True)
class StreamRequest:
    """The checked arguments of a stream. If a value is None, the device determines it.

    Attributes
    ----------
    kind : {"python", "native", "isolated", "internal"}
        The kind of the callback. The callback itself is not kept here, because native code can be
        exchanged while the stream runs, and a request must not keep the first code alive.
    device : str, Device, tuple or None
        As given by the program. The device is looked up later.
    driver : str, Driver or None
        As given by the program. The driver is looked up later.
    samplerate : float or None
        Hz.
    channels : ChannelRequest
        As given by the program. The channels are checked when the device is known.
    block_frames : int or None
    latency_mode : LatencyMode
    max_lead_s : float
        0 if the lead is constant.
    zero_copy, meter : bool
    arrays : {"numpy", "memoryview"}
    dtype : {"float32", "int16", "int32", "uint8"}
    on_device_lost : {"stop", "wait", "default"}
    parameters, results : Record or None
    device_rate : {"keep", "set"}
    conversion_quality : str
    name : str
        The name that mixers and patch bays show.
    given_name : str or None
        The name that the program gave; None: `name` is the program's name.
    connect : bool
        False: the ports of a JACK client stay unconnected.
    writable_input : bool
        Whether the callback may change its input, as in python-sounddevice.
    """

    kind: Kind
    device: DeviceRequest
    driver: str | Driver | None
    samplerate: float | None
    channels: ChannelRequest
    block_frames: int | None
    latency_mode: LatencyMode
    max_lead_s: float
    zero_copy: bool
    meter: bool
    arrays: Arrays
    dtype: SampleType
    on_device_lost: OnDeviceLost
    parameters: Record | None
    results: Record | None
    device_rate: DeviceRate
    conversion_quality: str
    name: str
    given_name: str | None
    connect: bool
    writable_input: bool = False

    @property
    def on_io_thread(self) -> bool:
        """Whether the code runs on the device's IO thread, and not on a worker."""
        return self.latency_mode == "low" or self.kind != "python"

    @property
    def block_arrays(self) -> Arrays | None:
        """The type of the arrays of a block; None if the code gets no Python objects."""
        if self.kind in ("native", "internal"):
            return None
        return "memoryview" if self.kind == "isolated" else self.arrays


def check_request(
    callback: Callback | Any,
    *,
    device: DeviceRequest,
    driver: str | Driver | None,
    samplerate: float | None,
    channels: ChannelRequest,
    blocksize: int | None,
    latency: LatencyMode,
    max_lead_s: float,
    zero_copy: bool,
    arrays: Arrays,
    dtype: Any,
    meter: bool,
    on_device_lost: OnDeviceLost,
    isolated: bool,
    parameters: Mapping[str, Any] | None,
    results: Mapping[str, Any] | None,
    device_rate: DeviceRate,
    conversion_quality: str,
    name: str | None,
    connect: bool,
) -> tuple[StreamRequest, CodeSource]:
    """Check the arguments of a stream that need no device.

    Returns
    -------
    (StreamRequest, CodeSource)
        The request and the callback. The `kind` of the request determines whether the callback is a
        callable, a NativeCallback, the name of an isolated callable, or a CodeFactory.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        An argument is impossible.
    PythonVersionError
        ``isolated=True`` before Python 3.12.
    """
    latency_mode = check_latency(latency)
    if arrays not in ("numpy", "memoryview"):
        raise ArgumentError(f'arrays={shown(arrays)}; possible are "numpy" and "memoryview"')
    kind, source = _check_callback(callback, isolated)
    if isinstance(source, NativeCallback):
        check_native(source, parameters, results)
    records = (
        Record("parameters", parameters, True) if parameters else None,
        Record("results", results, False) if results else None,
    )
    sample_type = check_dtype(dtype)
    _check_conversion(sample_type, kind, zero_copy)
    check_latency_mode(latency_mode, kind != "python", zero_copy)
    request = StreamRequest(
        kind=kind,
        device=device,
        driver=driver,
        samplerate=check_samplerate(samplerate),
        channels=channels,
        block_frames=check_blocksize(blocksize),
        latency_mode=latency_mode,
        max_lead_s=check_max_lead(max_lead_s, latency_mode),
        zero_copy=bool(zero_copy),
        meter=bool(meter) or kind == "internal",
        arrays=arrays,
        dtype=sample_type,
        on_device_lost=check_on_device_lost(on_device_lost),
        parameters=records[0],
        results=records[1],
        device_rate=_check_device_rate(device_rate),
        conversion_quality=check_quality(conversion_quality),
        name=check_stream_name(name),
        given_name=name,
        connect=bool(connect),
    )
    return request, source


def _check_conversion(dtype: SampleType, kind: Kind, zero_copy: Any) -> None:
    """Refuse a `dtype` other than float32 if the samples are not converted."""
    if dtype == "float32":
        return
    if kind in ("native", "internal"):
        code = "a native callback" if kind == "native" else "a mixer"
        raise ArgumentError(
            f'dtype="{dtype}"; {code} works with float32: leave dtype out, or give a Python '
            "callback"
        )
    if zero_copy:
        raise ArgumentError(
            f'dtype="{dtype}" with zero_copy=True; the device\'s own memory is float32: leave one '
            "of them out"
        )


def _check_device_rate(device_rate: Any) -> DeviceRate:
    if device_rate not in ("keep", "set"):
        raise ArgumentError(
            f'device_rate={shown(device_rate)}; possible are "keep" (the device keeps its rate, '
            'and the stream converts) and "set" (the device gets the rate of the stream)'
        )
    return device_rate  # type: ignore[no-any-return]


def _check_callback(callback: Any, isolated: bool) -> tuple[Kind, CodeSource]:
    if isolated:
        return "isolated", check_name(callback)
    if isinstance(callback, CodeFactory):
        return "internal", callback
    native = as_native(callback)
    if native is not None:
        return "native", native
    _check_python_callback(callback)
    return "python", callback


def _check_python_callback(callback: Any) -> None:
    """Check that a callback can be called with one block, before a device is opened."""
    if not callable(callback):
        if isinstance(callback, str) and ":" in callback:
            raise ArgumentTypeError(
                f"callback={shown(callback)} is a name; give the function itself, or "
                "isolated=True to have it imported in an interpreter of its own"
            )
        raise ArgumentTypeError(
            f"callback={shown(callback)} cannot be called; give a function of one argument, "
            "the Block, or a native function (voicecoil.NativeCallback)"
        )
    why = why_unsuitable(callback)
    if why is not None:
        raise ArgumentTypeError(f"callback={shown(callback)} is {why}")
    try:
        signature = inspect.signature(callback)
    except (TypeError, ValueError):
        return  # some builtins have no signature
    try:
        signature.bind(None)
    except TypeError:
        name = getattr(callback, "__qualname__", None) or type(callback).__name__
        raise ArgumentTypeError(
            f"callback={shown(callback)} is {name}{signature}; it is called with one argument, "
            "the Block"
        ) from None
