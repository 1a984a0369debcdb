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
    check_timeout,
)
from voicecoil.drivers.choose import get_driver
from voicecoil.drivers.protocol import Device, Driver
from voicecoil.errors import StreamStateError
from voicecoil.events import Event
from voicecoil.files.read_ahead import AHEAD_S, Reader, count_nonfinite
from voicecoil.levels import Level
from voicecoil.lifetime.uninterrupted import uninterrupted
from voicecoil.resources import resource_errors
from voicecoil.sounds.mixing import Output, output_for
from voicecoil.streams.recovery import OnDeviceLost, check_on_device_lost, find_or_await

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from voicecoil.files.channels import Mapping
    from voicecoil.files.source import Source

from voicecoil.sealed import Unique

__all__ = ["Playback", "play"]

POLL_S = 0.02


class Playback(Unique):
    """One sound on its way to a device; what :func:`play` returns.

    It goes on when nobody keeps it, and ends by itself or with the program: :meth:`wait` for it.
    """

    def __init__(
        self,
        output: Output,
        clip: _core.Clip,
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
        self._over = False  # it was stopped while there was no device
        self._furthest = 0  # frames; when the output is closed nobody can ask how far it came

    @property
    def samplerate(self) -> float:
        """The rate it is played at, which all frame counts here are in, Hz."""
        return self._output.stream.samplerate

    @property
    def device(self) -> Device:
        """Where it is played."""
        return self._output.stream.device

    @property
    def frames(self) -> int | None:
        """How long the sound is, frames; None: it is endless, or its file does not say."""
        return self._frames

    @property
    def position(self) -> int:
        """Frames of it that were heard."""
        heard = self._output.heard_frames()  # asked first: the clip can only be further
        started = self._clip.started_at
        if started is None:
            return 0  # not even the first frame was mixed
        mixed = self._clip.position
        on_its_way = started + mixed + self._clip.starved_frames - heard
        self._furthest = max(self._furthest, mixed - max(0, on_its_way))
        return self._furthest

    @property
    def position_s(self) -> float:
        """The same in seconds."""
        return self.position / self.samplerate

    @property
    def playing(self) -> bool:
        """Whether some of it is still to be heard."""
        return self._output.usable and not self._over and not self._heard_out()

    @property
    def starved_frames(self) -> int:
        """Frames of silence that were played because its file was not read in time."""
        return self._clip.starved_frames

    @property
    def nonfinite_samples(self) -> int:
        """Samples of it that are NaN or infinite, which are played as silence.

        They are counted at the rate and with the channels of the device, as far as the sound has
        been read, and once if an array is repeated.
        """
        read = self._reader.nonfinite_samples if self._reader is not None else 0
        return self._memory_nonfinite + read

    def stop(self, fade_s: float = 0.01) -> None:
        """Fades it out and ends it; returns at once. A second stop can hurry that.

        Parameters
        ----------
        fade_s : float
            s; 0: cut off.
        """
        self._output.stream._refuse_in_fork()
        seconds = check_seconds(fade_s, "fade_s")
        if self._done_mixing() or self._over:
            return
        fade_frames = min(int(seconds * self.samplerate), 2**32 - 1)
        self._over = uninterrupted("stop", lambda: self._output.stop(self._clip, fade_frames))
        self._stopped = True

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until its last frame was heard.

        Parameters
        ----------
        timeout : float or None
            s; None: for ever.

        Returns
        -------
        bool
            False: `timeout` passed.

        Raises
        ------
        DeviceLostError
            The device went away before the sound ended.
        StreamStateError
            The output was closed before the sound ended.
        FileFormatError, OSError
            The file could not be read to its end; what came before was played. Once.
        """
        seconds = check_timeout(timeout)
        self._output.stream._refuse_in_fork()
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
            if (trouble := self._output.stream._trouble()) is not None:
                raise trouble
            raise StreamStateError(
                f"the output on {self.device.name!r} was closed before the sound ended; "
                "wait() before that"
            )
        if self._reader is not None and (error := self._reader.error.take()) is not None:
            raise error
        return True

    def events(self) -> list[Event]:
        """Takes what happened to its device since the last call, oldest first.

        To all that is playing there, so that only one of several sounds is told.
        """
        return self._output.stream.events()

    def levels(self) -> list[Level]:
        """Level of each channel of the device since the last call.

        Of all that is playing there, so it says little about one of several sounds.
        """
        return self._output.stream.levels()

    def _ask(self) -> None:
        """Notes that somebody waits, who will see an error of the reader."""
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
    channels: int | None = None,
    mapping: Mapping | None = None,
    gain: float = 1.0,
    loops: int = 1,
    blocksize: int | None = None,
    on_device_lost: OnDeviceLost = "stop",
) -> Playback:
    """Plays an array or a file; returns at once. Sounds overlap.

    Sound ends with the program: ``play(...).wait()`` hears it out.

    Parameters
    ----------
    sound : array, path or source
        float32 or float64 -1..1, or int16, int32, uint8, shape (frames,) or (frames, channels),
        which may be changed afterwards; or a file: WAV, AIFF, FLAC, OGG, MP3, CAF, read from disk
        while it plays; or anything with the methods of :class:`voicecoil.files.Source`, which is
        read from where it is and then closed.
    samplerate : float or None
        The array's rate, Hz; needed for an array. A file knows its own.
    device, driver
        As for :class:`OutputStream`.
    channels : int or None
        How many of the device's channels; None: two, or as many as there are. A device that is
        playing already keeps its own.
    mapping : sequence or array, optional
        For each of the device's channels the sound's channel, 0-based, or None; or a matrix of
        gains. Default: mono to all, equal counts one to one, else a downmix.
    gain : float
        Linear.
    loops : int
        How often; 0: for ever.
    blocksize : int or None
        Frames per IO cycle that the device is asked for.
    on_device_lost : {"stop", "wait", "default"}
        As for :class:`OutputStream`. The sound goes on where it was; only what was on its way to
        the ear is missing.

    Returns
    -------
    Playback

    Raises
    ------
    FileMissingError, FileFormatError
        The file is not there, or is no audio.
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
    check_samplerate(samplerate)
    block_frames = check_blocksize(blocksize)

    def begin() -> Playback:
        source = as_source(sound, samplerate)
        try:
            chosen = get_driver(driver)
            policy = check_on_device_lost(on_device_lost)
            target, _ = find_or_await(device, ("output",), chosen, policy)
            output = output_for(chosen, target, channels, block_frames, policy)
            try:
                return _play_on(output, sound, source, mapping, gain, loops)
            finally:
                output.let_go()
        except BaseException:
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
        memory_loops = loops  # the mixer repeats it, at no cost
    elif loops != 1:
        source = LoopedSource(source, loops)
    long = source.frames is None or source.frames > AHEAD_S * source.samplerate
    if is_array and converts and long:
        # Converting it all now would keep the caller; it is converted while it plays. The copy
        # keeps the promise that the caller may change the array.
        source = as_source(sound.copy(), source.samplerate)
        source = source if loops == 1 else LoopedSource(source, loops)
        is_array = False
    ready = converted(source, stream.samplerate, stream.channels, mapping)
    if is_array:
        frames = ready.frames * memory_loops if ready.frames and memory_loops else None
        memory = read_all(ready)
        clip = _core.Clip.from_memory(memory, memory_loops, None, gain)
        output.add(clip)
        return Playback(output, clip, None, frames, count_nonfinite(memory))
    reader = Reader(ready, stream.samplerate)
    clip = _core.Clip.from_ring(reader.ring, None, gain)
    if output.may_wait:
        clip.wait_for_ring()
    output.add(clip)
    try:
        reader.start(lambda: clip.state != _core.CLIP_DONE and output.usable)
    except BaseException:
        reader.ring.end()  # the clip would wait for more for ever
        raise
    return Playback(output, clip, reader, ready.frames)
