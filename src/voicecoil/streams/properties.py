"""The readable properties of a stream: its device, lead, state, statistics and events."""

from __future__ import annotations

import weakref
from collections import deque
from dataclasses import replace
from typing import ClassVar

from voicecoil import _block, _core
from voicecoil.drivers.protocol import Device, Direction, Driver, Latency, OpenedFormat
from voicecoil.errors import StreamClosedError, StreamStateError
from voicecoil.events import Event, failed, from_engine, with_overloads
from voicecoil.levels import Level, read_levels
from voicecoil.lifetime.kept import take_all
from voicecoil.sealed import Unique
from voicecoil.statistics import Statistics, read_statistics
from voicecoil.streams.event_list import Events
from voicecoil.streams.lead import LeadWorker
from voicecoil.streams.lifecycle import State, StreamConnection
from voicecoil.streams.monitor import refuse_in_fork
from voicecoil.streams.plan import StreamPlan
from voicecoil.streams.priority import ThreadPriority, priority_of
from voicecoil.streams.rate_conversion import Conversion
from voicecoil.streams.request import StreamRequest
from voicecoil.streams.settings import Settings, StreamNow, settings_of

__all__ = ["StreamFacts"]


EVENTS_LOOK_S = 0.25  # interval at which events are noticed that the IO thread does not count


