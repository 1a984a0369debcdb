"""Playing arrays and files."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from voicecoil import _core
from voicecoil.arguments import (
    check_blocksize,
    check_count,
    check_gain,
    check_samplerate,
    check_seconds,
    check_sound_first,
    check_stream_name,
    check_timeout,
)
from voicecoil.drivers.choose import get_driver
from voicecoil.drivers.protocol import Device, Driver
from voicecoil.errors import StreamStateError
from voicecoil.events import Event
from voicecoil.files.read_ahead import AHEAD_S, Reader, count_nonfinite
from voicecoil.levels import Level
from voicecoil.lifetime import exit_and_fork
from voicecoil.lifetime.uninterrupted import uninterrupted
from voicecoil.resources import resource_errors
from voicecoil.sounds.mixing import Output, output_for
from voicecoil.streams.recovery import OnDeviceLost, check_on_device_lost, find_or_await

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from voicecoil.files.channels import Mapping
    from voicecoil.files.protocol import Source

from voicecoil.sealed import Unique

__all__ = ["Playback", "play"]

POLL_S = 0.02


class Playback(Unique):
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
        memory_nonfinite: int = 0,
    ) -> None:
        self._output = output
        self._clip = clip
        self._reader = reader
        self._frames = frames
        self._memory_nonfinite = memory_nonfinite
        self._stopped = False
        self._over = False  # True if the sound was stopped while there was no device
        self._furthest = 0  # largest position in frames, kept for when the output is closed

    @property
    def samplerate(self) -> float:
        """Sample rate of the device, Hz. All frame counts of this object use this rate."""
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
        """Frames of the sound that were heard."""
        # This is read before the clip's state, so that the clip is never behind `heard`.
        heard = self._output.heard_frames()
        started = self._clip.started_at
        if started is None:
            return 0  # the first frame has not been mixed yet
        mixed = self._clip.position
        on_its_way = started + mixed + self._clip.starved_frames - heard
        self._furthest = max(self._furthest, mixed - max(0, on_its_way))
        return self._furthest

    @property
    def position_s(self) -> float:
        """`position` in seconds."""
        return self.position / self.samplerate

    @property
    def playing(self) -> bool:
        """True until the last frame of the sound has been heard."""
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

    def stop(self, fade_s: float = 0.01) -> None:
        """Fade the sound out and end it. Returns at once.

        A second call can shorten the fade.

        Parameters
        ----------
        fade_s : float
            Duration of the fade, s. 0 ends the sound without a fade.
        """
        self._output.monitor.refuse_in_fork()
        seconds = check_seconds(fade_s, "fade_s")
        if self._done_mixing() or self._over:
            return
        fade_frames = min(int(seconds * self.samplerate), 2**32 - 1)
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
        until = None if seconds is None else time.monotonic() + seconds
        while self.playing:
            self._ask()
            left = POLL_S if until is None else until - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(POLL_S, left))
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
        return True

    def events(self) -> list[Event]:
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
        return bool(self._clip.state == _core.CLIP_DONE)

    def _heard_out(self) -> bool:
        return self._done_mixing() and self.position >= self._clip.position

    def __repr__(self) -> str:
        state = "playing" if self.playing else "done"
        return f"<Playback on {self.device.name!r}, {state}, {self.position_s:.3f} s heard>"


@resource_errors("play")
def play(
    sound: NDArray[Any] | str | os.PathLike[str] | Source,
    samplerate: float | None = None,
    *,
    device: str | Device | None = None,
    driver: str | Driver | None = None,
    channels: int | Sequence[int] | None = None,
    mapping: Mapping | None = None,
    gain: float = 1.0,
    loops: int = 1,
    blocksize: int | None = None,
    on_device_lost: OnDeviceLost = "stop",
    name: str | None = None,
) -> Playback:
    """Play an array or a file. Returns at once, and sounds can overlap.

    All sounds end with the program. Use ``play(...).wait()`` to hear a sound to its end.

    Parameters
    ----------
    sound : array, path or source
        An array of float32 or float64 in -1..1, or of int16, int32 or uint8, with the shape
        (frames,) or (frames, channels). It may be changed after the call. Or the path of a WAV,
        AIFF, FLAC, OGG, MP3 or CAF file, which is read from disk while it plays. Or an object with
        the methods of :class:`voicecoil.files.Source`, which is read from its present position and
        then closed.
    samplerate : float or None
        The array's sample rate, Hz. Required for an array. A file has its own rate.
    device : str, Device or None
        As for :class:`OutputStream`.
    driver : str, Driver or None
        As for :class:`OutputStream`.
    channels : int, sequence of int, or None
        As for :class:`OutputStream`. The sound is mixed to that number of channels. A single
        channel is heard on both sides. Sounds with a list of channels have a stream of their own
        for each list. Without a list, a device that is already playing keeps its number of
        channels.
    mapping : sequence or array, optional
        For each channel that is used, the 0-based channel of the sound or None for silence. Or a
        matrix of gains. By default, a mono sound is played on all channels, equal numbers of
        channels are mapped one to one, and other numbers are mapped as in
        :func:`voicecoil.files.channels.mix_matrix`.
    gain : float
        Linear gain.
    loops : int
        Number of times that the sound is played; 0 repeats it until it is stopped.
    blocksize : int or None
        Frames per IO cycle that are requested from the device.
    on_device_lost : {"stop", "wait", "default"}
        As for :class:`OutputStream`. The sound continues at its position. Only the frames that were
        mixed but not yet heard are lost.
    name : str or None
        As for :class:`OutputStream`. Sounds of one name share a stream; another name opens another
        stream on the device, with its own volume in a mixer.

    Returns
    -------
    Playback
        The sound, which is playing.

    Raises
    ------
    FileMissingError, FileFormatError
        The file does not exist, or is not audio.
    ArgumentError, ArgumentTypeError, DeviceNotFoundError, DriverError
        As for :class:`OutputStream`.

    Examples
    --------
    >>> voicecoil.play("song.flac").wait()
    >>> voicecoil.play(0.1 * np.sin(np.arange(48000) * 0.05), 48000)
    """
    from voicecoil.files.convert import as_source

    gain = check_gain(gain)
    loops = check_count(loops, "loops", "how often it is played, or 0 for ever")
    check_sound_first(sound, samplerate)
    check_samplerate(samplerate)
    block_frames = check_blocksize(blocksize)
    stream_name = check_stream_name(name)

    generation = exit_and_fork.generation()  # the source may fork

    def begin() -> Playback:
        source = as_source(sound, samplerate)
        try:
            chosen = get_driver(driver)
            policy = check_on_device_lost(on_device_lost)
            target, _ = find_or_await(device, ("output",), chosen, policy)
            output = output_for(chosen, target, channels, block_frames, policy, stream_name)
            try:
                return _play_on(output, sound, source, mapping, gain, loops)
            finally:
                if not exit_and_fork.forked(generation):
                    output.let_go()
        except BaseException:
            if not exit_and_fork.forked(generation):  # in a child, the source is the parent's
                source.close()
            raise

    return uninterrupted("play", begin, undo=lambda playback: playback.stop(0.0))


def _play_on(
    output: Output, sound: Any, source: Source, mapping: Any, gain: float, loops: int
) -> Playback:
    from voicecoil.files.convert import as_source, converted, read_all
    from voicecoil.files.loop import LoopedSource

    stream = output.stream
    is_array = hasattr(sound, "dtype")
    converts = source.samplerate != stream.samplerate
    memory_loops = 1
    if is_array and not converts:
        memory_loops = loops  # the mixer repeats the array without copies
    elif loops != 1:
        source = LoopedSource(source, loops)
    long = source.frames is None or source.frames > AHEAD_S * source.samplerate
    if is_array and converts and long:
        # A long array is converted while it plays, because converting it now would block the
        # caller. It is copied, because the caller may change the array after `play` returns.
        source = as_source(sound.copy(), source.samplerate)
        source = source if loops == 1 else LoopedSource(source, loops)
        is_array = False
    ready = converted(source, stream.samplerate, stream.channels, mapping)
    if is_array:
        frames = ready.frames * memory_loops if ready.frames and memory_loops else None
        memory = read_all(ready)
        clip = _core.MixerClip.from_memory(memory, memory_loops, None, gain)
        output.add(clip)
        return Playback(output, clip, None, frames, count_nonfinite(memory))
    reader = Reader(ready, stream.samplerate)
    clip = _core.MixerClip.from_ring(reader.ring, None, gain)
    if output.may_wait:
        clip.wait_for_ring()
    output.add(clip)
    try:
        reader.start(lambda: clip.state != _core.CLIP_DONE and output.usable)
    except BaseException:
        reader.ring.end()  # otherwise the clip would wait for more frames without end
        raise
    return Playback(output, clip, reader, ready.frames)
