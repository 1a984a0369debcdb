"""How far a device's callback is from its connectors."""

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

ASK_AGAIN_S = 5.0  # a thread that is busy is not waited for by each who wants to know
PERIODS = 4  # libjack sleeps for 1.1 of them


def buffered_frames(side: Side, direction: Direction) -> int:
    """What the sound system's buffer holds."""
    return side.period_frames * (side.periods if direction == "output" else 1)


class Latencies:
    """Of one open device.

    JACK tells what is beyond its buffers, but not at once: see `jack.port_latency_frames`. So the
    IO thread asks, which need not wait, in its first cycle; and the thread that calls JACK, for who
    wants to know before.

    Parameters
    ----------
    backend : Backend
    io : IO
        The device's user data.
    sides : (Side, Side)
        Capture and playback; a side without channels is not there.
    samplerate : float
        Hz.
    added_frames : int
        What miniaudio keeps between input and output.
    client : int
        JACK's; 0: the sound system does not tell what is beyond its buffers.

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
        self._ask_again = 0.0  # not before this time

    def prepare(self) -> None:
        """Before a start, on the thread that calls JACK: what the IO thread will ask about."""
        if self._client:
            ports = [
                jack.sound_card_port(self._client, direction) if side.channels else 0
                for direction, side in self._sides.items()
            ]
            self._io.prepare(*ports)

    def of(self, direction: Direction) -> Latency:
        """Of a direction; where JACK has not told it and cannot be asked any more, an estimate."""
        beyond = self._beyond(direction)
        if beyond is None and direction not in self._asked:
            self._ask(direction)
            beyond = self._beyond(direction)
        buffer_frames = buffered_frames(self._sides[direction], direction)
        is_estimate = beyond is None
        if beyond is None:
            beyond = buffer_frames
        # The ports' latency counts from the beginning of a cycle.
        buffer_frames = min(beyond, buffer_frames)
        return Latency(
            device_frames=beyond - buffer_frames,
            buffer_frames=buffer_frames + (self._added_frames if direction == "input" else 0),
            samplerate=self._samplerate,
            is_estimate=is_estimate,
            known_range=self._range(direction) if is_estimate else None,
        )

    def _range(self, direction: Direction) -> tuple[int, int | None]:
        """What PulseAudio's server said in this run of the stream that the callback comes from."""
        is_duplex = all(side.channels for side in self._sides.values())
        measured = None if is_duplex and direction == "input" else self._io.measured()
        return measured or (0, None)

    def _beyond(self, direction: Direction) -> int | None:
        """What JACK told: the IO thread, which asks in each run, or else the other one."""
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
