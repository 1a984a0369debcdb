"""``MixerVoice``: a sound that a mixer plays, or will play."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Literal

from voicecoil import _core
from voicecoil.arguments import check_timeout
from voicecoil.errors import StreamStateError
from voicecoil.files.protocol import check_seek
from voicecoil.lifetime.polling import poll_until
from voicecoil.live.mixer_home import MixerHome
from voicecoil.live.mixer_request import check_rate
from voicecoil.live.sound import Sound
from voicecoil.sounds.gain import RAMP_S, WithPan

__all__ = ["MixerVoice", "VoiceState"]

VoiceState = Literal["scheduled", "playing", "paused", "ended", "skipped"]


class MixerVoice(WithPan):
    """A sound that a mixer plays, or will play; returned by :meth:`Mixer.play`.

    The voice continues if the program drops this object. All changes take effect with the next
    block, and any thread may make them. None waits for the device except :meth:`wait`.
    """

    def __init__(
        self, home: MixerHome, code: _core.VoiceCode, sound: Sound, levels: tuple[float, ...]
    ) -> None:
        self._home = home
        self._code = code
        self._sound = sound
        self._gain, self._pan, self._rate = levels
        self._paused = False
        self._stopped = False

    @property
    def sound(self) -> Sound:
        """The sound."""
        return self._sound

    @property
    def state(self) -> VoiceState:
        """What the voice does.

        "scheduled" before its first frame is mixed, then "playing" or "paused", and at last
        "ended". "skipped": it was late, and `on_late` was "skip". "paused" is also the state of a
        voice whose group or mixer is paused.
        """
        state = self._code.look()[0]
        if state == _core.VOICE_LATE:
            return "skipped"
        if state == _core.VOICE_DONE or self._is_dead():
            return "ended"
        if state == _core.VOICE_WAITS:
            return "scheduled"
        held = not self._home.paused.isdisjoint((0, self._code.group))
        return "paused" if self._paused or held else "playing"

    @property
    def playing(self) -> bool:
        """True until the last frame has been heard, also while it is scheduled or paused."""
        state, _, _, _, ended_ns, _ = self._code.look()
        if state == _core.VOICE_LATE:
            return False
        now_ns = self._home.monitor.now_ns()
        if now_ns is None or self._is_dead():
            return False
        return state != _core.VOICE_DONE or now_ns < ended_ns

    @property
    def position(self) -> int:
        """The next frame of the sound that will be mixed, at the rate of the sound.

        At the end, this is the number of its frames.
        """
        # The last step of a rate other than 1 goes beyond the end.
        return min(round(self._code.look()[1] / self._scale), self._sound.frames)

    @property
    def started_frame(self) -> int | None:
        """The frame of the mixer at which the voice began. None: it has not begun."""
        _, _, frame, host_ns, _, _ = self._code.look()
        return None if host_ns is None else frame

    @property
    def started_ns(self) -> int | None:
        """Host time at which the first frame is at the connector, ns. None: it has not begun."""
        return self._code.look()[3]

    @property
    def late_s(self) -> float:
        """How late the voice was, s; 0 if it was not late."""
        return self._code.look()[5] / 1e9

    def _ramp_gain(self, gain: float, ramp_s: Any) -> None:
        self._code.set_gain(gain, self._home.frames_of(ramp_s, "ramp_s"))

    def _ramp_pan(self, pan: float, ramp_s: Any) -> None:
        self._code.set_pan(pan, self._home.frames_of(ramp_s, "ramp_s"))

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
        value, frames = check_rate(rate), self._home.frames_of(ramp_s, "ramp_s")
        self._code.set_rate(value, frames)
        self._rate = value

    @property
    def paused(self) -> bool:
        """Whether the voice itself was paused. `state` tells whether its group or mixer is."""
        return self._paused

    def pause(self, fade_s: float = RAMP_S) -> None:
        """Fade out and pause. A voice that is scheduled stays silent when its time comes.

        Parameters
        ----------
        fade_s : float
            Duration of the fade, s.
        """
        self._code.pause(True, self._home.frames_of(fade_s, "fade_s"))
        self._paused = True

    def resume(self, fade_s: float = RAMP_S) -> None:
        """Continue after a pause, and fade in.

        Parameters
        ----------
        fade_s : float
            Duration of the fade, s.
        """
        self._code.pause(False, self._home.frames_of(fade_s, "fade_s"))
        self._paused = False

    def seek(self, frame: float) -> None:
        """Go to a frame of the sound.

        The voice fades out within 10 ms, and fades in at the frame within 10 ms. Passes through the
        loop are not counted again.

        Parameters
        ----------
        frame : int or float
            0 to the sound's `frames`, at the rate of the sound.

        Raises
        ------
        ArgumentError, ArgumentTypeError
            This is no frame of the sound.
        StreamStateError
            The voice has ended.
        """
        number = check_seek(frame, self._sound.frames)
        if self.state in ("ended", "skipped"):
            raise StreamStateError("the voice has ended; play the sound again")
        self._code.seek(round(number * self._scale))

    def stop(self, fade_s: float = RAMP_S) -> None:
        """Fade the voice out and end it. One that is scheduled ends at once.

        A second call can make the fade shorter, but not longer.

        Parameters
        ----------
        fade_s : float
            Duration of the fade, s. 0 ends the voice without a fade.
        """
        frames = self._home.frames_of(fade_s, "fade_s")
        self._stopped = True
        self._home.code.stop(self._code, frames)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the last frame of the voice has been heard.

        Parameters
        ----------
        timeout : float or None
            Longest wait, s. None waits without a limit.

        Returns
        -------
        bool
            True if the voice has ended, False if `timeout` has passed.

        Raises
        ------
        DeviceLostError
            The device was lost before the voice ended.
        StreamStateError
            The mixer was closed, or its stream was stopped, before the voice ended.
        """
        seconds = check_timeout(timeout)
        self._home.monitor.refuse_in_fork()
        if not poll_until(lambda: not self.playing, seconds):
            return False
        self._finish()
        return True

    def __await__(self) -> Generator[Any, None, None]:
        """Wait in an asyncio task until the voice has ended, without blocking the event loop.

        The errors are those of :meth:`wait`. If the task is cancelled, the voice continues.
        """
        return self._ended().__await__()

    async def _ended(self) -> None:
        from voicecoil.lifetime.waking import reached

        self._home.monitor.refuse_in_fork()
        await reached(
            self._code.done_count(),
            period_s=self._home.monitor.cycle_s,
            over=lambda: not self.playing,
        )
        self._finish()

    def _finish(self) -> None:
        """Raises why the voice ended too early, if it did."""
        if self._stopped or self._code.look()[0] in (_core.VOICE_DONE, _core.VOICE_LATE):
            return
        if (trouble := self._home.monitor.trouble()) is not None:
            raise trouble
        ended = "closed" if self._home.monitor.closed else "ended by its stream's stop() or abort()"
        raise StreamStateError(f"the mixer was {ended} before the voice ended; wait() before that")

    def _is_dead(self) -> bool:
        """Whether no block comes any more that could end the voice."""
        monitor = self._home.monitor
        return monitor.closed or monitor.trouble() is not None or self._home.ended

    @property
    def _scale(self) -> float:
        return self._home.samplerate / self._sound.samplerate

    def __repr__(self) -> str:
        return f"<MixerVoice, {self.state}, frame {self.position} of {self._sound.frames}>"
