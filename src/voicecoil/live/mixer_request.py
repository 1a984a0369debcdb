"""The checked arguments of `Mixer.play`, and the voice that is made of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from voicecoil import _core
from voicecoil.errors import ArgumentError
from voicecoil.sounds.gain import RAMP_S, sides
from voicecoil.sounds.play_request import PlayRequest, ramp_frames

__all__ = ["VoiceRequest"]


@dataclass(frozen=True)
class VoiceRequest(PlayRequest):
    """What `Mixer.play` was asked for, in frames and seconds of the sound."""

    frame_example: ClassVar[str] = "mixer.frame"
    time_example: ClassVar[str] = "mixer.now_ns()"

    def voice(
        self, data: Any, scale: float, samplerate: float, group: int, at: int
    ) -> _core.VoiceCode:
        """Makes the voice.

        Parameters
        ----------
        data : ndarray
            The frames at the mixer's rate.
        scale : float
            The mixer's rate divided by that of the sound.
        samplerate : float
            The mixer's rate, Hz.
        group : int
            The number of the group.
        at : int
            When it begins.
        """
        frames = len(data)

        def own(frame: int) -> int:
            return min(round(frame * scale), frames)

        begin = own(self.loop_start)
        end = frames if self.loop_end is None else own(self.loop_end)
        if begin >= end and self.loops != 1 and frames:
            raise ArgumentError(
                f"the loop from frame {self.loop_start} to {self.loop_end} of the sound has no "
                f"frames at the mixer's {samplerate:g} Hz; give a later loop_end, or loops=1 to "
                "play the sound once"
            )
        fade_out = min(ramp_frames(self.fade_out_s, samplerate), frames)
        return _core.VoiceCode(
            data,
            group=group,
            start=own(self.start),
            loop=(min(begin, max(end - 1, 0)), end),
            loops=self.loops if frames else 1,
            fades=(ramp_frames(self.fade_in_s, samplerate), fade_out),
            ramp_frames=ramp_frames(RAMP_S, samplerate),
            when=self.when,
            at=at,
            skips_late=self.on_late == "skip",
            levels=(self.gain, *sides(self.pan)),
            rate=self.rate,
        )
