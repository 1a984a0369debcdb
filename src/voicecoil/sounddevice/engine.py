"""The stream of voicecoil that a stream of this package runs on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from voicecoil import _core
from voicecoil.drivers.protocol import Direction
from voicecoil.errors import ArgumentError
from voicecoil.lifetime.exit_and_fork import forked, on_listener_thread
from voicecoil.limits import MAX_LEAD_S
from voicecoil.streams.base import StreamBase
from voicecoil.streams.channel_map import ChannelRequest
from voicecoil.streams.lead import DEFAULT_MAX_LEAD_S, LatencyMode
from voicecoil.streams.on_end import OnEnd

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Engine", "home_of"]

SHORT_LEAD_S = 0.01  # the least lead, for a stream that cannot run on the IO thread


def home_of(latencies: list[Any]) -> LatencyMode:
    """Return where a callback runs for PortAudio's latencies, one for each direction.

    "low" is the device's own thread. Any other value is ahead of the device, because the lead makes
    the callback independent of the rest of the program for that time.
    """
    if all(latency == "low" for latency in latencies):
        return "low"
    if "high" in latencies:
        return "safe"
    seconds = max(float(latency) for latency in latencies if latency != "low")
    return min(max(seconds, SHORT_LEAD_S), MAX_LEAD_S)


class Engine(StreamBase):
    """A stream in one direction or in both, with input that the callback may change.

    Parameters
    ----------
    directions : tuple of {"input", "output"}
    callback : callable
        As for `voicecoil.Stream`.
    channels : dict
        For each direction: a number of channels, or a list of the device's channels, 0-based.
    latency : "safe", "low" or float
        If the stream has to convert the sample rate, "low" becomes the shortest lead.
    on_end : callable
    at_once : callable
        Called before `on_end`, on the thread that has noticed the end; see `EndListener`.
    arguments : dict
        Other arguments of `voicecoil.Stream`.
    """

    _writable_input = True

    def __init__(
        self,
        directions: tuple[Direction, ...],
        callback: Any,
        channels: dict[str, Any],
        latency: LatencyMode,
        on_end: OnEnd,
        at_once: Callable[[], object],
        **arguments: Any,
    ) -> None:
        self._directions = directions  # type: ignore[misc]
        given = {
            "zero_copy": False,
            "meter": False,
            "isolated": False,
            "parameters": None,
            "results": None,
            "device_rate": "keep",
            "conversion_quality": "HQ",
            "name": None,
            "connect": True,
            **arguments,
            "channels": ChannelRequest(**channels),
        }
        for mode in (latency, SHORT_LEAD_S):
            try:
                self._open(callback, on_end, latency=mode, max_lead_s=DEFAULT_MAX_LEAD_S, **given)
                self._alive().listener.at_once = at_once
                return
            except ArgumentError:
                # The IO thread cannot convert the rate; a lead can.
                if mode != "low" or given["samplerate"] is None:
                    raise

    @property
    def finished(self) -> bool:
        """Whether the run has ended, and its last frame was played."""
        return self.state not in ("running", "draining", "waiting")

    @property
    def was_forked(self) -> bool:
        """Whether the stream is another process's, from which this one was forked."""
        return forked(self._generation)

    @property
    def may_wait(self) -> bool:
        """Whether the calling thread may wait for the end of a run and for its listener."""
        return not (_core.in_callback() or on_listener_thread())

    @property
    def latencies_s(self) -> dict[str, float]:
        """The latency of each direction, s."""
        return {way: self._latency(way).seconds for way in self._directions}

    @property
    def block_frames(self) -> int:
        """The largest number of frames that a block can have."""
        return self._plan.max_block_frames

    @property
    def lead_s(self) -> float:
        """How far ahead of the device the callback runs, s."""
        return self.lead_frames / self.samplerate
