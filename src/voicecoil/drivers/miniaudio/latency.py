"""How far a device's callback is from its connectors."""

from __future__ import annotations

from voicecoil.drivers.driver import Direction, Latency
from voicecoil.drivers.miniaudio import _io, jack
from voicecoil.drivers.miniaudio.library import Side

__all__ = ["Latencies", "buffered_frames"]


def buffered_frames(side: Side, direction: Direction) -> int:
    """What the sound system's buffer holds."""
    return side.period_frames * (side.periods if direction == "output" else 1)


class Latencies:
    """Of one open device.

    JACK tells what is beyond its buffers, but not at once: see `jack.port_latency_frames`. So the
    IO thread asks, which need not wait, when the stream runs; and the thread that calls JACK, for
    who wants to know before.

    Parameters
    ----------
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
    """

    def __init__(
        self,
        io: _io.IO,
        sides: tuple[Side, Side],
        samplerate: float,
        added_frames: int,
        client: int,
    ) -> None:
        self._io = io
        self._sides: dict[Direction, Side] = {"input": sides[0], "output": sides[1]}
        self._samplerate = samplerate
        self._added_frames = added_frames
        self._client = client
        self._asked: dict[Direction, int | None] = {}

    def _port(self, direction: Direction) -> int:
        there = bool(self._sides[direction].channels)
        return jack.sound_card_port(self._client, direction) if there else 0

    def prepare(self) -> None:
        """Before a start, on the thread that calls JACK."""
        self._io.set_ports(self._port("input"), self._port("output"))

    def ask(self) -> None:
        """On the thread that calls JACK, as long as the device is there."""
        for direction in self._sides:
            port = self._port(direction)
            self._asked[direction] = jack.port_latency_frames(port, direction) if port else None

    def known(self, direction: Direction) -> bool:
        """Whether nothing more is to be learned."""
        told = self._io.port_frames(direction == "output") is not None
        return told or not self._client or direction in self._asked

    def of(self, direction: Direction) -> Latency:
        """Of a direction, as far as it is known."""
        buffer_frames = buffered_frames(self._sides[direction], direction)
        beyond = self._io.port_frames(direction == "output")
        if beyond is None:
            beyond = self._asked.get(direction)
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
        )
