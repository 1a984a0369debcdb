"""``MixerGroup``: voices of a mixer with one gain and one effect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from voicecoil.errors import NativeCallbackError
from voicecoil.live.mixer_effect import PythonEffect
from voicecoil.live.mixer_home import MixerHome
from voicecoil.live.mixer_pause import WithPause
from voicecoil.live.mixer_voice import MixerVoice
from voicecoil.sounds.gain import RAMP_S

__all__ = ["MixerGroup"]


class MixerGroup(WithPause):
    """Voices of a mixer with one gain and one effect; returned by :meth:`Mixer.group`.

    The gain applies behind the effect. The group lives as long as its mixer.
    """

    def __init__(
        self,
        home: MixerHome,
        number: int,
        gain: float,
        effect: Any,
        play: Callable[..., MixerVoice],
        python: PythonEffect | None = None,
    ) -> None:
        self._home = home
        self._number = number
        self._gain = gain
        self._effect = effect
        self._play = play
        self._python = python

    def play(self, sound: Any, samplerate: float | None = None, **options: Any) -> MixerVoice:
        """Play a sound in this group.

        Parameters
        ----------
        sound : Sound, array, path or source
            As for :meth:`Mixer.play`.
        samplerate : float or None
            As for :meth:`Mixer.play`.
        **options
            As for :meth:`Mixer.play`.

        Returns
        -------
        MixerVoice
            The voice.

        Raises
        ------
        VoicecoilError
            As for :meth:`Mixer.play`.
        """
        return self._play(sound, samplerate, **{"group": self, **options})

    @property
    def effect(self) -> Any:
        """The effect, or None."""
        return self._effect

    def _ramp_gain(self, gain: float, ramp_s: Any) -> None:
        frames = self._home.frames_of(ramp_s, "ramp_s")
        self._home.refuse_closed()
        self._home.code.group_gain(self._number, gain, frames)

    def stop(self, fade_s: float = RAMP_S) -> None:
        """Fade all voices of the group out and end them.

        Parameters
        ----------
        fade_s : float
            Duration of the fade, s.
        """
        self._home.stop(self._home.frames_of(fade_s, "fade_s"), self._number)

    def error(self) -> BaseException | None:
        """Return why the effect is not used any more.

        Returns
        -------
        NativeCallbackError, another exception, or None
            The native function has returned a negative number, or the Python effect has raised this
            exception, which `sys.unraisablehook` has reported. The group is then heard without its
            effect. None: it is used.
        """
        code = self._home.code.group_error(self._number)
        if code == 0:
            return None
        if self._python is not None:
            return self._python.error
        return NativeCallbackError(
            f"the effect of a group returned {code}; the group is heard without it", code=code
        )

    def __repr__(self) -> str:
        return f"<MixerGroup {self._number}, gain {self._gain:g}>"