class StreamFacts(Unique):
    """The readable properties of a stream. `StreamBase` opens, starts and ends it."""

    _directions: ClassVar[tuple[Direction, ...]] = ()
    _writable_input: ClassVar[bool] = False  # whether callbacks may change ``block.input``
    _connection: StreamConnection | None
    _generation: int
    _request: StreamRequest
    _plan: StreamPlan
    _code: _core.Code
    _noticed_events: deque[Event]  # found while a task waited for events

    @property
    def _worker(self) -> LeadWorker | None:
        return self._connection.worker if self._connection is not None else None

    @property
    def _conversion(self) -> Conversion | None:
        converter = self._worker.converter if self._worker is not None else None
        return converter.conversion if converter is not None else None

    @property
    def _device(self) -> Device:
        return (
            self._plan.device
            if self._connection is None
            else self._connection.device.current.device
        )

    @property
    def _opened_format(self) -> OpenedFormat:
        opened = self._plan if self._connection is None else self._connection.device.current
        return opened.opened_format

    @property
    def settings(self) -> Settings:
        """What became of each request: applied, adjusted, converted, ignored, and why.

        The report is a snapshot. It describes the device that the stream runs on now, which
        `on_device_lost` may have exchanged. ``print(stream.settings)`` shows one line for each
        request.
        """
        connection = self._connection
        if connection is None:
            raise StreamClosedError("the stream could not be opened; it has no settings")
        current = connection.device.current
        now = StreamNow(
            current.device,
            current.opened_format,
            current.driver_stream is None,
            connection.worker,
            connection.engine.statistics()["copied_blocks"],
            self.worker_priority,
        )
        return settings_of(self._plan, now, self._directions)

    @property
    def device(self) -> Device:
        """The device that the stream runs on, or ran on last, as it was at the time of opening."""
        return self._device

    @property
    def driver(self) -> Driver:
        """The driver that the device belongs to."""
        return self._plan.driver

    @property
    def samplerate(self) -> float:
        """Frames per second of the stream's blocks, Hz.

        If ``stream.device.samplerate`` is another rate, the stream converts.
        """
        return self._plan.samplerate

    @property
    def blocksize(self) -> int:
        """Frames per block; 0: they vary with the device's cycles."""
        return self._plan.constant_block_frames or 0

    @property
    def zero_copy(self) -> bool:
        """Whether the callback works in the device's own memory where that is possible."""
        return self._request.zero_copy

    @property
    def parameters(self) -> _block.Values:
        """The values that the callback reads in ``block.parameters``.

        Set an attribute, or several together with ``update``; the callback gets them with its next
        block. Only one thread may set them at a time. Raises `AttributeError` if the stream was
        opened without parameters.
        """
        if self._request.parameters is None:
            raise AttributeError('open the stream with parameters={"name": first_value}')
        return self._request.parameters.values

    @property
    def results(self) -> _block.Values:
        """The values that the callback has set in ``block.results``, up to its newest block.

        Raises `AttributeError` if the stream was opened without results.
        """
        if self._request.results is None:
            raise AttributeError('open the stream with results={"name": first_value}')
        return self._request.results.values

    @property
    def lead_frames(self) -> int:
        """How late the callback may be, frames; 0: it runs on the device's thread.

        With ``latency="safe"`` it grows if the callback was later. See `max_lead_s`.
        """
        frames = self._worker.lead_frames if self._worker is not None else 0
        conversion = self._conversion
        return frames if conversion is None else conversion.to_program(frames)

    @property
    def worker_priority(self) -> ThreadPriority | None:
        """The priority of the worker's thread. See `ThreadPriority`.

        None: the callback runs on the IO thread, whose priority the audio system sets. Before the
        stream is started the priority is an ordinary one. RealtimeKit may raise it some time after
        the start.
        """
        return priority_of(self._worker.code) if self._worker is not None else None

    def _lead_frames(self) -> int:
        """Return the latency of the lead, or of blocks that do not fit the cycles, frames."""
        if self._worker is not None:
            return self._worker.lead_frames
        size, cycle = self._plan.constant_block_frames, self._opened_format.period_frames
        fits = size is None or (cycle is not None and cycle % size == 0)
        return 0 if size is None or fits or len(self._directions) < 2 else size

    def _input_wait_frames(self) -> int:
        """Return the frames that a block waits for its last frame, beyond the device's cycle.

        0 for a duplex stream, because its output latency contains this wait.
        """
        conversion, cycle = self._conversion, self._opened_format.typical_period_frames
        size = conversion.device_frames if conversion is not None else self._plan.block_frames
        if "output" in self._directions or size is None or cycle is None:
            return 0
        varies = self._opened_format.period_frames is None
        if not varies and cycle % size == 0:
            return 0
        whole = size % cycle == 0 or varies
        return max(0, size - cycle) if whole else size

    def _latency(self, direction: Direction) -> Latency:
        latency = self._opened_format.latency(direction)
        lead = self._lead_frames() if direction == "output" else self._input_wait_frames()
        latency = replace(latency, lead_frames=latency.lead_frames + lead)
        conversion = self._conversion
        return latency if conversion is None else conversion.add_latency(latency, direction)

    @property
    def state(self) -> State:
        """The state of the stream.

        "idle", "running", "waiting" (for a device, because its own was lost or none exists yet),
        "draining" (its last frames are being played), "finished" (also after its device was lost)
        or "closed". Reading the state never waits for an audio system. After a :meth:`stop` that
        timed out, the state is "draining" until the callback has returned, then "finished".
        """
        connection = self._connection
        if connection is None:
            return "closed"
        return connection.state()

    @property
    def exception(self) -> BaseException | None:
        """The exception that ended the stream, the callback's or a `DeviceLostError`; or None.

        The next call of `wait`, `stop` or `close` raises it once. If the program does not wait for
        the stream, and neither reads this property nor takes the event within a second, the
        exception is also reported through ``sys.unraisablehook``. If `start` is called before that,
        the exception is reported then. After a new start this property is None.
        """
        connection = self._connection
        if connection is None:
            return None
        if (found := _show_exception(connection)) is not None:
            return found
        connection.trouble()  # notices that the device is lost
        return connection.loss

    @property
    def active(self) -> bool:
        """Whether the callback is being called."""
        return self.state == "running"

    def now_ns(self) -> int:
        """The current host time on the clock of this stream's time stamps, ns.

        Returns
        -------
        int
            Nanoseconds.
        """
        clock = self._alive().device.clock
        return clock.clock_ns() if clock is not None else self._plan.driver.now_ns()

    def statistics(self) -> Statistics:
        """The counts since the stream was opened. They stay readable after `close`.

        Returns
        -------
        Statistics
            A snapshot, which does not change any more.

        Raises
        ------
        StreamClosedError
            The stream could not be opened.
        """
        if self._connection is None:
            raise StreamClosedError("the stream could not be opened; it has no statistics")
        connection = self._connection
        engine, overloads = connection.engine, connection.device.overloads
        if self._worker is not None:
            return self._worker.statistics(engine, overloads)
        return read_statistics(engine, self._code, None, overloads)

    def events(self) -> Events:
        """Return and remove the events since the last call, oldest first.

        ``async for event in stream.events()`` goes on with the events that come later, in an
        asyncio task, until the stream has ended or is closed.

        Returns
        -------
        list of Event
            Empty if nothing happened.
        """
        later = weakref.WeakMethod(self._later_events)
        return Events(take_all(self._noticed_events) + self._new_events(), later)

    def _has_events(self) -> bool:
        """Return whether there are events, and keep them for the next call of `events`."""
        self._noticed_events.extend(self._new_events())
        return bool(self._noticed_events)

    def _is_over(self) -> bool:
        """Return whether the stream was started and has ended, or is closed."""
        connection = self._connection
        if connection is None or connection.closed:
            return True
        return connection.run > 0 and self.state in ("idle", "finished")

    async def _later_events(self) -> list[Event]:
        """Wait until there are events, and return them; none if the stream has ended."""
        from voicecoil.lifetime.waking import reached

        while True:
            over = self._is_over()
            found = list(self.events())
            connection = self._connection
            if found or over or connection is None:
                return found
            await reached(
                connection.engine.events_count(),
                period_s=connection.device.cycle_s,
                over=lambda: self._has_events() or self._is_over(),
                look_s=EVENTS_LOOK_S,
            )

    def _new_events(self) -> list[Event]:
        if self._connection is None:
            return []
        noticed = self._connection.take_news()
        if self._worker is not None:
            noticed += self._worker.take_growths()
        events = [from_engine(*raw) for raw in self._connection.engine.events()]
        ended = bool(events) and events[-1].kind == "finished"
        if ended and (error := _show_exception(self._connection)) is not None:
            events[-1] = failed(events[-1], error)
        return with_overloads(events, noticed) if noticed else events

    def _levels(self) -> tuple[list[Level], list[Level]]:
        """Return (input, output) levels since the last call, also after `close`."""
        if self._connection is None:
            raise StreamClosedError("the stream could not be opened; it has no levels")
        if not self._request.meter:
            raise StreamStateError("the stream keeps no levels; open it with meter=True")
        return read_levels(self._connection.engine)

    def __repr__(self) -> str:
        inputs, outputs = self._plan.channels
        summary = self.settings.summary() if self._connection is not None else ""
        return (
            f"<{type(self).__name__} on {self._device.name!r}, {self.samplerate:g} Hz, "
            f"{inputs} in, {outputs} out, {self.state}{self._how_it_ended()}"
            f"{'; ' * bool(summary)}{summary}>"
        )

    def _how_it_ended(self) -> str:
        connection = self._connection
        if connection is None or self.state not in ("finished", "closed"):
            return ""
        error = connection.failure.ended_by or connection.trouble()
        if error is None:
            failed = connection.engine.reason == _core.REASON_ERROR
            return ": its callback raised" if failed else ""
        return f": {error if isinstance(error, str) else type(error).__name__}"

    def _alive(self) -> StreamConnection:
        refuse_in_fork(self._generation)
        if self._connection is None or self._connection.closed:
            raise StreamClosedError("the stream is closed; open a new one")
        return self._connection


def _show_exception(connection: StreamConnection) -> BaseException | None:
    """Returns the callback's exception, and notes that the program asks for it and has seen it."""
    connection.failure.ask()
    if (found := connection.find_exception()) is not None:
        connection.failure.seen = found
    return found
