"""What a stream says of itself: its device, home, state and counts."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from voicecoil import _block, _core
from voicecoil.drivers.protocol import Device, Direction, Driver, Got, Latency
from voicecoil.errors import ForkedError, StreamClosedError, StreamStateError
from voicecoil.events import Event, failed, from_engine, with_overloads
from voicecoil.levels import Level, read_levels
from voicecoil.lifetime import exit_and_fork
from voicecoil.sealed import Unique
from voicecoil.statistics import Statistics, read_statistics
from voicecoil.streams.lead import Ahead
from voicecoil.streams.lifecycle import Connection, State
from voicecoil.streams.plan import StreamPlan
from voicecoil.streams.priority import ThreadPriority, priority_of
from voicecoil.streams.request import StreamRequest

__all__ = ["StreamFacts"]


class StreamFacts(Unique):
    """What can be read of a stream; how it is opened, started and ended is StreamBase's."""

    _directions: ClassVar[tuple[Direction, ...]] = ()
    _connection: Connection | None
    _generation: int
    _request: StreamRequest
    _plan: StreamPlan
    _code: _core.Code

    @property
    def _ahead(self) -> Ahead | None:
        return self._connection.ahead if self._connection is not None else None

    @property
    def _device(self) -> Device:
        return self._plan.device if self._connection is None else self._connection.place.device

    @property
    def _got(self) -> Got:
        return self._plan.got if self._connection is None else self._connection.place.got

    @property
    def device(self) -> Device:
        """The device that it is on, or was last, as it was when it was opened."""
        return self._device

    @property
    def driver(self) -> Driver:
        """The driver that the device belongs to."""
        return self._plan.driver

    @property
    def samplerate(self) -> float:
        """Frames per second, Hz."""
        return self._got.samplerate

    @property
    def blocksize(self) -> int:
        """Frames per block; 0: they vary with the device's cycles."""
        return self._plan.block_frames

    @property
    def zero_copy(self) -> bool:
        """Whether the callback works in the device's own memory where that is possible."""
        return self._request.zero_copy

    @property
    def parameters(self) -> _block.Values:
        """What the callback finds in ``block.parameters``, at once from its next block on.

        Set an attribute, or several together with ``update``. One thread at a time. An
        `AttributeError` if the stream was opened without.
        """
        if self._request.parameters is None:
            raise AttributeError('open the stream with parameters={"name": first_value}')
        return self._request.parameters.control

    @property
    def results(self) -> _block.Values:
        """What the callback has put into ``block.results``, as of its newest block.

        An `AttributeError` if the stream was opened without.
        """
        if self._request.results is None:
            raise AttributeError('open the stream with results={"name": first_value}')
        return self._request.results.control

    @property
    def lead_frames(self) -> int:
        """How late the callback may be, frames; 0: it runs on the device's thread."""
        return self._ahead.lead_frames if self._ahead is not None else 0

    @property
    def worker_priority(self) -> ThreadPriority | None:
        """The priority of the thread that the callback runs on, ahead of the device.

        None: it runs on the device's own thread, whose priority is the audio system's affair.
        Before the stream is started it is an ordinary one; RealtimeKit may raise it somewhat later
        than the start. See `ThreadPriority`.
        """
        return priority_of(self._ahead.worker) if self._ahead is not None else None

    def _lead_frames(self) -> int:
        """What the lead, or blocks that do not fit a duplex device's cycles, cost."""
        if self._ahead is not None:
            return self._ahead.lead_frames
        size, cycle = self.blocksize, self._got.device_frames
        fits = size == 0 or (cycle != 0 and cycle % size == 0)
        return 0 if fits or len(self._directions) < 2 else size

    def _input_wait_frames(self) -> int:
        """How long a block's first frame waits for those behind it, beyond the device's cycle.

        Not of a duplex stream, whose output says how far it is behind its input.
        """
        got, size = self._got, self._plan.fixed_frames or 0
        if "output" in self._directions or not (got.device_frames or got.usual_frames):
            return 0
        cycle = got.device_frames or got.usual_frames
        if size == 0 or (got.device_frames and cycle % size == 0):
            return 0
        whole = size % cycle == 0 or not got.device_frames
        return max(0, size - cycle) if whole else size

    def _latency(self, direction: Direction) -> Latency:
        latency = self._got.latency(direction)
        lead = self._lead_frames() if direction == "output" else self._input_wait_frames()
        return replace(latency, lead_frames=latency.lead_frames + lead)

    @property
    def state(self) -> State:
        """What it does.

        "idle", "running", "waiting" (for a device: its own was lost, or there is none yet),
        "draining" (its last frames are on their way), "finished" (also by a device that was lost)
        or "closed". Never waits for an audio system: it is what is known. After a :meth:`stop` that
        timed out it is "draining" until the callback has returned, then "finished".
        """
        connection = self._connection
        if connection is None:
            return "closed"
        return connection.state()

    @property
    def exception(self) -> BaseException | None:
        """What the callback raised and so ended the stream; None: nothing, or it goes on.

        `wait`, `stop` and `close` raise it, once. If nobody waits, and nobody asks here or takes
        the event within a second, it is reported through ``sys.unraisablehook`` as well.
        """
        connection = self._connection
        if connection is None:
            return None
        connection.failure.ask()
        return connection.find_exception()

    @property
    def active(self) -> bool:
        """Whether the callback is being called."""
        return self.state == "running"

    @property
    def _goes_on(self) -> bool:
        """Whether the callback is being called, or will be when there is a device."""
        return self.state in ("running", "waiting") and self._trouble() is None

    def now_ns(self) -> int:
        """The host time that this stream's time stamps are on, ns."""
        clock = self._alive().clock
        return clock.clock_ns() if clock is not None else self._plan.driver.now_ns()

    def statistics(self) -> Statistics:
        """What was counted since the stream was opened; readable also when it is closed."""
        if self._connection is None:
            raise StreamClosedError("the stream could not be opened; it counted nothing")
        connection = self._connection
        worker = self._ahead.worker if self._ahead is not None else None
        return read_statistics(connection.engine, self._code, worker, connection.overloads)

    def events(self) -> list[Event]:
        """Takes what happened since the last call, oldest first."""
        if self._connection is None:
            return []
        noticed = self._connection.take_news()
        events = [from_engine(*raw) for raw in self._connection.engine.events()]
        if events and events[-1].kind == "finished" and (error := self.exception) is not None:
            events[-1] = failed(events[-1], error)
        return with_overloads(events, noticed) if noticed else events

    def _levels(self) -> tuple[list[Level], list[Level]]:
        """(input, output) levels since the last call; readable also when it is closed."""
        if self._connection is None:
            raise StreamClosedError("the stream could not be opened; it has no levels")
        if not self._request.meter:
            raise StreamStateError("the stream keeps no levels; open it with meter=True")
        return read_levels(self._connection.engine)

    def _look(self) -> None:
        """Finds out whether there is trouble, which may take a while."""
        if self._connection is not None:
            self._connection.look()

    def _trouble(self) -> Exception | None:
        """Why no cycle will come any more; None: all is well, or it waits for a device."""
        return self._connection.trouble() if self._connection is not None else None

    def _newest_output(self) -> tuple[int, int | None]:
        """Frames that the code made, and when the newest cycle's first one is heard, host ns."""
        assert self._connection is not None
        raw = self._connection.engine.statistics()
        return raw["frames"], raw["output_time"][0]

    def __repr__(self) -> str:
        inputs, outputs = self._plan.channels
        return (
            f"<{type(self).__name__} on {self._device.name!r}, {self.samplerate:g} Hz, "
            f"{inputs} in, {outputs} out, {self.state}{self._how_it_ended()}>"
        )

    def _how_it_ended(self) -> str:
        connection = self._connection
        if connection is None or self.state not in ("finished", "closed"):
            return ""
        error = connection.ended_by or self._trouble()
        if error is None:
            failed = connection.engine.reason == _core.REASON_ERROR
            return ": its callback raised" if failed else ""
        return f": {error if isinstance(error, str) else type(error).__name__}"

    def _refuse_in_fork(self) -> None:
        if exit_and_fork.forked(self._generation):
            raise ForkedError(
                "this stream was opened before the process was forked and belongs to the parent; "
                'open a stream of the child\'s own, or use the "spawn" start method'
            )

    def _alive(self) -> Connection:
        self._refuse_in_fork()
        if self._connection is None or self._connection.closed:
            raise StreamClosedError("the stream is closed; open a new one")
        return self._connection
