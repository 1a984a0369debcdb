"""What a mixer, its groups and its voices share: the stream, and the code that mixes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from voicecoil import _core
from voicecoil.arguments import check_fade, check_seconds
from voicecoil.errors import ArgumentTypeError, StreamClosedError, StreamStateError
from voicecoil.live.mixer_effect import PythonEffect
from voicecoil.live.mixer_request import VoiceRequest
from voicecoil.live.output_life import FirstStart
from voicecoil.sounds.moment import Moments
from voicecoil.sounds.play_request import ramp_frames
from voicecoil.streams.monitor import StreamMonitor
from voicecoil.streams.stream import OutputStream
from voicecoil.wording import with_article

__all__ = ["MixerHome"]


@dataclass(eq=False)
class MixerHome:
    """The stream of a mixer. It stays open as long as the mixer, a group or a voice is kept."""

    stream: OutputStream
    monitor: StreamMonitor
    code: _core.VoicesCode
    samplerate: float
    channels: int
    max_voices: int
    has_python: bool  # it runs on a worker, which holds the GIL while it mixes
    first_start: FirstStart
    paused: set[int] = field(default_factory=set)  # numbers of groups; 0: the mixer

    @property
    def begun(self) -> bool:
        """Whether the stream was started."""
        return self.first_start.done

    @property
    def ended(self) -> bool:
        """Whether the program has ended the stream itself, so that no block comes any more."""
        return self.begun and not self.monitor.frames_may_come

    @property
    def is_dead(self) -> bool:
        """Whether no block comes any more that could end a voice."""
        return self.monitor.closed or self.monitor.trouble() is not None or self.ended

    def frames_of(self, seconds: Any, name: str) -> int:
        """Returns a duration as frames of the device."""
        check = check_fade if name == "fade_s" else check_seconds
        return ramp_frames(check(seconds, name), self.samplerate)

    def refuse_closed(self) -> None:
        """Raises an error if nothing can be played any more."""
        self.monitor.refuse_in_fork()
        if self.monitor.closed:
            raise StreamClosedError("the mixer is closed; open another one")

    def refuse_trouble(self) -> None:
        """Raises why no IO cycle will come any more."""
        self.refuse_closed()
        if (trouble := self.monitor.trouble()) is not None:
            raise trouble
        if self.ended:
            self.refuse_closed()
            raise StreamClosedError("the stream of the mixer has ended; open another mixer")

    def python_effect(self, effect: Any) -> PythonEffect:
        """Returns an effect that runs in Python.

        Raises
        ------
        ArgumentTypeError
            It cannot be called, or the mixer runs on the IO thread.
        """
        if not self.has_python:
            raise ArgumentTypeError(
                f"effect is {with_article(type(effect).__name__)}; give a native function, such as "
                "a numba cfunc or voicecoil.NativeCallback, or make the mixer with latency='safe', "
                "which calls effects in Python on a worker ahead of the device"
            )
        return PythonEffect(effect, self.channels, self.samplerate)

    def moment(self, request: VoiceRequest) -> int:
        """Returns the frame or host time at which a voice begins; see `Moments.begin_of`."""
        return Moments(self.stream, self.code, self.samplerate).begin_of(request)

    def add(self, voice: _core.VoiceCode) -> None:
        """Gives a voice to the mixer.

        Raises
        ------
        StreamStateError
            There are as many voices as there can be.
        """
        if not self.code.add(voice):
            raise StreamStateError(
                f"{self.max_voices} voices are scheduled or sounding; stop() one, wait() for one, "
                "or give the mixer a larger max_voices"
            )

    def stop(self, fade_frames: int, group: int | None = None) -> None:
        """Fades all voices out, or those of a group, and ends them."""
        for voice in self.code.all():
            if group is None or voice.group == group:
                self.code.stop(voice, fade_frames)
