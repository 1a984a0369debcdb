"""``MixerVoice``: a sound that a mixer plays, or will play."""

from __future__ import annotations

from typing import Any

from voicecoil import _core
from voicecoil.arguments import check_timeout
from voicecoil.errors import StreamStateError
from voicecoil.files.protocol import check_seek
from voicecoil.lifetime.polling import poll_until
from voicecoil.live.mixer_home import MixerHome
from voicecoil.sounds.gain import RAMP_S
from voicecoil.sounds.played_sound import PlayedSound, PlayState
from voicecoil.sounds.sound import Sound

__all__ = ["MixerVoice"]

CLOSED_NS = 2**62  # after the end of the clock, when everything that was mixed counts as heard


class MixerVoice(PlayedSound):
    """A sound that a mixer plays, or will play; returned by :meth:`Mixer.play`.

    The voice continues if the program drops this object. All changes take effect with the next
    block, and any thread may make them. None waits for the device except :meth:`wait`.
    """

    _code: _core.VoiceCode

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
    def samplerate(self) -> float:
        """Sample rate of the sound, Hz. All frame counts of this object use this rate."""
        return self._sound.samplerate

    @property
    def frames(self) -> int:
        """Length of the sound in frames, without its loops."""
        return self._sound.frames

    def _state(self) -> PlayState:
        state = self._code.look()[0]
        if state == _core.VOICE_LATE:
            return "skipped"
        if state == _core.VOICE_DONE or self._home.is_dead:
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
        if now_ns is None or self._home.is_dead:
            return False
        return state != _core.VOICE_DONE or now_ns < ended_ns

    @property
    def position(self) -> int:
        """The frame of the sound that is heard, at the rate of the sound.

        In a loop it goes back with each pass. At the end, this is the number of frames.
        """
        now_ns = self._home.monitor.now_ns()
        heard = self._code.heard(CLOSED_NS if now_ns is None else now_ns)
        # The last step of a rate other than 1 goes beyond the end.
        return min(round(heard / self._scale), self._sound.frames)

    def _started(self) -> tuple[int | None, int | None, int]:
        _, _, frame, host_ns, _, late_ns = self._code.look()
        return None if host_ns is None else frame, host_ns, late_ns

    def _frames_of(self, seconds: Any, name: str) -> int:
        return self._home.frames_of(seconds, name)

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

    @property
    def _scale(self) -> float:
        return self._home.samplerate / self._sound.samplerate

    def __repr__(self) -> str:
        return f"<MixerVoice, {self.state}, frame {self.position} of {self._sound.frames}>"
