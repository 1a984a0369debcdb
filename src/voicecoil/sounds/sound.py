"""``Sound``: a sound in memory that mixers play any number of times."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from voicecoil.arguments import shown
from voicecoil.errors import ArgumentError
from voicecoil.files.convert import as_source, converted, read_all
from voicecoil.files.read_ahead import count_nonfinite
from voicecoil.resources import resource_errors
from voicecoil.sealed import Unique
from voicecoil.wording import plural

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from voicecoil.files.protocol import Source

__all__ = ["Sound"]


class Sound(Unique):
    """A sound in memory, which any number of mixers can play any number of times.

    It is read, checked and copied once. A mixer that runs at another rate converts it when it plays
    it for the first time.

    Parameters
    ----------
    sound : array, path or source
        As for :func:`play`. All of it is read.
    samplerate : float or None
        The array's sample rate, Hz. Required for an array. A file has its own rate.

    Raises
    ------
    FileMissingError, FileFormatError
        The file does not exist, or is not audio.
    ArgumentError, ArgumentTypeError
        This is not a sound, or has NaN or infinity in it.

    Examples
    --------
    >>> kick = vc.Sound("kick.wav")
    >>> mixer.play(kick)
    """

    @resource_errors("read the sound")
    def __init__(
        self, sound: NDArray[Any] | str | os.PathLike[str] | Source, samplerate: float | None = None
    ) -> None:
        source = as_source(sound, samplerate)
        self._samplerate = float(source.samplerate)
        frames = read_all(source)
        if wrong := count_nonfinite(frames):
            raise ArgumentError(
                f"{plural(wrong, 'sample')} of the sound are NaN or infinite; give finite samples"
            )
        frames.flags.writeable = False
        self._data = frames
        self._ready: dict[tuple[int, int], NDArray[np.float32]] = {}

    @property
    def samplerate(self) -> float:
        """Sample rate, Hz."""
        return self._samplerate

    def array(self, samplerate: Any = None) -> NDArray[np.float32]:
        """Return the frames.

        Parameters
        ----------
        samplerate : float or None
            None, or the rate of the sound; otherwise this is an error.

        Returns
        -------
        ndarray of float32, shape (frames, channels)
            The memory of the sound, which cannot be changed.
        """
        if samplerate not in (None, self._samplerate):
            raise ArgumentError(
                f"samplerate is {shown(samplerate)} and the sound has {self._samplerate:g}; "
                "leave it out"
            )
        return self._data

    @property
    def frames(self) -> int:
        """Length in frames."""
        return len(self._data)

    @property
    def channels(self) -> int:
        """Number of channels."""
        return int(self._data.shape[1])

    @property
    def duration_s(self) -> float:
        """Length, s."""
        return self.frames / self._samplerate

    @resource_errors("convert the sound")
    def _for_mixer(self, samplerate: float, channels: int) -> NDArray[np.float32]:
        """Returns the frames at a mixer's rate, with one channel or as many as it has."""
        own = 1 if self.channels == 1 else channels
        if (samplerate, own) == (self._samplerate, self.channels):
            return self._data
        key = int(samplerate), own
        data = self._ready.get(key)
        if data is None:
            source = converted(as_source(self._data, int(self._samplerate)), *key)
            data = self._ready[key] = read_all(source)
        return data

    def __repr__(self) -> str:
        return f"<Sound, {plural(self.channels, 'channel')}, {self.duration_s:.3f} s>"
