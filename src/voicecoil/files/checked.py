"""Checks of sources that are written by users of this library."""

from __future__ import annotations

from operator import index
from typing import TYPE_CHECKING, Any

from voicecoil.errors import ArgumentError, ArgumentTypeError
from voicecoil.files.channels import check_channels
from voicecoil.files.rates import check_file_rate
from voicecoil.wording import with_article

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["CheckedSource"]


class CheckedSource:
    """Wraps a user's source and checks each block that the source returns.

    float64 is converted, and shape ``(n,)`` counts as one channel. Any other block that is not
    float32 of shape ``(n, channels)`` raises an error that states the dtype or the shape.

    Parameters
    ----------
    source : Source

    Raises
    ------
    ArgumentTypeError, ArgumentError
        The source lacks a method, or its rate, channels or frames are impossible.
    """

    def __init__(self, source: Any) -> None:
        self._source = source
        self._name = type(source).__name__
        for method in ("read", "seek", "close"):
            if not callable(getattr(source, method, None)):
                raise ArgumentTypeError(
                    f"{with_article(self._name)} is not a source: it has no method {method!r}. "
                    "A source has read, seek, close, samplerate, channels and frames"
                )
        self.samplerate = check_file_rate(source.samplerate, f"{self._name}.samplerate")
        self.channels = check_channels(source.channels, f"{self._name}.channels")
        try:
            self.frames = None if source.frames is None else index(source.frames)
        except TypeError:
            self.frames = -1
        if self.frames is not None and self.frames < 0:
            raise ArgumentTypeError(
                f"{self._name}.frames is {source.frames!r}; give how many frames there are, or "
                "None if that is not known"
            )

    def read(self, max_frames: int) -> NDArray[np.float32]:
        """Return the next frames; see :class:`~voicecoil.files.Source`."""
        import numpy as np

        block = self._source.read(max_frames)
        expected = f"return float32 of shape (n, {self.channels}), n at most {max_frames}"
        call = f"{self._name}.read({max_frames})"
        if not isinstance(block, np.ndarray):
            given = with_article(type(block).__name__)
            raise ArgumentTypeError(f"{call} returned {given}; {expected}")
        if block.dtype not in (np.float32, np.float64):
            raise ArgumentTypeError(f"{call} returned dtype {block.dtype}; {expected}")
        if block.ndim == 1 and self.channels == 1:
            block = block[:, np.newaxis]
        if block.ndim != 2 or block.shape[1] != self.channels or len(block) > max_frames:
            turned = block.ndim == 2 and block.shape[0] == self.channels
            raise ArgumentError(
                f"{call} returned the shape {block.shape}; {expected}"
                + (". It looks transposed: use .T" if turned else "")
            )
        with np.errstate(over="ignore"):
            return np.ascontiguousarray(block, dtype=np.float32)

    def seek(self, frame: int) -> None:
        """Go to a frame, 0 to `frames`."""
        self._source.seek(frame)

    def close(self) -> None:
        """Close the source."""
        self._source.close()
