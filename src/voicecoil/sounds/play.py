"""Playing arrays and files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from voicecoil import _core
from voicecoil.arguments import (
    check_blocksize,
    check_count,
    check_gain,
    check_samplerate,
    check_sound_first,
    check_stream_name,
)
from voicecoil.drivers.choose import get_driver
from voicecoil.drivers.protocol import Device, Driver
from voicecoil.files.read_ahead import AHEAD_S, Reader, count_nonfinite
from voicecoil.lifetime import exit_and_fork
from voicecoil.lifetime.uninterrupted import uninterrupted
from voicecoil.resources import resource_errors
from voicecoil.sounds.control import can_seek
from voicecoil.sounds.gain import RAMP_S, check_pan
from voicecoil.sounds.mixing import Output, output_for
from voicecoil.sounds.playback import Playback
from voicecoil.streams.recovery import OnDeviceLost, check_on_device_lost, find_or_await

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from voicecoil.files.channels import Mapping
    from voicecoil.files.protocol import Source

__all__ = ["play"]

READY_S = 0.1  # longest wait for the first frames of a file, before its device is started


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
    pan: float = 0.0,
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
    pan : float
        -1 (left) to 1 (right). 0 leaves both channels as they are.
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

    levels = check_gain(gain), check_pan(pan)
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
            request = (channels, block_frames, policy, stream_name)
            output = output_for(chosen, target, *request, at_once=False)
            try:
                return _play_on(output, sound, source, mapping, levels, loops)
            finally:
                if not exit_and_fork.forked(generation):
                    output.let_go()
        except BaseException:
            if not exit_and_fork.forked(generation):  # in a child, the source is the parent's
                source.close()
            raise

    return uninterrupted("play", begin, undo=lambda playback: playback.stop(0.0))


def _play_on(
    output: Output,
    sound: Any,
    source: Source,
    mapping: Any,
    levels: tuple[float, float],
    loops: int,
) -> Playback:
    from voicecoil.files.convert import as_source, converted, read_all
    from voicecoil.files.loop import LoopedSource

    stream = output.stream
    gain, pan = levels
    ramp_frames = int(RAMP_S * stream.samplerate)
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
        clip.prepare(0, ramp_frames)
        clip.set_pan(pan, 0)
        output.add(clip)
        return Playback(output, clip, None, frames, gain, count_nonfinite(memory), pan)
    seekable = can_seek(sound)
    reader = Reader(ready, stream.samplerate, seekable)
    clip = _core.MixerClip.from_ring(reader.ring, None, gain)
    clip.prepare(reader.prefill_frames, ramp_frames)
    clip.set_pan(pan, 0)
    if output.has_virtual_clock:
        clip.wait_for_ring(output.may_wait)
    reader.start(clip, lambda: clip.state != _core.CLIP_DONE and output.usable)
    if isinstance(sound, (str, os.PathLike)):
        # A source of the program may need the caller's thread, so only a file is waited for.
        reader.wait_ready(READY_S)
    try:
        output.add(clip)
    except BaseException:
        reader.end()
        reader.join()
        raise
    return Playback(output, clip, reader, ready.frames, gain, pan=pan)
