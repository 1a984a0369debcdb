"""`on_end` of streams: called once for each run, on an ordinary thread."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from voicecoil import _core
from voicecoil.callbacks.listener import check_listener
from voicecoil.errors import StreamStateError
from voicecoil.lifetime import exit_and_fork
from voicecoil.lifetime.waking import watch

if TYPE_CHECKING:
    from voicecoil.streams.lifecycle import StreamConnection

__all__ = ["EndListener", "OnEnd", "check_on_end", "refuse_never_started"]

OnEnd = Callable[[Any, BaseException | None], object]


def check_on_end(on_end: Any) -> OnEnd | None:
    """Returns `on_end`, or raises ArgumentTypeError if it cannot be a listener."""
    takes = "two arguments, the stream and the exception or None"
    checked: OnEnd | None = check_listener(on_end, "on_end", takes)
    return checked


class EndListener:
    """Calls `on_end` of a stream once for each run.

    Several threads may notice the end of a run: the thread that ends it, and the one that watches
    the engine. The first one makes the call.

    Parameters
    ----------
    on_end : callable or None
        None: nothing is called.
    stream : StreamBase or None
        Referred to weakly, so that a stream that the program drops is closed.

    Attributes
    ----------
    at_once : callable or None
        Called without arguments before `on_end`, on the thread that has noticed the end. So it does
        not wait for other listeners. It must not block, and is not for code of the program.
    """

    def __init__(self, on_end: OnEnd | None = None, stream: Any = None) -> None:
        self.on_end = on_end
        self.at_once: Callable[[], object] | None = None
        self._stream = weakref.ref(stream) if stream is not None else lambda: None
        # The runs that have begun and whose end was not told. The thread that removes a run makes
        # the call; a removal is one operation of the dict, and needs no lock.
        self._untold: dict[int, bool] = {}

    def begin(self, connection: StreamConnection) -> None:
        """Watches the run that has begun. Call with the connection's lock held."""
        if self.on_end is None:
            return
        run = connection.run
        self._untold[run] = True
        alive = weakref.ref(connection)
        try:
            watch(
                connection.engine.finished_count(),
                1,
                partial(_is_over, alive, run),
                partial(_note, alive, run),
                connection.device.cycle_s,
            )
        except BaseException:
            self._untold.pop(run, None)
            raise

    def is_over(self, connection: StreamConnection, run: int) -> bool:
        """Whether the run is over, and the exception that has ended it is known."""
        if not connection.is_over(run) and connection.trouble() is None:
            return False
        # The exception is found later if another thread is stopping the stream.
        failed = run == connection.run and connection.engine.reason == _core.REASON_ERROR
        return not failed or connection.closed or connection.find_exception() is not None

    def note(self, connection: StreamConnection, run: int, stream: Any = None) -> None:
        """Notes that the run is over. Returns at once. A run that never began has no end.

        Parameters
        ----------
        connection : StreamConnection
        run : int
        stream : StreamBase or None
            The stream, if it is being dropped.
        """
        if self.on_end is None:
            return
        stream = self._stream() if stream is None else stream
        if stream is None or not self._untold.pop(run, False):
            return
        if self.at_once is not None:
            self.at_once()
        error = None
        if run == connection.run:
            connection.trouble()  # notices that the device is lost
            error = connection.failure.exception or connection.loss
            connection.failure.tell()
        exit_and_fork.tell(partial(_call, self.on_end, stream, error))


# The watch exists as long as the run. It must not keep the connection alive, because `on_end` or
# the callback may be a method of the object that owns the stream. The stream would then play for
# ever when both are dropped.


def _is_over(alive: weakref.ref[StreamConnection], run: int) -> bool:
    connection = alive()
    return connection is None or connection.listener.is_over(connection, run)


def _note(alive: weakref.ref[StreamConnection], run: int) -> None:
    connection = alive()
    if connection is not None:
        connection.listener.note(connection, run)


def _call(on_end: OnEnd, stream: Any, error: BaseException | None) -> None:
    on_end(stream, error)


def refuse_never_started(connection: StreamConnection) -> None:
    """Raises StreamStateError if the stream was never started, because it cannot end then."""
    if connection.run == 0:
        raise StreamStateError("the stream was never started, so it cannot end; start() it first")
