"""``Mixer``: plays sounds at exact frames or host times."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from voicecoil import _core
from voicecoil.arguments import (
    check_count,
    check_fade,
    check_gain,
    check_latency,
    check_timeout,
)
from voicecoil.callbacks.native import as_native
from voicecoil.drivers.protocol import Device, Driver, OpenedFormat
from voicecoil.errors import ArgumentError, ArgumentTypeError, StreamStateError
from voicecoil.lifetime.polling import poll_until
from voicecoil.live.mixer_effect import PythonMixing
from voicecoil.live.mixer_facts import MixerFacts
from voicecoil.live.mixer_group import MixerGroup
from voicecoil.live.mixer_home import MixerHome
from voicecoil.live.mixer_request import VoiceRequest
from voicecoil.live.mixer_voice import MixerVoice
from voicecoil.live.output_life import FirstStart, OutputLife
from voicecoil.sounds.gain import RAMP_S
from voicecoil.sounds.play_request import OnLate
from voicecoil.sounds.sound import Sound
from voicecoil.streams.lead import LatencyMode
from voicecoil.streams.monitor import StreamMonitor
from voicecoil.streams.on_end import OnEnd
from voicecoil.streams.recovery import OnDeviceLost
from voicecoil.streams.request import CodeFactory, DeviceRate
from voicecoil.streams.stream import OutputStream
from voicecoil.wording import with_article

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from voicecoil.files.protocol import Source

__all__ = ["Mixer"]

MOST_VOICES = 65_536


class Mixer(OutputLife, MixerFacts):
    """Plays sounds at exact frames or host times, and mixes them: for games and instruments.

    A mixer starts with its first `play`, with `start`, or with ``with``, and then runs until it is
    closed. Any thread may call any method. None waits for the device except `wait` and those that
    open, start and close it. The end of ``with`` fades out what still sounds.

    Parameters
    ----------
    device : str, Device or None
        As for :class:`OutputStream`.
    driver : str, Driver or None
        As for :class:`OutputStream`.
    channels : int, sequence of int, or None
        As for :class:`OutputStream`.
    samplerate : float or None
        With ``device_rate="set"``, the rate to which the device is set, Hz. A mixer always runs at
        the rate of its device, and converts the sounds.
    blocksize : int or None
        Frames per IO cycle that are requested from the device.
    latency : {"low", "safe"} or float
        Where the mixer runs. "low": on the device's own IO thread, with no latency added. "safe":
        on a worker, 60 ms or two cycles ahead of the device, where the effects of groups can be
        Python. A number: the same, that number of seconds ahead. Times stay exact, but the
        earliest one is later by the lead.
    gain : float
        Linear gain of everything.
    max_voices : int
        The most voices that can be scheduled and sound at the same time.
    on_device_lost : {"stop", "wait", "default"}
        As for :class:`OutputStream`. While there is no device, frames do not count.
    on_end : callable or None
        As for :class:`OutputStream`, but the first argument is the stream of the mixer.
    device_rate : {"keep", "set"}
        As for :class:`OutputStream`.
    name : str or None
        As for :class:`OutputStream`.
    connect : bool
        As for :class:`OutputStream`.

    Raises
    ------
    ArgumentError, ArgumentTypeError, DeviceNotFoundError, DriverError
        As for :class:`OutputStream`.

    Examples
    --------
    >>> with vc.Mixer() as mixer:
    ...     click = vc.Sound("click.wav")
    ...     begin = mixer.frame + 4800
    ...     for beat in range(16):
    ...         mixer.play(click, at_frame=begin + beat * 24_000)
    ...     mixer.wait()
    """

    def __init__(
        self,
        *,
        device: str | Device | None = None,
        driver: str | Driver | None = None,
        channels: int | Sequence[int] | None = None,
        samplerate: float | None = None,
        blocksize: int | None = None,
        latency: LatencyMode = "low",
        gain: float = 1.0,
        max_voices: int = 16_384,
        on_device_lost: OnDeviceLost = "stop",
        on_end: OnEnd | None = None,
        device_rate: DeviceRate = "keep",
        name: str | None = None,
        connect: bool = True,
    ) -> None:
        self._gain = check_gain(gain)
        possible = f"the most voices at the same time, 1 to {MOST_VOICES}"
        self._max_voices = check_count(max_voices, "max_voices", possible, 1, MOST_VOICES)
        if samplerate is not None and device_rate != "set":
            raise ArgumentError(
                "a mixer runs at the rate of its device and converts the sounds; leave samplerate "
                "out, or give device_rate='set' as well to change the device's rate"
            )
        mode = check_latency(latency)
        mixing = None if mode == "low" else PythonMixing()
        stream = OutputStream(
            CodeFactory(self._make_code) if mixing is None else mixing,
            latency="safe" if mixing is None else mode,  # a factory's code has no lead
            device=device,
            driver=driver,
            channels=channels,
            samplerate=samplerate,
            blocksize=blocksize,
            on_device_lost=on_device_lost,
            on_end=on_end,
            device_rate=device_rate,
            name=name,
            connect=connect,
        )
        if mixing is not None:
            mixing.code = self._make_code(None, 0, stream.channels)
        self._first_start = FirstStart(stream, "mixer")
        self._home = MixerHome(
            stream=stream,
            first_start=self._first_start,
            monitor=StreamMonitor(stream),
            code=self._code,
            samplerate=stream.samplerate,
            channels=self._outputs,
            max_voices=self._max_voices,
            has_python=mixing is not None,
        )

    def _make_code(
        self, opened_format: OpenedFormat | None, inputs: int, outputs: int
    ) -> _core.VoicesCode:
        self._outputs = outputs
        self._code = _core.VoicesCode(outputs, self._max_voices, self._gain)
        return self._code

    # ---- playing ----

    def play(
        self,
        sound: Sound | NDArray[Any] | str | os.PathLike[str] | Source,
        samplerate: float | None = None,
        *,
        at_frame: int | None = None,
        at_ns: int | None = None,
        in_s: float | None = None,
        gain: float = 1.0,
        pan: float = 0.0,
        rate: float = 1.0,
        loops: int = 1,
        loop_start: int = 0,
        loop_end: int | None = None,
        start: int = 0,
        fade_in_s: float = 0.0,
        fade_out_s: float = 0.0,
        group: MixerGroup | None = None,
        on_late: OnLate = "raise",
    ) -> MixerVoice:
        """Play a sound at a frame or at a time, or with the next block. Returns at once.

        The first call for a sound whose rate is not that of the mixer converts it before it
        returns. This takes some milliseconds for each second of the sound; see `prepare`.

        Parameters
        ----------
        sound : Sound, array, path or source
            A :class:`Sound` is read and checked once. Everything else becomes one first.
        samplerate : float or None
            The rate of an array, Hz; None: that of the mixer.
        at_frame : int or None
            The frame of the mixer at which the sound begins; see `frame`.
        at_ns : int or None
            Host time at which the first frame is at the connector, ns; see `now_ns`. It becomes a
            frame in the block that contains it, by the device's clock at that time.
        in_s : float or None
            The same, counted from now, s. Give at most one of these three.
        gain : float
            Linear gain.
        pan : float
            -1 (left) to 1 (right). 0 leaves both channels as they are.
        rate : float
            0.01 to 100. 2 plays twice as fast and an octave higher. Frames between those of the
            sound are interpolated (cubic); nothing is filtered.
        loops : int
            Number of times that the loop is played; 0 repeats it until the voice is stopped.
        loop_start, loop_end : int, int or None
            The frames of the sound that are repeated, from `loop_start` up to and without
            `loop_end`; None: to the end. After the last pass, the sound goes on after the loop.
        start : int
            The frame of the sound with which it begins.
        fade_in_s : float
            Duration of the fade-in, s.
        fade_out_s : float
            Duration of the fade-out at the end of the sound, s, at rate 1.
        group : MixerGroup or None
            The group in which it is heard.
        on_late : {"raise", "play", "skip"}
            What happens if the time has passed. "raise": `TimePassedError`; "play": the sound
            begins at once, and `late_s` of the voice tells how late; "skip": the same if it is
            less than 1 ms late, otherwise it is not played. If the time passes during the call,
            "raise" does the same as "play".

        Returns
        -------
        MixerVoice
            The sound that is scheduled.

        Raises
        ------
        TimePassedError
            The time has passed; `late_s` of the error tells by how much.
        ArgumentError, ArgumentTypeError
            An argument is not possible, or the sound has NaN in it.
        FileMissingError, FileFormatError
            The file does not exist, or is not audio.
        StreamStateError
            `max_voices` voices are scheduled or sounding.
        StreamClosedError
            The mixer is closed, or its `stream` was stopped.
        DeviceLostError
            The device was lost, and the mixer cannot continue.
        """
        home = self._home
        home.refuse_trouble()
        ready = self._sound_of(sound, samplerate)
        request = VoiceRequest.of(
            at_frame=at_frame,
            at_ns=at_ns,
            in_s=in_s,
            gain=gain,
            pan=pan,
            rate=rate,
            loops=loops,
            loop_start=loop_start,
            loop_end=loop_end,
            start=start,
            fade_in_s=fade_in_s,
            fade_out_s=fade_out_s,
            on_late=on_late,
        ).within(ready.frames)
        number = self._number_of(group)
        data = ready._for_mixer(home.samplerate, home.channels)
        scale = home.samplerate / ready.samplerate
        voice = request.voice(data, scale, home.samplerate, number, home.moment(request))
        home.add(voice)
        self._first_start()
        return MixerVoice(home, voice, ready, (request.gain, request.pan, request.rate))

    def prepare(
        self,
        sound: Sound | NDArray[Any] | str | os.PathLike[str] | Source,
        samplerate: float | None = None,
    ) -> Sound:
        """Read, check and convert a sound, so that `play` of it has nothing left to do.

        A program that must not wait calls this while it loads. The conversion takes some
        milliseconds for each second of the sound, and happens once for each rate.

        Parameters
        ----------
        sound : Sound, array, path or source
            As for `play`.
        samplerate : float or None
            As for `play`.

        Returns
        -------
        Sound
            The sound to play: the same one if a :class:`Sound` was given.

        Raises
        ------
        ArgumentError, ArgumentTypeError
            This is not a sound, or has NaN in it.
        FileMissingError, FileFormatError
            The file does not exist, or is not audio.
        StreamClosedError
            The mixer is closed.
        """
        self._home.refuse_closed()
        ready = self._sound_of(sound, samplerate)
        ready._for_mixer(self._home.samplerate, self._home.channels)
        return ready

    def _sound_of(self, sound: Any, samplerate: Any) -> Sound:
        if not isinstance(sound, Sound):
            is_array = hasattr(sound, "dtype")
            own = self._home.samplerate if is_array and samplerate is None else samplerate
            return Sound(sound, own)
        sound.array(samplerate)  # refuses another rate
        return sound

    def _number_of(self, group: Any) -> int:
        if group is None:
            return 0
        if not isinstance(group, MixerGroup):
            raise ArgumentTypeError(
                f"group is {with_article(type(group).__name__)}; give one that group() has returned"
            )
        if group._home is not self._home:
            raise ArgumentError("the group belongs to another mixer; make one with group()")
        return group._number

    def group(self, gain: float = 1.0, *, effect: Any = None) -> MixerGroup:
        """Make a group: voices with one gain and one effect.

        Parameters
        ----------
        gain : float
            Linear gain. It applies behind the effect.
        effect : native function, callable, board or None
            It gets the sum of the voices, in blocks of at most 512 frames, and its output is heard.
            It is called for all blocks, also when no voice sounds. A native function as for
            :class:`OutputStream`, or a :class:`NativeCallback`, gets the sum as its input. With
            ``latency="safe"`` or a number of the mixer also: a callable that gets a float32 array
            of the shape (frames, channels), and changes it or returns another one of this shape;
            or an object such as a pedalboard, whose ``process(audio, samplerate, reset=False)`` is
            called. Both run on the worker of the mixer.

        Returns
        -------
        MixerGroup
            A group that lives as long as the mixer.

        Raises
        ------
        ArgumentTypeError
            The effect is none of these, or it is Python and the mixer runs on the IO thread.
        StreamStateError
            The mixer has 64 groups.
        StreamClosedError
            The mixer is closed.
        """
        self._home.refuse_closed()
        value = check_gain(gain)
        native = None if effect is None else as_native(effect)
        python = None
        if native is not None:
            number = self._code.group(value, native.address, native.user, native.keep)
        elif effect is not None:
            python = self._home.python_effect(effect)
            number = self._code.python_group(value, python.run, python.audio)
        else:
            number = self._code.group(value)
        if number == 0:
            raise StreamStateError("the mixer has 64 groups already; use one of them again")
        return MixerGroup(self._home, number, value, effect, self.play, python)

    def stop(self, fade_s: float = RAMP_S) -> None:
        """Fade all voices out and end them. Those that are scheduled end at once.

        Parameters
        ----------
        fade_s : float
            Duration of the fade, s.
        """
        self._home.stop(self._home.frames_of(fade_s, "fade_s"))

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until all voices have been heard to their end.

        Voices that repeat for ever, or that are paused, do not end. Neither do those of a group or
        mixer that is paused.

        Parameters
        ----------
        timeout : float or None
            Longest wait, s. None waits without a limit.

        Returns
        -------
        bool
            False: `timeout` has passed.

        Raises
        ------
        DeviceLostError
            The device was lost, and the mixer cannot continue.
        StreamClosedError
            The mixer is closed, or its `stream` was stopped.
        """
        return poll_until(self._is_quiet, check_timeout(timeout))

    def _is_quiet(self) -> bool:
        self._home.refuse_trouble()
        return self._code.collect() == 0 and self.now_ns() >= self._code.last_end_ns

    # ---- life ----

    def _refuse_start(self) -> None:
        self._home.refuse_trouble()

    def close(self, fade_s: float = RAMP_S) -> None:
        """Fade out, end all voices, and release the device. A second call does nothing.

        Parameters
        ----------
        fade_s : float
            Duration of the fade, s.

        Raises
        ------
        StreamTimeoutError
            The device did not stop in time.
        """
        seconds = check_fade(fade_s)
        monitor, stream = self._home.monitor, self._home.stream
        if monitor.closed:
            return
        try:
            if self._home.begun and monitor.goes_on and not monitor.away:
                stream.stop(seconds)
        finally:
            stream.close()
