"""Playing arrays and files."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from typing import TYPE_CHECKING, Any

from voicecoil import _core, control
from voicecoil.arguments import (
    check_blocksize,
    check_gain,
    check_samplerate,
    check_timeout,
)
from voicecoil.devices import find_device
from voicecoil.drivers.choose import get_driver
from voicecoil.drivers.driver import Device, Driver
from voicecoil.errors import ArgumentError, VoicecoilError
from voicecoil.output import Output, output_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from voicecoil.channels import Mapping

__all__ = ["Playback", "play"]

AHEAD_S = 4.0  # how far a file is read ahead: what a busy program may keep the reader from
PREFILL_S = 0.2  # how much of that before the first frame is heard
CHUNK_FRAMES = 8192
POLL_S = 0.005


class _Reader:
    """Reads a source ahead into a ring, on a thread of its own."""

    def __init__(self, source: Any, samplerate: float) -> None:
        self.source = source
        self.ring = _core.Ring(int(AHEAD_S * samplerate), source.channels)
        self.error: BaseException | None = None
        self._ended = threading.Event()
        self._pause_s = self.ring.capacity / samplerate / 8
        self._wanted: Callable[[], bool] = lambda: True
        self._thread = threading.Thread(target=self._run, name="voicecoil reader", daemon=True)
        self._generation = control.generation()
        self._more_to_read = self._fill(int(PREFILL_S * samplerate))

    def start(self, wanted: Callable[[], bool]) -> None:
        """Reads on, as long as `wanted` says that somebody listens."""
        self._wanted = wanted
        control.register(self)
        self._thread.start()

    def _fill(self, frames: int) -> bool:
        """Reads until the ring holds `frames` or is full. False: that was all."""
        while self.ring.readable < frames and not self._ended.is_set():
            room = min(CHUNK_FRAMES, self.ring.writable)
            if room == 0:
                return True
            block = self.source.read(room)
            if len(block) == 0:
                return False
            self.ring.write(block)
        return True

    def _run(self) -> None:
        try:
            more = self._more_to_read
            while more and not self._ended.is_set() and self._wanted():
                more = self._fill(self.ring.capacity)
                if more:
                    self._ended.wait(self._pause_s)
        except BaseException as error:
            self.error = error
        finally:
            self.ring.end()
            with contextlib.suppress(Exception):
                self.source.close()

    def end(self) -> None:
        self._ended.set()

    def close_at_exit(self, timeout_s: float) -> None:
        self.end()
        if not control.forked(self._generation):
            self._thread.join(timeout_s)


class Playback:
    """One sound on its way to a device; what :func:`play` returns.

    It goes on when nobody keeps it, and ends by itself.
    """

    def __init__(
        self, output: Output, clip: _core.Clip, reader: _Reader | None, frames: int | None
    ) -> None:
        self._output = output
        self._clip = clip
        self._reader = reader
        self._frames = frames
        self._stopped = False

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
        handed_over = self._clip.position
        if self._done_mixing():
            end = (self._clip.started_at or 0) + handed_over + self._clip.starved_frames
            on_its_way = end + self._latency_frames() - self._output.mixer.frames
            if not self._output.stream.active:
                on_its_way = 0
        else:
            on_its_way = self._latency_frames()
        return max(0, handed_over - max(0, on_its_way))

    @property
    def position_s(self) -> float:
        """The same in seconds."""
        return self.position / self.samplerate

    @property
    def playing(self) -> bool:
        """Whether some of it is still to be heard."""
        if not self._output.stream.active:
            return False
        if not self._done_mixing():
            return True
        return self.position < self._clip.position

    @property
    def starved_frames(self) -> int:
        """Frames of silence that were played because its file was not read in time."""
        return self._clip.starved_frames

    def stop(self, fade_s: float = 0.01) -> None:
        """Fades it out and ends it; returns at once.

        Parameters
        ----------
        fade_s : float
            s; 0: cut off.
        """
        seconds = check_timeout(fade_s, "fade_s") or 0.0
        self._stopped = True
        if self._output.stream.active and not self._done_mixing():
            frames = min(int(seconds * self.samplerate), 2**31)
            self._output.stop(self._clip, frames)
        if self._reader is not None and seconds == 0.0:
            self._reader.end()

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
            The device went away.
        FileFormatError, OSError
            The file could not be read to its end; what came before was played.
        """
        seconds = check_timeout(timeout)
        until = None if seconds is None else time.monotonic() + seconds
        while self.playing:
            self._raise_lost()
            if until is not None and time.monotonic() >= until:
                return False
            time.sleep(POLL_S)
        self._raise_lost()
        if self._reader is not None and self._reader.error is not None:
            error, self._reader.error = self._reader.error, None
            raise error
        return True

    def levels(self) -> list[tuple[float, float]]:
        """(peak, root mean square) of each channel of the device since the last call, linear.

        Of all that is playing there.
        """
        return [(peak, square**0.5) for peak, square in self._output.levels()]

    def _latency_frames(self) -> int:
        return self._output.stream.latency.frames

    def _done_mixing(self) -> bool:
        return bool(self._clip.state == _core.CLIP_DONE)

    def _raise_lost(self) -> None:
        connection = self._output.stream._connection
        if connection is None or self._done_mixing() or self._stopped:
            return
        if (trouble := connection.driver_stream.trouble()) is not None:
            raise trouble
        if not self._output.stream.active:
            raise VoicecoilError(
                f"the output on {self.device.name!r} was closed before the sound ended"
            )

    def __repr__(self) -> str:
        state = "playing" if self.playing else "done"
        return f"<Playback on {self.device.name!r}, {state}, {self.position_s:.3f} s heard>"


