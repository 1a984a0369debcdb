"""The readable properties of a player, and its gain, pan, prebuffer and pauses."""

from __future__ import annotations

import math
from typing import Any

from voicecoil import _core
from voicecoil.arguments import check_fade, check_seconds
from voicecoil.drivers.protocol import Device, Latency
from voicecoil.errors import ArgumentError
from voicecoil.live.feed import Feed
from voicecoil.live.marks import Mark, MarkBook
from voicecoil.live.writing import Writer
from voicecoil.sounds.gain import RAMP_S, WithPan, sides
from voicecoil.streams.event_list import Events
from voicecoil.streams.lifecycle import State
from voicecoil.streams.monitor import StreamMonitor
from voicecoil.streams.stream import OutputStream

__all__ = ["PlayerFacts", "check_buffer"]

BUFFER_RANGE_S = (0.01, 600.0)


class PlayerFacts(WithPan):
    """The properties of a player. `Player` opens it, writes to it and ends it."""

    _code: _core.PlayerCode
    _stream: OutputStream
    _monitor: StreamMonitor
    _feed: Feed
    _writer: Writer
    _book: MarkBook
    _samplerate: float
    _device_hz: float
    _channels: int
    _buffer_s: float
    _prebuffer_s: float
    _paused = False
    _most = 0  # heard frames do not go back if the device's times do

    @property
    def samplerate(self) -> float:
        """Sample rate of the chunks, Hz. All frame counts of this object use this rate."""
        return self._samplerate

    @property
    def channels(self) -> int:
        """Channels of the chunks."""
        return self._channels

    @property
    def device(self) -> Device:
        """The device that plays."""
        return self._stream.device

    @property
    def latency(self) -> Latency:
        """Frames of the device's rate from the queue to the connector."""
        return self._stream.latency

    @property
    def stream(self) -> OutputStream:
        """The stream of the player, for its settings, statistics and events."""
        return self._stream

    @property
    def state(self) -> State:
        """The state of the stream; see :attr:`OutputStream.state`."""
        return self._stream.state

    @property
    def written_frames(self) -> int:
        """Frames that were written so far. Each is heard, cleared or queued."""
        return self._feed.timeline.written

    @property
    def heard_frames(self) -> int:
        """Frames that have left the loudspeaker by now, by the clock of the device.

        Frames of a fade count. Cleared frames and silence do not count.
        """
        heard = self._feed.timeline.heard(self._passed())
        self._most = max(self._most, heard)
        return self._most

    @property
    def heard_s(self) -> float:
        """`heard_frames` in seconds."""
        return self.heard_frames / self._samplerate

    @property
    def cleared_frames(self) -> int:
        """Frames that were cleared, or that were still queued when the player was closed."""
        self._book.collect()
        if self._monitor.closed:
            return self.written_frames - self.heard_frames
        return self._feed.timeline.cleared()

    @property
    def queued_s(self) -> float:
        """Duration of what waits in the queue, s. The device's latency is not part of it."""
        return self._code.queued / self._device_hz

    @property
    def underruns(self) -> int:
        """How often the queue was empty inside an utterance that went on later."""
        return self._code.underruns[0]

    @property
    def underrun_s(self) -> float:
        """Duration of the silence of all underruns, s."""
        return self._code.underruns[1] / self._device_hz

    @property
    def marks_heard(self) -> list[Mark]:
        """The marks that were heard so far, oldest first; at most the newest 10,000."""
        self._book.collect()
        return [mark for mark in list(self._book.reported) if mark.heard]

    @property
    def marks_cleared(self) -> list[Mark]:
        """The marks that were cleared so far, oldest first."""
        self._book.collect()
        return [mark for mark in list(self._book.reported) if not mark.heard]

    def now_ns(self) -> int:
        """The current host time on the clock of the marks, ns.

        Returns
        -------
        int
            Nanoseconds.
        """
        return self._stream.now_ns()

    def events(self) -> Events:
        """Return and remove the events of the device since the last call, oldest first.

        Returns
        -------
        list of Event
            Empty if nothing happened.
        """
        return self._stream.events()

    def _passed(self) -> int:
        """The position before which all frames were heard or cleared by now."""
        self._book.collect()
        now_ns = self._monitor.now_ns()
        return self._code.hear(2**63 - 1 if now_ns is None else now_ns)[0]

    def _ramp_gain(self, gain: float, ramp_s: Any) -> None:
        self._set_levels(gain, self._pan, ramp_s)

    def _ramp_pan(self, pan: float, ramp_s: Any) -> None:
        self._set_levels(self._gain, pan, ramp_s)

    def _set_levels(self, gain: float, pan: float, ramp_s: Any) -> None:
        frames = self._frames_of(check_seconds(ramp_s, "ramp_s"))
        self._writer.refuse_closed()
        self._code.level(gain, *sides(pan), frames)

    @property
    def prebuffer_s(self) -> float:
        """What must be queued before an utterance begins, s; see the parameter."""
        return self._prebuffer_s

    @prebuffer_s.setter
    def prebuffer_s(self, prebuffer_s: float) -> None:
        seconds = check_buffer(self._buffer_s, prebuffer_s)[1]
        self._writer.refuse_closed()
        self._prebuffer_s = seconds
        self._code.prebuffer(math.ceil(self._prebuffer_s * self._device_hz))

    @property
    def paused(self) -> bool:
        """Whether the player was paused."""
        return self._paused

    def pause(self, fade_s: float = RAMP_S) -> None:
        """Fade out and pause. Nothing is lost. Returns at once.

        Parameters
        ----------
        fade_s : float
            Duration of the fade, s.

        Raises
        ------
        StreamClosedError
            The player is closed.
        """
        frames = self._frames_of(check_fade(fade_s))
        self._writer.refuse_closed()
        self._paused = True
        self._code.pause(True, frames)

    def resume(self, fade_s: float = RAMP_S) -> None:
        """Continue after a pause, and fade in. Returns at once.

        Parameters
        ----------
        fade_s : float
            Duration of the fade, s.

        Raises
        ------
        StreamClosedError
            The player is closed.
        """
        frames = self._frames_of(check_fade(fade_s))
        self._writer.refuse_closed()
        self._paused = False
        self._code.pause(False, frames)

    def _frames_of(self, seconds: float) -> int:
        return min(int(seconds * self._device_hz), 2**32 - 1)

    def __repr__(self) -> str:
        return (
            f"<Player on {self.device.name!r}, {self._samplerate:g} Hz, {self.state}, "
            f"{self.queued_s:.3f} s queued>"
        )


def check_buffer(buffer_s: Any, prebuffer_s: Any) -> tuple[float, float]:
    """Returns the duration of the queue and of what must be queued first, s."""
    low, high = BUFFER_RANGE_S
    buffer = check_seconds(buffer_s, "buffer_s")
    prebuffer = check_seconds(prebuffer_s, "prebuffer_s")
    if not low <= buffer <= high:
        raise ArgumentError(f"buffer_s={buffer_s!r} s; give {low:g} to {high:g}")
    if prebuffer > buffer:
        raise ArgumentError(
            f"prebuffer_s={prebuffer_s!r} s does not fit into buffer_s={buffer:g} s; give less"
        )
    return buffer, prebuffer
