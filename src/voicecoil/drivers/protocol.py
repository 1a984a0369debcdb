"""What a driver is: the protocol between a stream and an audio system.

A driver lists devices and opens streams on them. In C it has one callback that fills a
``vc_cycle`` and calls ``vc_cycle_run`` (``core/voicecoil.h``); what is here is its control side.

Already validated when a driver is called, and not to be checked again: the device is one that this
driver listed; channel maps name existing channels of it; rate and block size are within
the ranges of :mod:`voicecoil.limits`; ``start`` comes once for each ``stop``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from voicecoil._core import Clock, Engine
    from voicecoil.events import Event

__all__ = [
    "Capture",
    "Device",
    "Driver",
    "DriverStream",
    "Got",
    "HearingDriver",
    "HoldingDriver",
    "Latency",
    "Wanted",
]

Direction = Literal["input", "output"]


@dataclass(frozen=True)
class Device:
    """A device as it was when it was listed.

    Attributes
    ----------
    name : str
        What people call it. Not unique.
    uid : str
        What identifies it, across unplugging and restarts.
    driver : str
        The driver that lists it.
    input_channels, output_channels : int
        0: it has no such direction.
    samplerate : float
        The rate it runs at, Hz.
    is_default_input, is_default_output : bool
        Whether the system uses it when no device is named.
    """

    name: str
    uid: str
    driver: str
    input_channels: int
    output_channels: int
    samplerate: float
    is_default_input: bool = False
    is_default_output: bool = False

    def channels(self, direction: Direction) -> int:
        """Channels in one direction."""
        return self.input_channels if direction == "input" else self.output_channels


@dataclass(frozen=True)
class Latency:
    """Frames between the connector and the callback, by where they come from.

    Attributes
    ----------
    device_frames, stream_frames : int
        Converters and wires, as the driver's vendor declares them.
    safety_frames : int
        Distance that the audio system keeps from the hardware.
    buffer_frames : int
        The device's buffer.
    lead_frames : int
        What this library adds: the lead, or blocks that do not fit the device's cycles.
    samplerate : float
        To turn frames into seconds.
    is_estimate : bool
        The audio system did not tell it: the sum is what its buffers hold when they are full.
        `at_least_frames` and `at_most_frames` say what is known.
    known_range : (int, int or None) or None
        Of an estimate: the least and the most that was measured, without the lead, frames.
    """

    device_frames: int = 0
    stream_frames: int = 0
    safety_frames: int = 0
    buffer_frames: int = 0
    lead_frames: int = 0
    samplerate: float = 1.0
    is_estimate: bool = False
    known_range: tuple[int, int | None] | None = None

    @property
    def at_least_frames(self) -> int:
        """The least that it can be, with the whole lead."""
        return self.frames if self.known_range is None else self.known_range[0] + self.lead_frames

    @property
    def at_most_frames(self) -> int | None:
        """The most that it can be; None: that is not known."""
        if self.known_range is None:
            return self.frames
        most = self.known_range[1]
        return None if most is None else most + self.lead_frames

    @property
    def frames(self) -> int:
        """The sum."""
        return (
            self.device_frames
            + self.stream_frames
            + self.safety_frames
            + self.buffer_frames
            + self.lead_frames
        )

    @property
    def seconds(self) -> float:
        """The sum in seconds."""
        return self.frames / self.samplerate


@dataclass(frozen=True)
class Wanted:
    """What a stream asks a driver for.

    Attributes
    ----------
    input_map, output_map : sequence of int
        For each of the stream's channels the device's channel, 0-based; empty: no such direction.
    samplerate : float or None
        Hz; None: as the device runs.
    block_frames : int or None
        Frames per callback that the stream would like; None: as the device likes.
    """

    device: Device
    input_map: Sequence[int]
    output_map: Sequence[int]
    samplerate: float | None
    block_frames: int | None


@dataclass(frozen=True)
class Got:
    """What the device made of it.

    Attributes
    ----------
    samplerate : float
        Hz. May differ from what was wanted: the caller decides whether that will do.
    device_frames : int
        Frames in every IO cycle; 0: they vary.
    max_frames : int
        Frames that no cycle exceeds.
    usual_frames : int
        Frames of most cycles, where they vary; 0: that is not known.
    latency : callable
        Gives the `Latency` of a direction that the stream has, also when the stream is lost or
        closed. Until its first cycle a system may have to be asked, which JACK answers within a
        cycle's time, or after what else it is asked.
    rate_note : str
        Why it runs at that rate and not at the wanted one, and what can be done: the end of a
        sentence.
    """

    samplerate: float
    device_frames: int
    max_frames: int
    latency: Callable[[Direction], Latency]
    rate_note: str = "for another stream: use that, or close the other stream first"
    usual_frames: int = 0


class DriverStream(Protocol):
    """One open connection to a device.

    Attributes
    ----------
    got : Got
        What the device made of the wishes.
    clock : Clock or None
        A clock to time cycles with that is not the machine's.
    overloads : int
        How often the audio system said that its IO thread was too late; readable also when closed.
    """

    @property
    def got(self) -> Got: ...
    @property
    def clock(self) -> Clock | None: ...
    @property
    def overloads(self) -> int: ...

    def start(self, engine: Engine) -> None:
        """Makes the device call `engine`. Raises `DriverError`; then nothing was started.

        After any other error `stop` ends what was started.
        """

    def stop(self, timeout_s: float) -> None:
        """Ends that. When it returns, no cycle of the engine runs or will run.

        Raises `StreamTimeoutError` when it cannot promise that in time. Then the engine is called
        on: it has been asked for its end, and finds it in the cycle after the one that is late.
        """

    def close(self) -> None:
        """Gives everything back. Never raises; the second time does nothing."""

    def trouble(self) -> Exception | None:
        """Why no cycle will come any more, as far as that is known; None: all is well.

        It waits for nobody: it is asked whenever somebody reads a state, in signal handlers too.
        """

    def look(self) -> None:
        """Finds out whether there is trouble. That may take as long as a call of the system's."""

    def events(self) -> list[Event]:
        """Takes what the driver itself noticed, oldest first; the engine's events are not here."""


class Capture(Protocol):
    """What a device that is not there hears, on its way into a file."""

    def end_capture(self) -> int:
        """Closes the file and gives the frames in it. Call it when all streams are closed."""


@runtime_checkable
class HearingDriver(Protocol):
    """A driver whose devices are not there and keep what they hear, for tests."""

    def capture(self, device: Device, path: str | os.PathLike[str]) -> Capture:
        """Keeps what `device` hears from now on, in a float WAV file.

        From the first frame that a stream made to the last one, silence between them included.
        """


@runtime_checkable
class HoldingDriver(Protocol):
    """A driver that saves time when it knows that a device is looked for to be opened."""

    def held(self) -> AbstractContextManager[None]:
        """Around `devices` and the `open_stream` that follows it."""


class Driver(Protocol):
    """An audio system."""

    @property
    def name(self) -> str: ...

    def devices(self) -> list[Device]:
        """The devices there are now."""

    def default(self, direction: Direction) -> Device | None:
        """The device that the system uses when none is named."""

    def open_stream(self, wanted: Wanted) -> DriverStream:
        """Opens a stream that is not started yet. Raises `DriverError`."""

    def now_ns(self) -> int:
        """The host time of this driver's time stamps, ns, monotonic."""

    def watch(self, listener: Callable[[str], None]) -> Callable[[], None]:
        """Calls `listener` with what changed, from any thread; returns how to end that.

        A driver whose devices change only by the program's own doing never calls it.
        """
