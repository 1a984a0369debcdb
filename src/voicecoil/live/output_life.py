"""The beginning and the end of an object that plays on a stream of its own."""

from __future__ import annotations

from voicecoil.errors import StreamStateError
from voicecoil.lifetime.awaiting import off_the_loop
from voicecoil.live.life import Life
from voicecoil.live.steps import Steps
from voicecoil.sounds.gain import RAMP_S
from voicecoil.streams.stream import OutputStream

__all__ = ["FirstStart", "OutputLife"]


class FirstStart:
    """Starts a stream once, however many threads and tasks ask for it.

    Parameters
    ----------
    stream : OutputStream
    what : str
        "player" or "mixer", for the error of a signal handler that interrupts the start.
    """

    def __init__(self, stream: OutputStream, what: str) -> None:
        self._stream = stream
        self._what = what
        self._steps = Steps(self._refuse_handler)  # these wait for the device
        self.done = False

    def __call__(self) -> None:
        """Starts the stream, if it was not started yet. Waits for the device."""
        if not self.done:
            self._steps.run(self._start)

    async def later(self) -> None:
        """The same in an asyncio task, without blocking the loop."""
        if not self.done:
            await off_the_loop(self)

    def _refuse_handler(self) -> StreamStateError:
        return StreamStateError(
            f"a signal handler interrupted the start of this {self._what}, which can go on only "
            f"when the handler returns. Call start() of the {self._what} earlier, or use it on "
            "another thread"
        )

    def _start(self) -> None:
        if not self.done:
            self._stream.start()
            self.done = True


class OutputLife(Life):
    """Starts the stream of a player or mixer, and ends it."""

    _first_start: FirstStart

    def _refuse_start(self) -> None:
        """Raises why nothing can be played any more."""
        raise NotImplementedError

    def close(self, fade_s: float = RAMP_S) -> None:
        raise NotImplementedError

    def start(self) -> None:
        """Start the device. A second call does nothing.

        Raises
        ------
        DeviceLostError, DriverError
            The device cannot be started.
        StreamClosedError
            It is closed, or the `stream` of a mixer was stopped.
        """
        self._refuse_start()
        self._first_start()

    async def aclose(self, fade_s: float = RAMP_S) -> None:
        """Close like :meth:`close`, in a task of asyncio or trio, without blocking the loop.

        Parameters
        ----------
        fade_s : float
            Duration of the fade, s.
        """
        await off_the_loop(lambda: self.close(fade_s))
