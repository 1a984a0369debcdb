"""A sound that is played: its position, gain, pauses, jumps and end."""

from __future__ import annotations

import os
from typing import Any

from voicecoil import _core
from voicecoil.arguments import check_fade, check_seconds, check_timeout
from voicecoil.drivers.protocol import Device
from voicecoil.errors import SeekError, StreamStateError
from voicecoil.files.protocol import check_seek
from voicecoil.files.read_ahead import Reader
from voicecoil.levels import Level
from voicecoil.lifetime.polling import poll_until
from voicecoil.lifetime.uninterrupted import uninterrupted
from voicecoil.lifetime.weak_registry import Alive
from voicecoil.sounds.gain import RAMP_S
from voicecoil.sounds.mixing import Output
from voicecoil.sounds.play_request import PlayRequest
from voicecoil.sounds.played_sound import PlayedSound, PlayState
from voicecoil.streams.event_list import Events

__all__ = ["RAMP_S", "Playback", "playbacks"]

playbacks: Alive[Playback] = Alive()


class Playback(PlayedSound):
    """A sound that is played, returned by :func:`play`.

    The sound continues if the program drops this object. It ends when it has been played or when
    the program ends. Use :meth:`wait` to hear it to its end.
    """

    def __init__(
        self,
        output: Output,
        clip: _core.MixerClip,
        reader: Reader | None,
        frames: int | None,
        request: PlayRequest,
        memory_nonfinite: int = 0,
    ) -> None:
        self._output = output
        self._code = self._clip = clip
        self._reader = reader
        self._frames = frames
        self._memory_nonfinite = memory_nonfinite
        self._stopped = False
        self._over = False  # True if the sound was stopped while there was no device
        self._gain, self._pan, self._rate = request.gain, request.pan, request.rate
        self._paused = False
        # The number of the clip's jumps, and the largest position since the newest of them. It is
        # kept for when the output is closed.
        self._furthest = 0, 0
        playbacks.add(self)

    def is_of(self, clip: _core.MixerClip) -> bool:
        """Return whether this is the object of that clip.

        Parameters
        ----------
        clip : MixerClip
            A clip of the mixer.

        Returns
        -------
        bool
            False for any other clip.
        """
        return self._clip is clip

    @property
    def samplerate(self) -> float:
        """Sample rate of the sound, Hz. All frame counts of this object use this rate.

        It is the rate of the device on which the sound began, also after a move to another one.
        """
        return self._output.stream.samplerate

    @property
    def device(self) -> Device:
        """The device that plays the sound."""
        return self._output.stream.device

    @property
    def frames(self) -> int | None:
        """Length of the sound in frames. None if it is endless or its file states no length."""
        return self._frames

    @property
    def position(self) -> int:
        """The frame of the sound that is heard, counted over all loops.

        Without a `seek` at rate 1, this is the number of frames that were heard.
        """
        jumps, heard = self._clip.heard(self._output.heard_frames())
        earlier_jumps, furthest = self._furthest
        if jumps == earlier_jumps:
            heard = max(heard, furthest)
        self._furthest = jumps, heard
        return heard

    @property
    def mixer_frame(self) -> int:
        """The next frame that is mixed for the device, counted from its start.

        `at_frame` of :func:`play` and `started_frame` count the same. The device is opened anew,
        and counts from 0, if no sound was played for 0.1 s.
        """
        return self._output.mixer.frames

    def now_ns(self) -> int:
        """The current host time on the clock of `at_ns`, ns.

        Returns
        -------
        int
            Nanoseconds.

        Raises
        ------
        StreamStateError
            The device was closed after the last sound.
        """
        return self._output.stream.now_ns()

    def _started(self) -> tuple[int | None, int | None, int]:
        return self._clip.started()

    def _state(self) -> PlayState:
        state = self._clip.state
        if state == _core.CLIP_LATE:
            return "skipped"
        if state == _core.CLIP_DONE or self._over or not self._output.usable:
            return "ended"
        if state != _core.CLIP_PLAYING:
            return "scheduled"
        return "paused" if self._paused else "playing"

    @property
    def playing(self) -> bool:
        """True until the last frame has been heard, also while it is scheduled or paused."""
        return self._output.usable and not self._over and not self._heard_out()

    @property
    def starved_frames(self) -> int:
        """Frames of silence that were played because the file was not read in time."""
        return self._clip.starved_frames

    @property
    def nonfinite_samples(self) -> int:
        """Number of NaN and infinite samples, which are played as silence.

        The samples are counted after conversion to the device's rate and channels, in the part of
        the sound that has been read. If an array is repeated, its samples are counted once.
        """
        read = self._reader.nonfinite_samples if self._reader is not None else 0
        return self._memory_nonfinite + read

    def _frames_of(self, seconds: Any, name: str) -> int:
        self._output.monitor.refuse_in_fork()
        check = check_fade if name == "fade_s" else check_seconds
        return self._output.fade_frames(check(seconds, name))

    def seek(self, frame: float) -> None:
        """Go to a frame of the sound. Returns at once.

        The sound is faded out within 10 ms and fades in at `frame`, within 10 ms. A file or another
        source goes to the frame on the thread that reads it, and the sound is silent until 0.2 s of
        the source have been read from there. A paused sound stays paused.

        Parameters
        ----------
        frame : int or float
            0 to `frames`, at the device's rate and counted over all loops. A float that is a whole
            number is possible, such as ``2 * samplerate``.

        Raises
        ------
        SeekError
            The source cannot go to another frame: its method ``seekable()`` returns False.
        ArgumentError, ArgumentTypeError
            `frame` is not a frame of the sound.
        StreamStateError
            The sound has ended.

        An error of the source's own ``seek`` is raised by :meth:`wait`, like an error of its
        ``read``. The sound then continues where it was.
        """
        self._output.monitor.refuse_in_fork()
        number = check_seek(frame, self._frames)
        reader = self._reader
        if reader is not None and not reader.seekable:
            raise SeekError(
                "this sound comes from a source that cannot go to another frame; play a file, an "
                "array, or a source whose seekable() returns True"
            )
        if self._done_mixing() or self._over:
            raise StreamStateError("the sound has ended; play it again")
        uninterrupted("seek", lambda: self._output.seek(self._clip, reader, number))

    def stop(self, fade_s: float = RAMP_S) -> None:
        """Fade the sound out and end it. Returns at once.

        A second call can shorten the fade.

        Parameters
        ----------
        fade_s : float
            Duration of the fade, s. 0 ends the sound without a fade.
        """
        fade_frames = self._frames_of(fade_s, "fade_s")
        if self._done_mixing() or self._over:
            return
        self._over = uninterrupted("stop", lambda: self._output.stop(self._clip, fade_frames))
        self._stopped = True

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the last frame of the sound has been heard.

        Parameters
        ----------
        timeout : float or None
            Longest wait, s. None waits without a limit.

        Returns
        -------
        bool
            True if the sound has ended, False if `timeout` has passed.

        Raises
        ------
        DeviceLostError
            The device was lost before the sound ended.
        StreamStateError
            The output was closed before the sound ended.
        FileFormatError, OSError
            The file could not be read to its end. The frames before the error were played. Only
            the first call raises this.
        """
        seconds = check_timeout(timeout)
        self._output.monitor.refuse_in_fork()
        if not poll_until(self._has_ended, seconds):
            return False
        self._finish()
        return True

    def _has_ended(self) -> bool:
        if not self.playing:
            return True
        self._ask()
        return False

    async def _ended(self) -> None:
        from voicecoil.lifetime.awaiting import off_the_loop
        from voicecoil.lifetime.waking import reached

        self._output.monitor.refuse_in_fork()

        def is_over() -> bool:
            self._ask()
            return not self.playing

        period_s = self._output.monitor.cycle_s
        await reached(self._clip.done_count(), period_s=period_s, over=is_over)
        if self._reader is None:
            self._finish()
        else:
            await off_the_loop(self._finish)  # a disk that does not respond may take a second

    def _finish(self) -> None:
        """End the reader after the sound, and raise why the sound ended too early, if it did."""
        if self._reader is not None:
            self._reader.end()
            self._reader.join()
            self._ask()
        if not self._stopped and not self._heard_out():
            if (trouble := self._output.monitor.trouble()) is not None:
                raise trouble
            raise StreamStateError(
                f"the output on {self.device.name!r} was closed before the sound ended; "
                "wait() before that"
            )
        if self._reader is not None and (error := self._reader.error.take()) is not None:
            raise error

    def events(self) -> Events:
        """Return and remove the events of the device since the last call, oldest first.

        All sounds on the device share these events, so each event is returned to one of them only.

        Returns
        -------
        list of Event
            Empty if nothing happened.
        """
        return self._output.stream.events()

    def levels(self) -> list[Level]:
        """Return the level of each channel of the device since the last call.

        The levels are those of all sounds on the device together.

        Returns
        -------
        list of Level
            One level for each channel that plays.
        """
        return self._output.stream.levels()

    def _ask(self) -> None:
        """Record that a caller waits and will see an error of the reader."""
        if self._reader is not None:
            self._reader.error.ask()

    def _done_mixing(self) -> bool:
        return bool(self._clip.state >= _core.CLIP_DONE)

    def _heard_out(self) -> bool:
        return self._done_mixing() and self.position >= self._clip.position

    def __repr__(self) -> str:
        state = "done" if not self.playing else "paused" if self._paused else self.state
        state = "playing" if state == "ended" else state  # mixed, but not yet heard
        return f"<Playback on {self.device.name!r}, {state}, {self.position_s:.3f} s heard>"


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=playbacks.clear)
