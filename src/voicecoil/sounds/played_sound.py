"""The common part of a sound of `play` and a voice of a `Mixer`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator
from typing import Any, Literal, Protocol

from voicecoil.sounds.gain import RAMP_S, WithPan
from voicecoil.sounds.play_request import check_rate

__all__ = ["PlayState", "PlayedSound"]

PlayState = Literal["scheduled", "playing", "paused", "ended", "skipped"]


class _Code(Protocol):
    """The sound in C."""

    def set_gain(self, gain: float, ramp_frames: int) -> None: ...
    def set_pan(self, pan: float, ramp_frames: int) -> None: ...
    def set_rate(self, rate: float, ramp_frames: int) -> None: ...
    def pause(self, pause: bool, fade_frames: int) -> None: ...


class PlayedSound(WithPan):
    """A sound that is played, or will be: a `Playback` or a `MixerVoice`.

    All changes take effect with the next block, and any thread may make them. None waits for the
    device except :meth:`wait`.
    """

    _code: _Code
    _rate: float
    _paused: bool

    @abstractmethod
    def _frames_of(self, seconds: Any, name: str) -> int:
        """Checks a duration, s, and returns it in frames of the device."""

    @abstractmethod
    def _state(self) -> PlayState: ...

    @abstractmethod
    def _started(self) -> tuple[int | None, int | None, int]:
        """Returns the frame and the host time of the first frame, and how late it was, ns."""

    @property
    def state(self) -> PlayState:
        """What the sound does.

        "scheduled" before its first frame is mixed, then "playing" or "paused", and at last
        "ended". "skipped": it was late, and `on_late` was "skip". "paused" is also the state of a
        voice whose group or mixer is paused.
        """
        return self._state()

    @property
    @abstractmethod
    def samplerate(self) -> float:
        """Sample rate of `position`, `frames` and `seek`, Hz."""

    @property
    @abstractmethod
    def position(self) -> int:
        """The frame of the sound that is heard."""

    @property
    def position_s(self) -> float:
        """`position` in seconds of the sound at rate 1."""
        return self.position / self.samplerate

    @property
    def started_frame(self) -> int | None:
        """The frame of the mixer at which the sound began. None: it has not begun."""
        return self._started()[0]

    @property
    def started_ns(self) -> int | None:
        """Host time at which the first frame is at the connector, ns. None: it has not begun."""
        return self._started()[1]

    @property
    def late_s(self) -> float:
        """How late the sound was, s; 0 if it was not late, or had no time."""
        return self._started()[2] / 1e9

    def _ramp_gain(self, gain: float, ramp_s: Any) -> None:
        self._code.set_gain(gain, self._frames_of(ramp_s, "ramp_s"))

    def _ramp_pan(self, pan: float, ramp_s: Any) -> None:
        self._code.set_pan(pan, self._frames_of(ramp_s, "ramp_s"))

    @property
    def rate(self) -> float:
        """Playback rate. A change is a straight line over 10 ms; see also `set_rate`."""
        return self._rate

    @rate.setter
    def rate(self, rate: float) -> None:
        self.set_rate(rate)

    def set_rate(self, rate: float, ramp_s: float = RAMP_S) -> None:
        """Move the playback rate along a straight line.

        Parameters
        ----------
        rate : float
            At the end: 0.01 to 100. 2 plays twice as fast and an octave higher.
        ramp_s : float
            Duration, s.
        """
        value, frames = check_rate(rate), self._frames_of(ramp_s, "ramp_s")
        self._code.set_rate(value, frames)
        self._rate = value

    @property
    def paused(self) -> bool:
        """True from `pause` until `resume` of this sound. `state` also knows pauses of a group."""
        return self._paused

    def pause(self, fade_s: float = RAMP_S) -> None:
        """Fade out and pause. A sound that is scheduled stays silent when its time comes.

        The frames of the fade are played. `resume` continues with the frame after them, so no frame
        is lost or repeated. A paused sound has not ended: `wait` waits for it, and a sound of
        :func:`play` keeps its device open.

        Parameters
        ----------
        fade_s : float
            Duration of the fade, s. 0 pauses the sound at the beginning of the next block.
        """
        self._code.pause(True, self._frames_of(fade_s, "fade_s"))
        self._paused = True

    def resume(self, fade_s: float = RAMP_S) -> None:
        """Continue after a pause, and fade in.

        Parameters
        ----------
        fade_s : float
            Duration of the fade, s.
        """
        self._code.pause(False, self._frames_of(fade_s, "fade_s"))
        self._paused = False

    def __await__(self) -> Generator[Any, None, None]:
        """Wait in an asyncio task until the sound has ended, without blocking the event loop.

        The errors are those of :meth:`wait`. If the task is cancelled, the sound continues.
        """
        return self._ended().__await__()

    @abstractmethod
    async def _ended(self) -> None: ...
