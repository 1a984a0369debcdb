"""Control of all sounds at once, and which sources can go to another frame."""

from __future__ import annotations

import os
from functools import partial
from typing import Any

from voicecoil import _core
from voicecoil.arguments import check_fade
from voicecoil.errors import StreamStateError
from voicecoil.lifetime.uninterrupted import uninterrupted
from voicecoil.sounds.mixing import outputs
from voicecoil.sounds.playback import RAMP_S, playbacks

__all__ = ["can_seek", "stop_all"]


def can_seek(sound: Any) -> bool:
    """Whether a sound can go to another frame. Arrays and files can.

    Every source has a method `seek`. A source that cannot use it, such as a pipe, says so with a
    method ``seekable()``, as the files of Python do.
    """
    if hasattr(sound, "dtype") or isinstance(sound, (str, os.PathLike)):
        return True
    seekable = getattr(sound, "seekable", None)
    return bool(seekable()) if callable(seekable) else True


def stop_all(fade_s: float = RAMP_S) -> None:
    """Fade out and end all sounds of :func:`play`, on all devices. Returns at once.

    This includes sounds whose :class:`Playback` the program has dropped. Streams and recordings
    continue.

    Parameters
    ----------
    fade_s : float
        Duration of the fade, s. 0 ends the sounds without a fade.

    Raises
    ------
    StreamStateError
        An output has so many commands that wait for its next IO cycle that it takes no more. The
        other outputs' sounds end.

    Examples
    --------
    >>> voicecoil.stop_all(fade_s=0.5)
    """
    seconds = check_fade(fade_s)
    refusals: list[StreamStateError] = []
    held = playbacks.now()
    for playback in held:
        try:
            playback.stop(seconds)
        except StreamStateError as error:
            refusals.append(error)
    for output in outputs():
        frames = output.fade_frames(seconds)
        for clip in output.mixer.playing():
            is_dropped = not any(playback.is_of(clip) for playback in held)
            if is_dropped and clip.state < _core.CLIP_DONE:
                try:
                    uninterrupted("stop", partial(output.stop, clip, frames))
                except StreamStateError as error:
                    refusals.append(error)
    if refusals:
        raise refusals[0]