def play(
    sound: NDArray[Any] | str | os.PathLike[str],
    samplerate: float | None = None,
    *,
    device: str | Device | None = None,
    driver: str | Driver | None = None,
    channels: int | None = None,
    mapping: Mapping | None = None,
    gain: float = 1.0,
    loops: int = 1,
    blocksize: int | None = None,
) -> Playback:
    """Plays an array or a file; returns at once. Sounds overlap.

    Parameters
    ----------
    sound : array_like or path
        float32 or float64 -1..1, or an integer type, shape (frames,) or (frames, channels); or a
        file: WAV, AIFF, FLAC, OGG, MP3, CAF, read from disk while it plays.
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
        How often; 0: for ever. Arrays only.
    blocksize : int or None
        Frames per IO cycle that the device is asked for.

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
    from voicecoil.conversion import as_source, converted, read_all

    gain = check_gain(gain)
    if isinstance(loops, bool) or not isinstance(loops, int) or loops < 0:
        raise ArgumentError(f"loops={loops!r}; give how often it is played, or 0 for ever")
    check_samplerate(samplerate)
    block_frames = check_blocksize(blocksize)
    source = as_source(sound, samplerate)
    try:
        if loops != 1 and source.frames is None:
            raise ArgumentError(
                f"loops={loops}; only an array, or a file that knows its length, loops"
            )
        chosen = get_driver(driver)
        target = find_device(device, ("output",), chosen)
        output = output_for(chosen, target, source.samplerate, channels, block_frames)
        stream = output.stream
        ready = converted(source, stream.samplerate, stream.channels, mapping)
        frames = ready.frames
        reader = None
        if loops == 1 and isinstance(sound, (str, os.PathLike)):
            reader = _Reader(ready, stream.samplerate)
            clip = _core.Clip.from_ring(reader.ring, None, gain)
        else:
            clip = _core.Clip.from_memory(read_all(ready), loops, None, gain)
            frames = None if loops == 0 or frames is None else frames * loops
        while not output.add(clip):  # it was quiet and closed meanwhile
            output = output_for(chosen, target, stream.samplerate, stream.channels, block_frames)
        if reader is not None:
            reader.start(lambda: clip.state != _core.CLIP_DONE and output.stream.active)
    except BaseException:
        source.close()
        raise
    return Playback(output, clip, reader, frames)
