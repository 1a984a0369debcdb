"""From the arguments of `play` to a sound in the mixer of a device."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from voicecoil import _core
from voicecoil.errors import ArgumentError, SeekError
from voicecoil.files.read_ahead import AHEAD_S, Reader, count_nonfinite
from voicecoil.sounds.control import can_seek
from voicecoil.sounds.gain import RAMP_S
from voicecoil.sounds.mixing import Output
from voicecoil.sounds.play_request import PlayRequest, ramp_frames
from voicecoil.sounds.playback import Playback

if TYPE_CHECKING:
    from voicecoil.files.protocol import Source

__all__ = ["play_on", "refuse_impossible"]

READY_S = 0.1  # longest wait for the first frames of a file, before its device is started


def play_on(
    output: Output, sound: Any, source: Source, mapping: Any, request: PlayRequest
) -> Playback:
    """Play a sound on an output that the caller holds.

    Parameters
    ----------
    output : Output
    sound : array, path or source
        As it was given to `play`.
    source : Source
        The sound as a source.
    mapping : sequence, array or None
        As for `play`.
    request : PlayRequest
        As for `play`, checked for the length of the source and by `refuse_impossible`.
    """
    from voicecoil.files.convert import as_source, converted

    stream = output.stream
    begin = round(request.start * stream.samplerate / source.samplerate)
    if hasattr(sound, "dtype"):
        if source.samplerate == stream.samplerate:  # C repeats the array without copies
            ready = converted(source, stream.samplerate, stream.channels, mapping)
            return _play_memory(output, ready, request, begin, repeats=True)
        looped = _looped(source, request)
        if looped.frames is not None and looped.frames <= AHEAD_S * looped.samplerate:
            ready = converted(looped, stream.samplerate, stream.channels, mapping)
            return _play_memory(output, ready, request, begin, repeats=False)
        # A long array is converted while it plays, because converting it now would block the
        # caller. It is copied, because the caller may change the array after `play` returns.
        source = as_source(sound.copy(), source.samplerate)
    ready = converted(_looped(source, request), stream.samplerate, stream.channels, mapping)
    seeks = _has_points(request, source.frames)
    return _play_ahead(output, sound, ready, request, begin if seeks else None)


def _has_points(request: PlayRequest, frames: int | None) -> bool:
    """Return whether a part of the sound is left out, or a part of it is repeated."""
    part = (request.loop_start, request.loop_end) != (0, frames)
    return request.start > 0 or (part and request.loops != 1)


def refuse_impossible(sound: Any, source: Source, request: PlayRequest) -> None:
    """Raise why a source cannot be played as requested."""
    if source.frames is None and request.fade_out_s > 0 and request.loops != 0:
        raise ArgumentError(
            f"fade_out_s={request.fade_out_s:g}, but this source states no length, so its end is "
            "not known before it comes; leave fade_out_s out, or play voicecoil.Sound(source)"
        )
    if not _has_points(request, source.frames):
        return
    if not can_seek(sound):
        raise SeekError(
            "start, loop_start and loop_end need a source that can go to another frame; play a "
            "file, an array, voicecoil.Sound(source), or a source whose seekable() returns True"
        )
    if request.loop_end is None and request.loops != 1:
        raise ArgumentError("this source states no length; give loop_end as well")


def _looped(source: Source, request: PlayRequest) -> Source:
    """Return a source with the loops. A conversion of the rate comes after them."""
    from voicecoil.files.loop import LoopedSource
    from voicecoil.files.loop_points import LoopPoints

    end = request.loop_end
    if request.loops == 1 or (end is not None and request.start >= end > 0):
        return source
    if not _has_points(request, source.frames) or end is None:
        return LoopedSource(source, request.loops)
    return LoopPoints(source, request.loops, request.loop_start, end)


def _set_options(
    output: Output,
    clip: _core.MixerClip,
    request: PlayRequest,
    *,
    begin: int,
    frames: int | None,
    loop: tuple[int, int] = (0, 0),
    loops: int = 1,
) -> None:
    samplerate = output.stream.samplerate
    fade_out = ramp_frames(request.fade_out_s, samplerate) if frames is not None else 0
    clip.set_options(
        when=request.when,
        at=output.moment(request),
        skips_late=request.on_late == "skip",
        loop=loop,
        loops=loops,
        start=begin,
        fades=(ramp_frames(request.fade_in_s, samplerate), min(fade_out, frames or 0)),
        end=frames or 0,
        pan=request.pan,
        rate=request.rate,
    )


def _play_memory(
    output: Output, ready: Source, request: PlayRequest, begin: int, *, repeats: bool
) -> Playback:
    """Play a sound that is read now. With `repeats`, C makes the loops."""
    from voicecoil.files.convert import read_all

    memory = read_all(ready)
    length = len(memory)
    loops, loop = 1, (0, length)
    if repeats and request.start < (request.loop_end or 0):
        loops, loop = request.loops, (request.loop_start, request.loop_end or 0)
    frames = length + (loops - 1) * (loop[1] - loop[0]) if length and loops else None
    clip = _core.MixerClip.from_memory(memory, loops, None, request.gain)
    clip.prepare(0, ramp_frames(RAMP_S, output.stream.samplerate))
    begin = min(begin, length) if repeats else begin
    _set_options(output, clip, request, begin=begin, frames=frames, loop=loop, loops=loops)
    output.add(clip)
    return Playback(output, clip, None, frames, request, count_nonfinite(memory))


def _play_ahead(
    output: Output, sound: Any, ready: Source, request: PlayRequest, begin: int | None
) -> Playback:
    """Play a sound that a thread reads ahead, from frame `begin` on; None: where the source is."""
    samplerate = output.stream.samplerate
    if begin is not None and ready.frames is not None:
        begin = min(begin, ready.frames)
    reader = Reader(ready, samplerate, can_seek(sound), begin)
    clip = _core.MixerClip.from_ring(reader.ring, None, request.gain)
    clip.prepare(reader.prefill_frames, ramp_frames(RAMP_S, samplerate))
    if output.has_virtual_clock:
        clip.wait_for_ring(output.may_wait)
    reader.start(clip, lambda: clip.state < _core.CLIP_DONE and output.usable)
    try:
        if isinstance(sound, (str, os.PathLike)):
            # A source of the program may need the caller's thread, so only a file is waited for.
            reader.wait_ready(READY_S)
        _set_options(output, clip, request, begin=begin or 0, frames=ready.frames)
        output.add(clip)
    except BaseException:
        reader.end()
        reader.join()
        raise
    return Playback(output, clip, reader, ready.frames, request)
