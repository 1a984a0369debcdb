"""The device of a stream: its clock, its rate, its failure and its events."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, replace
from typing import Literal

from voicecoil import _core
from voicecoil.drivers.protocol import Device, Driver, DriverStream, OpenedFormat, ThreadGroup
from voicecoil.errors import DeviceLostError
from voicecoil.events import Event
from voicecoil.lifetime import exit_and_fork
from voicecoil.lifetime.kept import take_all
from voicecoil.streams.rate_check import RateCheck
from voicecoil.streams.silence import SEARCH_S, SILENT_S, InputSilence, warn_of

__all__ = ["CurrentDevice", "StreamDevice"]


@dataclass(frozen=True)
class CurrentDevice:
    """The device that a stream runs on, or ran on last.

    Attributes
    ----------
    device : Device
    opened_format : OpenedFormat
        The format of the IO cycles that the engine sees. See `at_engine_rate`.
    driver_stream : DriverStream or None
        None: the stream is not open on the device.
    """

    device: Device
    opened_format: OpenedFormat
    driver_stream: DriverStream | None


class StreamDevice:
    """The device of one stream, which may be exchanged for another one while the stream runs.

    Attributes
    ----------
    current : CurrentDevice
        A single field, so that a thread that reads it without the connection's lock never sees a
        mixture of two devices.
    clock : Clock or None
        The clock of a device whose time is not the machine's.
    news : deque of Event
        Events of the device that the program has not taken yet.
    silence : InputSilence or None
        Set until a warning was given that the input has only zeros.
    """

    def __init__(self, driver: Driver, current: CurrentDevice, engine: _core.Engine) -> None:
        self._driver = driver
        self._engine = engine
        self.current = current
        self.clock = current.driver_stream.clock if current.driver_stream is not None else None
        self.news: deque[Event] = deque()
        self.silence: InputSilence | None = None
        self._judged_frames = 0  # frames of zeros when they were judged last
        self._earlier_overloads = 0  # overloads on the devices that the stream has left
        self.expect_rate()

    @property
    def driver(self) -> Driver:
        """The driver that has opened the device."""
        return self._driver

    @property
    def driver_stream(self) -> DriverStream | None:
        """The driver's stream on the device. None: the stream is on no device."""
        return self.current.driver_stream

    @property
    def stands_still(self) -> bool:
        """Whether the device has a stepped clock, which advances only when a test steps it."""
        return self.clock is not None and self.clock.stepped

    @property
    def cycle_s(self) -> float:
        """Duration of an IO cycle, s. 0: not known, or the device's time is not the machine's."""
        opened = self.current.opened_format
        if self.clock is not None:
            return 0.0
        return (opened.typical_period_frames or 0) / opened.samplerate

    @property
    def overloads(self) -> int:
        """How often the audio system reported that its IO thread was late."""
        driver_stream = self.driver_stream
        return self._earlier_overloads + (driver_stream.overloads if driver_stream else 0)

    def trouble(self) -> Exception | None:
        """Returns why the device runs no IO cycles any more; None if it does, or without device."""
        driver_stream = self.driver_stream
        if driver_stream is None:
            return None
        return driver_stream.trouble() or self._rate_trouble

    def workgroup(self) -> ThreadGroup | None:
        """Returns the group of the device's IO thread; None: there is no device, or no group."""
        driver_stream = self.driver_stream
        return None if driver_stream is None else driver_stream.workgroup()

    def expect_rate(self) -> None:
        """Starts a new measurement of the rate. Called for a new run and for another device."""
        self._rate_check = RateCheck(self.current.opened_format.samplerate)
        self._rate_trouble: DeviceLostError | None = None

    def check_rate(self) -> bool:
        """Whether the device is found to run at another rate than it reports.

        `trouble` then returns an error. Call this about every quarter of a second, on one thread at
        a time.
        """
        check = self._rate_check
        if self._rate_trouble is not None:
            return False
        counted = self._engine.statistics()
        host_ns, frames = counted["output_time"]
        if host_ns is None or frames is None:
            host_ns, frames = counted["input_time"]
        measured = check.note(host_ns, frames)
        if measured is None or check is not self._rate_check:
            return False
        self._rate_trouble = DeviceLostError(
            f"{self.current.device.name!r} runs at {measured:.0f} Hz, and its audio system says "
            f"{self.current.opened_format.samplerate:g} Hz: its rate was changed without a "
            "notification"
        )
        return True

    def check_silence(self) -> None:
        """Warns once if the input has given nothing but zeros for some time."""
        silence, zeros = self.silence, self._engine.zero_frames
        self._judged_frames = min(self._judged_frames, zeros)
        least = self._judged_frames + SILENT_S * self.current.opened_format.samplerate
        if silence is not None and zeros >= least:
            self.silence = None
            self._judged_frames = zeros
            exit_and_fork.submit(lambda: self._judge(silence))

    def _judge(self, silence: InputSilence) -> None:
        search = not self.stands_still  # a clock that only a test steps may not advance
        text = silence.message(self.current.device, search, self._stays_silent)
        warn_of(text, self._tell_silence)
        if text is None and silence.is_natural:  # the zeros are judged again later
            self.silence = silence

    def _stays_silent(self) -> bool:
        """Whether the input has given only zeros until now. Waits for a part of a second.

        The search for a signal may hear it earlier than this stream does, because the audio system
        may give the two streams buffers of different lengths.
        """
        engine = self._engine
        enough = engine.zero_frames + SEARCH_S * self.current.opened_format.samplerate
        until = time.monotonic() + 4 * SEARCH_S
        while (
            0 < engine.zero_frames < enough
            and engine.state == _core.RUNNING
            and time.monotonic() < until
        ):
            time.sleep(0.02)
        return engine.zero_frames > 0

    def _tell_silence(self, text: str) -> None:
        self.news.append(self.event("silent", text))

    def enter(
        self, device: Device, opened_format: OpenedFormat, driver_stream: DriverStream
    ) -> None:
        """Notes that the stream runs on that device now."""
        self.current = CurrentDevice(device, opened_format, driver_stream)
        self.expect_rate()

    def leave(self, driver_stream: DriverStream) -> None:
        """Notes that the stream is not on its device any more."""
        self.current = replace(self.current, driver_stream=None)
        self._earlier_overloads += driver_stream.overloads

    def event(self, kind: Literal["lost", "back", "silent"], detail: str) -> Event:
        """Makes an event that happens now."""
        counted = self._engine.statistics()
        frames = counted["output_time"][1] or counted["input_time"][1] or 0
        host_ns = self.clock.clock_ns() if self.clock else self._driver.now_ns()
        return Event(kind, host_ns, frames, 0, detail)

    def tell_loss(self, driver_stream: DriverStream, trouble: BaseException) -> None:
        """Adds the event "lost". Call it before the state becomes "waiting".

        A program that sees "waiting" then also finds the event that says why.
        """
        self.news.extend(driver_stream.events())
        self.news.append(self.event("lost", str(trouble)))

    def take_news(self) -> list[Event]:
        """Returns once the events that the engine does not know of, oldest first."""
        driver_stream = self.driver_stream
        noticed = driver_stream.events() if driver_stream is not None else []
        return take_all(self.news) + noticed
