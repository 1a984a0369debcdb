"""The latency of a device: frames between its callback and its connectors."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from voicecoil.drivers.call_thread import NotBegunError
from voicecoil.drivers.miniaudio import _io, jack
from voicecoil.drivers.miniaudio.library import Side
from voicecoil.drivers.protocol import Direction, Latency
from voicecoil.errors import DriverError, ForkedError, StreamTimeoutError

if TYPE_CHECKING:
    from voicecoil.drivers.miniaudio.backends import Backend

__all__ = ["Latencies", "buffered_frames"]

ASK_AGAIN_S = 5.0  # pause after a query that the thread that calls JACK was too busy to begin
PERIODS = 4  # additional time limit of a query, in periods; libjack sleeps for 1.1 periods


def buffered_frames(side: Side, direction: Direction) -> int:
    """Return the number of frames that the sound system's buffer holds."""
    return side.period_frames * (side.periods if direction == "output" else 1)


class Latencies:
    """The latencies of one open device.

    JACK reports the latency beyond its buffers, but the call may wait for a period; see
    `jack.port_latency_frames`. The call does not wait on the IO thread, so the IO thread makes it
    in its first cycle. If the latency is read earlier, the thread that calls JACK makes the call.

    Parameters
    ----------
    backend : Backend
    io : IO
        The device's user data.
    sides : (Side, Side)
        Capture and playback. A side with 0 channels does not exist.
    samplerate : float
        Hz.
    added_frames : int
        Frames that miniaudio buffers between input and output.
    client : int
        The JACK client; 0: the sound system does not report the latency beyond its buffers.

    Attributes
    ----------
    ended : bool
        The client may be closed by now.
    hung : bool
        A call that did not return may still use the client.
    """

    def __init__(
        self,
        backend: Backend,
        io: _io.IO,
        sides: tuple[Side, Side],
        samplerate: float,
        added_frames: int,
        client: int,
    ) -> None:
        self.ended = False
        self.hung = False
        self._backend = backend
        self._io = io
        self._sides: dict[Direction, Side] = {"input": sides[0], "output": sides[1]}
        self._samplerate = samplerate
        self._added_frames = added_frames
        self._client = client
        self._asked: dict[Direction, int | None] = {}
        self._ask_again = 0.0  # the next request is not made before this time

    def prepare(self) -> None:
        """Looks up the ports whose latency the IO thread will ask for.

        Call it before each start, on the thread that calls JACK.
        """
        if self._client:
            ports = [
                jack.sound_card_port(self._client, direction) if side.channels else 0
                for direction, side in self._sides.items()
            ]
            self._io.prepare(*ports)

    def of(self, direction: Direction) -> Latency:
        """Returns the latency of a direction, or an estimate if the system does not report it."""
        beyond = self._beyond(direction)
        if beyond is None and direction not in self._asked:
            self._ask(direction)
            beyond = self._beyond(direction)
        buffer_frames = buffered_frames(self._sides[direction], direction)
        is_estimate = beyond is None
        if beyond is None:
            beyond = buffer_frames
        # The latency that JACK reports counts from the beginning of a cycle, so that it includes
        # the buffer.
        buffer_frames = min(beyond, buffer_frames)
        return Latency(
            device_frames=beyond - buffer_frames,
            buffer_frames=buffer_frames + (self._added_frames if direction == "input" else 0),
            samplerate=self._samplerate,
            is_estimate=is_estimate,
            known_range=self._range(direction) if is_estimate else None,
        )

    def _range(self, direction: Direction) -> tuple[int, int | None]:
        """Returns the range of latencies that PulseAudio reported in this run, frames.

        Returns (0, None) if it is not known.
        """
        is_duplex = all(side.channels for side in self._sides.values())
        measured = None if is_duplex and direction == "input" else self._io.measured()
        return measured or (0, None)

    def _beyond(self, direction: Direction) -> int | None:
        """Returns the latency that JACK reported to the IO thread, or else to `_ask`, or None."""
        frames = self._io.port_frames(direction == "output")
        return self._asked.get(direction) if frames is None else frames

    def _can_be_asked(self) -> bool:
        return bool(self._client) and not (self.ended or self.hung or self._io.counts()["gone"])

    def _ask(self, direction: Direction) -> None:
        if not self._can_be_asked() or time.monotonic() < self._ask_again:
            return

        def ask() -> None:
            if self._can_be_asked():
                port = jack.sound_card_port(self._client, direction)
                self._asked[direction] = jack.port_latency_frames(port, direction)

        limit_s = self._backend.timeouts.look_s
        period_s = self._sides[direction].period_frames / self._samplerate
        try:
            with contextlib.suppress(DriverError, ForkedError):
                self._backend.call(
                    f"asking for the latency of the {direction}",
                    ask,
                    limit_s + PERIODS * period_s,
                    queue_s=limit_s,
                )
        except NotBegunError:
            self._ask_again = time.monotonic() + ASK_AGAIN_S
        except StreamTimeoutError:
            self.hung = True
