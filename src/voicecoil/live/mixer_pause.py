"""``pause`` and ``resume`` of a mixer and of its groups."""

from __future__ import annotations

from voicecoil.live.mixer_home import MixerHome
from voicecoil.sounds.gain import RAMP_S, WithGain

__all__ = ["WithPause"]


class WithPause(WithGain):
    """Voices that are paused together: those of a mixer, or of one of its groups."""

    _home: MixerHome
    _number: int  # of the group; 0: the mixer

    @property
    def paused(self) -> bool:
        """Whether this object was paused. The pauses of groups and voices in it do not count."""
        return self._number in self._home.paused

    def pause(self, fade_s: float = RAMP_S) -> None:
        """Fade out, and hold everything. Any thread may call this, and it does not wait.

        Voices keep their positions. Sounds that are scheduled begin later by the duration of the
        pause, whether their time was a frame or a host time. During a pause of the mixer, `frame`
        stands still and no effect is called. During a pause of a group, its effect is still called,
        so that an echo can end.

        Parameters
        ----------
        fade_s : float
            Duration of the fade, s. The fade ends with a block, so it can be longer by up to one
            block.

        Raises
        ------
        StreamClosedError
            The mixer is closed.
        """
        frames = self._home.frames_of(fade_s, "fade_s")
        self._home.refuse_closed()
        self._home.paused.add(self._number)
        self._home.code.group_pause(self._number, True, frames)

    def resume(self, fade_s: float = RAMP_S) -> None:
        """Continue after a pause, and fade in.

        Parameters
        ----------
        fade_s : float
            Duration of the fade, s.

        Raises
        ------
        StreamClosedError
            The mixer is closed.
        """
        frames = self._home.frames_of(fade_s, "fade_s")
        self._home.refuse_closed()
        self._home.paused.discard(self._number)
        self._home.code.group_pause(self._number, False, frames)
