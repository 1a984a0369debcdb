"""The readable properties of a mixer, and its gain."""

from __future__ import annotations

from typing import Any

from voicecoil import _core
from voicecoil.drivers.protocol import Device, Latency
from voicecoil.live.mixer_pause import WithPause
from voicecoil.streams.event_list import Events
from voicecoil.streams.lifecycle import State
from voicecoil.streams.stream import OutputStream

__all__ = ["MixerFacts"]


class MixerFacts(WithPause):
    """The properties of a mixer. `Mixer` plays."""

    _number = 0
    _code: _core.VoicesCode
    _outputs: int
    _max_voices: int

    @property
    def samplerate(self) -> float:
        """Sample rate, Hz."""
        return self._home.samplerate

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self._home.channels

    @property
    def device(self) -> Device:
        """The device that plays."""
        return self._home.stream.device

    @property
    def latency(self) -> Latency:
        """Frames from the mixer to the connector."""
        return self._home.stream.latency

    @property
    def stream(self) -> OutputStream:
        """The stream of the mixer, for its settings, statistics and events."""
        return self._home.stream

    @property
    def state(self) -> State:
        """The state of the stream; see :attr:`OutputStream.state`."""
        return self._home.stream.state

    @property
    def frame(self) -> int:
        """The next frame that will be mixed, counted from the start. `at_frame` counts the same.

        It stands still while the mixer is paused, and while there is no device.
        """
        return self._code.frames

    @property
    def scheduled(self) -> int:
        """Number of voices that wait for their time or for the next block.

        A voice counts as soon as `play` has returned. One that began or ended counts until the end
        of the block in which it did. It is 0 if no block comes any more, as after `close`.
        """
        return self._counts()[0]

    @property
    def sounding(self) -> int:
        """Number of voices that sound or are paused, as of the newest block.

        It is 0 directly after `play`, and if no block comes any more, as after `close`. Whether
        anything is still to be heard: ``mixer.wait(0)``.
        """
        return self._counts()[1]

    @property
    def max_voices(self) -> int:
        """The most voices that can be scheduled and sound at the same time."""
        return self._max_voices

    def _ramp_gain(self, gain: float, ramp_s: Any) -> None:
        frames = self._home.frames_of(ramp_s, "ramp_s")
        self._home.refuse_closed()
        self._code.group_gain(0, gain, frames)

    def now_ns(self) -> int:
        """The current host time on the clock of `at_ns`, ns.

        Returns
        -------
        int
            Nanoseconds.
        """
        return self._home.stream.now_ns()

    def events(self) -> Events:
        """Return and remove the events of the device since the last call, oldest first.

        Returns
        -------
        list of Event
            Empty if nothing happened.
        """
        return self._home.stream.events()

    def _counts(self) -> tuple[int, int]:
        # The code counts once in each block. If no block comes any more, its counts are old.
        return (0, 0) if self._home.is_dead else self._code.counts()

    def __repr__(self) -> str:
        scheduled, sounding = self._counts()
        return (
            f"<Mixer on {self.device.name!r}, {self.samplerate:g} Hz, {self.state}, "
            f"{scheduled} scheduled, {sounding} sounding>"
        )
