"""The protocol of sources, from which `play` and `render` read frames."""

from __future__ import annotations

from operator import index
from typing import TYPE_CHECKING, Protocol

from voicecoil.arguments import shown
from voicecoil.errors import ArgumentError, ArgumentTypeError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Sink", "Source", "check_max_frames", "check_seek"]

MOST_FRAMES = 2**53 - 1  # positions are counted as floating-point numbers, too


class Source(Protocol):
    """An object that returns frames, one block after the other.

    Attributes
    ----------
    samplerate : int
        Frames per second.
    channels : int
    frames : int or None
        Total number of frames; None if it is unknown.
    """

    @property
    def samplerate(self) -> int: ...

    @property
    def channels(self) -> int: ...

    @property
    def frames(self) -> int | None: ...

    def read(self, max_frames: int) -> NDArray[np.float32]:
        """Return the next frames.

        Parameters
        ----------
        max_frames : int
            Largest number of frames to return, 1 or more.

        Returns
        -------
        ndarray of float32, shape (n, channels)
            ``n`` is `max_frames` until fewer frames are left. At the end and after it, ``n`` is 0.
        """
        ...

    def seek(self, frame: int) -> None:
        """Go to a frame.

        Parameters
        ----------
        frame : int
            The frame that the next `read` begins with, 0 to `frames`.
        """
        ...

    def close(self) -> None:
        """Release all resources. A second call has no effect."""
        ...


class Sink(Protocol):
    """An object that `record` writes frames to: a file or a pipe.

    Attributes
    ----------
    path : str
        Its name, for messages and results.
    clipped_samples : int
        Samples beyond full scale that the sink could not store.
    """

    @property
    def path(self) -> str: ...

    @property
    def clipped_samples(self) -> int: ...

    def write(self, frames: NDArray[np.float32]) -> None:
        """Append the frames."""
        ...

    def close(self) -> None:
        """Complete the file. A second call has no effect."""
        ...

    def discard(self) -> None:
        """Close the file after an error."""
        ...


def check_max_frames(max_frames: int) -> int:
    """Return `max_frames` as an int >= 1, or raise ArgumentTypeError or ArgumentError."""
    try:
        number = index(max_frames)
    except TypeError:
        raise ArgumentTypeError(
            f"max_frames is {shown(max_frames)}; give an integer of 1 or more, such as 4096"
        ) from None
    if number < 1:
        raise ArgumentError(f"max_frames is {number}; give 1 or more, such as 4096")
    return number


def check_seek(frame: float, frames: int | None) -> int:
    """Return `frame` as an int in 0..frames, or raise ArgumentTypeError or ArgumentError.

    A float that is a whole number is possible, because ``2 * playback.samplerate`` is a float.
    """
    last = f"the end, at most {MOST_FRAMES}" if frames is None else str(frames)
    try:
        if isinstance(frame, float):
            number = int(frame) if frame.is_integer() else index(frame)  # type: ignore[arg-type]
        else:
            number = index(frame)
    except TypeError:
        raise ArgumentTypeError(
            f"frame is {shown(frame)}; give an integer from 0 to {last}"
        ) from None
    if number < 0 or number > (MOST_FRAMES if frames is None else frames):
        raise ArgumentError(f"frame is {shown(number)}; use 0 to {last}")
    return number
