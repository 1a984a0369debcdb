"""Playing arrays and files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from voicecoil.arguments import (
    check_blocksize,
    check_samplerate,
    check_sound_first,
    check_stream_name,
)
from voicecoil.drivers.choose import get_driver
from voicecoil.drivers.protocol import Device, Driver
from voicecoil.lifetime import exit_and_fork
from voicecoil.lifetime.uninterrupted import uninterrupted
from voicecoil.resources import resource_errors
from voicecoil.sounds.mixing import output_for
from voicecoil.sounds.play_on import play_on, refuse_impossible
from voicecoil.sounds.play_request import OnLate, PlayRequest
from voicecoil.sounds.playback import Playback
from voicecoil.sounds.sound import Sound
from voicecoil.streams.recovery import OnDeviceLost, check_on_device_lost, find_or_await

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from voicecoil.files.channels import Mapping
    from voicecoil.files.protocol import Source

__all__ = ["play"]


@resource_errors("play")
def play(
    sound: Sound | NDArray[Any] | str | os.PathLike[str] | Source,
    samplerate: float | None = None,
    *,
    device: str | Device | None = None,
    driver: str | Driver | None = None,
    channels: int | Sequence[int] | None = None,
    mapping: Mapping | None = None,
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
    on_late: OnLate = "raise",
    blocksize: int | None = None,
    on_device_lost: OnDeviceLost = "stop",
    name: str | None = None,
) -> Playback:
    """Play an array or a file. Returns at once, and sounds can overlap.

    All sounds end with the program. Use ``play(...).wait()`` to hear a sound to its end.

    Parameters
    ----------
    sound : Sound, array, path or source
        An array of float32 or float64 in -1..1, or of int16, int32 or uint8, with the shape
        (frames,) or (frames, channels). It may be changed after the call. Or the path of a WAV,
        AIFF, FLAC, OGG, MP3 or CAF file, which is read from disk while it plays. Or an object with
        the methods of :class:`voicecoil.files.Source`, which is read from its present position and
        then closed. Or a :class:`Sound`.
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
    at_frame : int or None
        The frame of the device's mixer at which the sound begins, as `started_frame` and
        `mixer_frame` of a :class:`Playback` count them. They count from 0 when the device is
        opened.
    at_ns : int or None
        Host time at which the first frame is at the connector, ns; see :meth:`Playback.now_ns`. It
        becomes a frame in the block that contains it, by the device's clock at that time.
    in_s : float or None
        The same, counted from now, s. Give at most one of these three.
    gain : float
        Linear gain.
    pan : float
        -1 (left) to 1 (right). 0 leaves both channels as they are.
    rate : float
        0.01 to 100. 2 plays twice as fast and an octave higher. Frames between those of the sound
        are interpolated (cubic); nothing is filtered.
    loops : int
        Number of times that the loop is played; 0 repeats it until the sound is stopped.
    loop_start, loop_end : int, int or None
        The frames of the sound that are repeated, from `loop_start` up to and without `loop_end`,
        at the rate of the sound; None: to the end. After the last pass, the sound goes on after
        the loop.
    start : int
        The frame of the sound with which it begins, at the rate of the sound.
    fade_in_s : float
        Duration of the fade-in, s.
    fade_out_s : float
        Duration of the fade-out at the end of the sound, s, at rate 1.
    on_late : {"raise", "play", "skip"}
        What happens if the time has passed. "raise": `TimePassedError`; "play": the sound begins at
        once, and `late_s` of the `Playback` tells how late; "skip": the same if it is less than
        1 ms late, otherwise it is not played. If the time passes during the call, "raise" does the
        same as "play". A file that is not read in time begins late.
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
    TimePassedError
        The time has passed; `late_s` of the error tells by how much.
    SeekError
        `start` or the loop points are given, and the source cannot go to another frame.
    ArgumentError, ArgumentTypeError, DeviceNotFoundError, DriverError
        As for :class:`OutputStream`.

    Examples
    --------
    >>> voicecoil.play("song.flac").wait()
    >>> voicecoil.play(0.1 * np.sin(np.arange(48000) * 0.05), 48000)
    """
    request = PlayRequest.of(
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
    )
    if isinstance(sound, Sound):
        rate_of_sound = sound.samplerate
        sound, samplerate = sound.array(samplerate), rate_of_sound
    check_sound_first(sound, samplerate)
    check_samplerate(samplerate)
    block_frames = check_blocksize(blocksize)
    stream_name = check_stream_name(name)
    where = device, driver, channels, block_frames, on_device_lost, stream_name
    return uninterrupted(
        "play",
        lambda: _begin(sound, samplerate, mapping, request, where),
        undo=lambda playback: playback.stop(0.0),
    )


def _begin(
    sound: Any,
    samplerate: float | None,
    mapping: Mapping | None,
    request: PlayRequest,
    where: tuple[Any, Any, Any, int | None, OnDeviceLost, str],
) -> Playback:
    from voicecoil.files.convert import as_source

    device, driver, channels, block_frames, on_device_lost, name = where
    generation = exit_and_fork.generation()  # the source may fork
    source = as_source(sound, samplerate)
    try:
        request = request.within(source.frames)
        refuse_impossible(sound, source, request)
        chosen = get_driver(driver)
        policy = check_on_device_lost(on_device_lost)
        target, _ = find_or_await(device, ("output",), chosen, policy)
        output = output_for(chosen, target, channels, block_frames, policy, name, at_once=False)
        try:
            return play_on(output, sound, source, mapping, request)
        finally:
            if not exit_and_fork.forked(generation):
                output.let_go()
    except BaseException:
        if not exit_and_fork.forked(generation):  # in a child, the source is the parent's
            source.close()
        raise
