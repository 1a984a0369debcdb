"""The protocol between a stream and an audio system: driver, device and driver stream.

A driver lists devices and opens streams on them. Its C part is one callback that fills a
``vc_cycle`` and calls ``vc_cycle_run`` (``core/voicecoil.h``). This module describes its Python
part.

The caller has validated the arguments of a driver's methods, so a driver need not check them
again. The device is one that this driver has listed. Channel maps contain only channels that the
device has. Rate and block size are within the ranges of :mod:`voicecoil.limits`. ``start`` is
called again only after ``stop``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from voicecoil._core import Clock, Engine
    from voicecoil.events import Event

__all__ = [
    "Capture",
    "Device",
    "Driver",
    "DriverStream",
    "OpenedFormat",
    "CapturingDriver",
    "SharedSessionDriver",
    "ThreadGroup",
    "Latency",
    "NamesDriver",
    "PortsDriver",
    "RatesDriver",
    "OpenRequest",
    "devices_html",
    "latency_at_rate",
    "standard_rates",
]

Direction = Literal["input", "output"]
USUAL_RATES_HZ = tuple(
    base * 2**octave for base in (8_000.0, 11_025.0, 12_000.0) for octave in range(7)
)


@dataclass(frozen=True)
class Device:
    """A snapshot of a device at the time of listing.

    Attributes
    ----------
    name : str
        The name that users know. It is not unique.
    uid : str
        The unique identifier. It stays the same when the device is replugged or the system is
        restarted.
    driver : str
        The name of the driver that lists the device.
    input_channels, output_channels : int
        0: the device does not have that direction.
    samplerate : float
        The rate at which the device runs, Hz.
    is_default_input, is_default_output : bool
        Whether the system uses this device when a program names none.
    stereo_channels : (int, int)
        The output channels, 0-based, on which stereo sound is heard left and right. A stream that
        is opened with one or two channels, but without a list of channels, plays on them.
    transport : str or None
        How the device is connected: ``"built in"``, ``"usb"``, ``"bluetooth"``, ``"virtual"`` ...
    manufacturer, model : str or None
        Their names, as the device's driver reports them.
    samplerates : tuple of float or None
        The rates that the device offers, Hz: of a range, its ends and the usual rates in it.
    input_latency_frames, output_latency_frames : int or None
        Frames between the connector and the system's buffer that the device's driver declares. A
        stream adds its buffer, see `Latency`.

    Notes
    -----
    The attributes from `transport` on are None if the driver does not know them. CoreAudio and
    virtual devices report all that they have. PulseAudio and PipeWire report `transport`,
    `manufacturer` and `model`. ALSA reports these for the PCMs of a sound card, and `samplerates`.
    JACK reports `samplerates` and the latencies, but the latencies may be None in the device of a
    stream. PulseAudio reports only the latency of a running stream: see `Stream.latency`.
    The comparison of two devices ignores these attributes.
    """

    name: str
    uid: str
    driver: str
    input_channels: int
    output_channels: int
    samplerate: float
    is_default_input: bool = False
    is_default_output: bool = False
    stereo_channels: tuple[int, int] = (0, 1)
    transport: str | None = field(default=None, compare=False, repr=False)
    manufacturer: str | None = field(default=None, compare=False, repr=False)
    model: str | None = field(default=None, compare=False, repr=False)
    samplerates: tuple[float, ...] | None = field(default=None, compare=False, repr=False)
    input_latency_frames: int | None = field(default=None, compare=False, repr=False)
    output_latency_frames: int | None = field(default=None, compare=False, repr=False)

    def _repr_html_(self) -> str:
        return devices_html([self])

    def channels(self, direction: Direction) -> int:
        """Return the number of channels in one direction.

        Parameters
        ----------
        direction : {"input", "output"}
            The direction.

        Returns
        -------
        int
            The number of channels; 0 if the device does not have this direction.
        """
        return self.input_channels if direction == "input" else self.output_channels


def standard_rates(ranges: Iterable[tuple[float, float]]) -> tuple[float, ...] | None:
    """Return the ends of ranges, and the usual rates in them, Hz; None: there are no ranges."""
    found: set[float] = set()
    for low, high in ranges:
        found |= {low, high, *(rate for rate in USUAL_RATES_HZ if low < rate < high)}
    return tuple(sorted(found)) or None


def devices_html(devices: Sequence[Device]) -> str:
    """Return an HTML table of devices, for notebooks."""
    from voicecoil.notebook import html_table

    def default(device: Device) -> str:
        flags = {"input": device.is_default_input, "output": device.is_default_output}
        return ", ".join(way for way, is_default in flags.items() if is_default)

    return html_table(
        ("name", "in", "out", "Hz", "default for", "driver", "uid"),
        [
            (
                device.name,
                device.input_channels or None,
                device.output_channels or None,
                f"{device.samplerate:g}",
                default(device),
                device.driver,
                device.uid,
            )
            for device in devices
        ],
    )


@dataclass(frozen=True)
class Latency:
    """Frames between the connector and the callback, by their cause.

    Attributes
    ----------
    device_frames, stream_frames : int
        Latency of converters and transport, as the vendor of the device's driver declares it.
    safety_frames : int
        Distance that the audio system keeps from the hardware.
    buffer_frames : int
        Latency of the device's buffer.
    lead_frames : int
        Latency that voicecoil adds: the lead, or blocks that do not fit the device's cycles.
    conversion_frames : int
        Latency that voicecoil adds to convert between the stream's rate and the device's. It is the
        greatest one, because the converter works in steps. The times of each block are exact.
    samplerate : float
        Rate for the conversion of frames into seconds, Hz.
    is_estimate : bool
        True if the audio system does not report its latency. The sum is then the latency of its
        buffers when they are full. `at_least_frames` and `at_most_frames` are the known limits.
    known_range : (int, int or None) or None
        For an estimate: the least and the greatest latency measured, without the lead, frames.
    """

    device_frames: int = 0
    stream_frames: int = 0
    safety_frames: int = 0
    buffer_frames: int = 0
    lead_frames: int = 0
    samplerate: float = 1.0
    is_estimate: bool = False
    known_range: tuple[int, int | None] | None = None
    conversion_frames: int = 0

    @property
    def at_least_frames(self) -> int:
        """The least possible latency, including the whole lead, frames."""
        return self.frames if self.known_range is None else self.known_range[0] + self._added

    @property
    def at_most_frames(self) -> int | None:
        """The greatest possible latency, including the whole lead, frames; None: not known."""
        if self.known_range is None:
            return self.frames
        most = self.known_range[1]
        return None if most is None else most + self._added

    @property
    def _added(self) -> int:
        return self.lead_frames + self.conversion_frames

    @property
    def frames(self) -> int:
        """The sum of all parts, frames."""
        return (
            self.device_frames
            + self.stream_frames
            + self.safety_frames
            + self.buffer_frames
            + self._added
        )

    @property
    def seconds(self) -> float:
        """The sum of all parts, s."""
        return self.frames / self.samplerate


def latency_at_rate(latency: Latency, samplerate: float, to_rate: Callable[[int], int]) -> Latency:
    """Return a latency in frames of another rate.

    Parameters
    ----------
    latency : Latency
    samplerate : float
        The other rate, Hz.
    to_rate : callable
        Converts a number of frames to the other rate, rounded.
    """
    known = latency.known_range
    if known is not None:
        known = to_rate(known[0]), None if known[1] is None else to_rate(known[1])
    return replace(
        latency,
        device_frames=to_rate(latency.device_frames),
        stream_frames=to_rate(latency.stream_frames),
        safety_frames=to_rate(latency.safety_frames),
        buffer_frames=to_rate(latency.buffer_frames),
        lead_frames=to_rate(latency.lead_frames),
        conversion_frames=to_rate(latency.conversion_frames),
        known_range=known,
        samplerate=samplerate,
    )


@dataclass(frozen=True)
class OpenRequest:
    """The request of a stream to a driver.

    Attributes
    ----------
    input_map, output_map : sequence of int
        The device's channel for each channel of the stream, 0-based. Empty: the stream does not
        have that direction.
    samplerate : float or None
        Hz; None: the rate at which the device runs.
    block_frames : int or None
        Frames per callback that the stream prefers; None: no preference.
    name : str
        The name that mixers and patch bays show. A driver ignores it if its audio system has no
        such names.
    connect : bool
        False: leave the stream's ports unconnected. Only a `PortsDriver` gets such a request.
    """

    device: Device
    input_map: Sequence[int]
    output_map: Sequence[int]
    samplerate: float | None
    block_frames: int | None
    name: str = "voicecoil"
    connect: bool = True


@dataclass(frozen=True)
class OpenedFormat:
    """The result of opening: the rate, cycles and latency that the device really has.

    Attributes
    ----------
    samplerate : float
        Hz. It may differ from the requested rate; the caller decides whether to accept it.
    period_frames : int or None
        Frames in every IO cycle; None: they vary.
    max_period_frames : int
        Frames of the longest cycle; 0: the device does not exist yet.
    usual_period_frames : int or None
        Frames of most cycles, if they vary; None: not known.
    latency : callable
        Returns the `Latency` of a direction that the stream has. It also works after the device
        was lost and after the stream was closed. Before the first cycle it may have to ask the
        audio system. JACK answers within the duration of a cycle, or after its other calls.
    rate_note : str
        The end of a sentence that says why the device does not run at the requested rate, and what
        the user can do.
    converted_hz : float or None
        The rate of the device, Hz, if its cycles are converted and everything above describes the
        converted ones; None: they are not.
    """

    samplerate: float
    period_frames: int | None
    max_period_frames: int
    latency: Callable[[Direction], Latency]
    rate_note: str = "for another stream: use that, or close the other stream first"
    usual_period_frames: int | None = None
    converted_hz: float | None = None

    @property
    def typical_period_frames(self) -> int | None:
        """Frames of every cycle, or of most cycles; None: not known."""
        return self.period_frames or self.usual_period_frames


class ThreadGroup(Protocol):
    """A group of real-time threads. One object is for one thread at a time."""

    @property
    def address(self) -> int:
        """The address of the vc_thread_group, for threads of the engine."""

    def join(self) -> int:
        """Lets the calling thread join. Returns 0 or an error number."""

    def leave(self) -> None:
        """Lets the calling thread leave, which has joined with this object."""

    def close(self) -> None:
        """Releases the group, which no thread is in or joins any more. It may be called twice."""


class DriverStream(Protocol):
    """One open connection to a device.

    Attributes
    ----------
    opened_format : OpenedFormat
        The rate, cycles and latency that the device has.
    clock : Clock or None
        The clock that times the cycles; None: the machine's.
    overloads : int
        How often the audio system reported that its IO thread was late. Readable after `close`.
    """

    @property
    def opened_format(self) -> OpenedFormat: ...
    @property
    def clock(self) -> Clock | None: ...
    @property
    def overloads(self) -> int: ...

    def start(self, engine: Engine) -> None:
        """Makes the device call `engine` in its IO cycles.

        If it raises `DriverError`, nothing was started. After any other error the caller calls
        `stop`, which ends the parts that were started.
        """

    def stop(self, timeout_s: float) -> None:
        """Ends the calls of the engine. When it returns, no cycle of the engine runs or will run.

        Raises `StreamTimeoutError` if it cannot guarantee this in time. The device then continues
        to call the engine, which was asked to end and ends in the cycle after the late one.
        """

    def close(self) -> None:
        """Releases the device. Never raises. A second call does nothing."""

    def trouble(self) -> Exception | None:
        """Returns the known reason why no IO cycle will come any more; None if there is none.

        Any thread may call it. It must not wait, because every reading of a stream's state calls
        it, also in signal handlers.
        """

    def look(self) -> None:
        """Asks the audio system whether the device still works. This can take seconds."""

    def workgroup(self) -> ThreadGroup | None:
        """Returns the group of the device's IO thread, for one more thread; None: there is none.

        This may take long.
        """

    def events(self) -> list[Event]:
        """Returns the driver's new events once, oldest first. The engine's events are separate."""


class Capture(Protocol):
    """A recording of the output of a device that is not real."""

    def end_capture(self) -> int:
        """Closes the file and returns its length in frames. Called after all streams are closed."""


@runtime_checkable
class CapturingDriver(Protocol):
    """A driver whose devices are not real and can record their output, for tests."""

    def capture(self, device: Device, path: str | os.PathLike[str]) -> Capture:
        """Records the output of `device` from now on, in a float WAV file.

        The file begins with the first frame that a stream made and ends with the last one. Silence
        between them is included.
        """


@runtime_checkable
class SharedSessionDriver(Protocol):
    """A driver that can share work between listing the devices and opening one of them."""

    def shared_session(self) -> AbstractContextManager[None]:
        """Returns a context for a call of `devices` and the `open_stream` that follows it."""


@runtime_checkable
class PortsDriver(Protocol):
    """A driver with streams whose ports other programs can connect."""

    def has_ports(self, device: Device) -> bool:
        """Whether the streams on that device have ports."""


@runtime_checkable
class NamesDriver(Protocol):
    """A driver whose audio system can show the names of streams."""

    def shows_names(self, device: Device) -> bool:
        """Whether the names of streams on that device are shown."""


@runtime_checkable
class RatesDriver(Protocol):
    """A driver of devices with one rate for all programs, which a stream can set.

    Other drivers give each stream the rate that it asks for and convert it themselves, or have only
    one rate.
    """

    def rates(self, device: Device) -> list[tuple[float, float]]:
        """Returns the ranges (lowest, highest) of the rates of that device, Hz.

        Empty: the device does not say which rates it has.
        """


class Driver(Protocol):
    """An audio system."""

    @property
    def name(self) -> str: ...

    def devices(self) -> list[Device]:
        """Returns the devices that exist now."""

    def default(self, direction: Direction) -> Device | None:
        """Returns the device that the system uses if a program names no device."""

    def open_stream(self, request: OpenRequest) -> DriverStream:
        """Opens a stream that is not started yet. Raises `DriverError`."""

    def now_ns(self) -> int:
        """Returns the host time now, on the monotonic clock of this driver's time stamps, ns."""

    def watch(self, listener: Callable[[str], None]) -> Callable[[], None]:
        """Calls `listener`, on any thread, with the name of each change.

        Returns a function that ends the calls. A driver whose devices only the program itself can
        change never calls `listener`.
        """
