"""Internal view of a stream, for the objects that `play` and `record` return."""

from __future__ import annotations

from typing import TYPE_CHECKING

from voicecoil import _core
from voicecoil.errors import ForkedError
from voicecoil.lifetime import exit_and_fork
from voicecoil.lifetime.uninterrupted import uninterrupted

if TYPE_CHECKING:
    from voicecoil.streams.base import StreamBase
    from voicecoil.streams.properties import StreamFacts

__all__ = ["StreamMonitor", "refuse_in_fork"]


def refuse_in_fork(generation: int) -> None:
    """Raises `ForkedError` if the process was forked after that fork generation."""
    if exit_and_fork.forked(generation):
        raise ForkedError(
            "this stream was opened before the process was forked and belongs to the parent; "
            'open a stream of the child\'s own, or use the "spawn" start method'
        )


class StreamMonitor:
    """The state of an open stream, for the sounds that are played or recorded with it.

    A monitor does not keep the stream open. If nothing else refers to the stream, it is closed.

    Parameters
    ----------
    stream : StreamFacts
        A stream whose constructor has returned.
    """

    def __init__(self, stream: StreamFacts) -> None:
        assert stream._connection is not None
        self._connection = stream._connection
        self._generation = stream._generation
        self._driver = stream.driver

    @property
    def goes_on(self) -> bool:
        """Whether the code is being called, or will be called once there is a device."""
        state = self._connection.state()  # "running" only if there is no trouble
        return state == "running" or (state == "waiting" and self.trouble() is None)

    @property
    def engine(self) -> _core.Engine:
        """The stream's engine."""
        return self._connection.engine

    @property
    def frames_may_come(self) -> bool:
        """Whether `goes_on`, or the stream is draining: more frames may be recorded or played."""
        return self.goes_on or self._connection.state() == "draining"

    async def last_frame(self) -> None:
        """Waits in a task until no more frames may come. If the task is cancelled, they still do.

        Raises
        ------
        ForkedError
            The stream belongs to the parent of this process.
        """
        from voicecoil.lifetime.waking import reached

        self.refuse_in_fork()
        finished = self.engine.finished_count()
        await reached(finished, period_s=self.cycle_s, over=lambda: not self.frames_may_come)

    @property
    def max_period_frames(self) -> int:
        """Frames of the longest IO cycle of the device that the stream is on."""
        return self._connection.device.current.opened_format.max_period_frames

    @property
    def closed(self) -> bool:
        """Whether the stream was closed."""
        return self._connection.closed

    @property
    def away(self) -> bool:
        """Whether the stream waits for a device, or its device advances only by a test's steps."""
        return self._connection.away or self._connection.device.stands_still

    def now_ns(self) -> int | None:
        """The current host time on the clock of the stream, ns. None if the stream is closed."""
        if self._connection.closed:
            return None
        clock = self._connection.device.clock
        return clock.clock_ns() if clock is not None else self._driver.now_ns()

    @property
    def cycle_s(self) -> float:
        """Duration of an IO cycle, s. 0: not known, or the device's time is not the machine's."""
        return self._connection.device.cycle_s

    @property
    def has_virtual_clock(self) -> bool:
        """Whether the device is virtual and its time is not the machine's."""
        return isinstance(self._connection.device.clock, _core.VirtualDevice)

    @property
    def waits_for_code(self) -> bool:
        """Whether the device is virtual with a free clock, so that its cycles wait for the code."""
        clock = self._connection.device.clock
        return isinstance(clock, _core.VirtualDevice) and not clock.stepped

    def trouble(self) -> Exception | None:
        """Returns why no IO cycle will come any more; None if cycles come, or may come later."""
        return self._connection.trouble()

    def look(self) -> None:
        """Asks the audio system whether the device still works. This may take long."""
        self._connection.look()

    def abort(self, stream: StreamBase) -> None:
        """Aborts `stream`, which is the stream of this monitor, if it can still be aborted.

        If the stream is closed or its device is lost, this does nothing, and `trouble` tells why.
        The audio system is asked first, because the loss of a device may not be known yet.

        Raises
        ------
        ForkedError
            The process is a child of the one that opened the stream.
        """
        self.refuse_in_fork()
        uninterrupted("look", self.look)
        if stream.state != "closed" and self.trouble() is None:
            stream.abort()

    def newest_output(self) -> tuple[int, int | None]:
        """Returns the frames that the code has made, and the host time of the newest IO cycle, ns.

        At that time the first frame of the cycle is at the connector. None before the first cycle.
        """
        counted = self._connection.engine.statistics()
        return counted["frames"], counted["output_time"][0]

    def refuse_in_fork(self) -> None:
        """Raises `ForkedError` in a child of the process that opened the stream."""
        refuse_in_fork(self._generation)
