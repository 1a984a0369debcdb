"""Chunks of samples that a program gives, and what is wrong with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from voicecoil import _core
from voicecoil.arguments import shown
from voicecoil.errors import ArgumentError, ArgumentTypeError
from voicecoil.sample_types import SampleType
from voicecoil.wording import plural, with_article

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["as_floats", "why_wrong"]


def why_wrong(code: int, chunk: Any, dtype: SampleType, channels: int) -> Exception:
    """Returns the error for a chunk that `PlayerCode` does not take, with the reason `code`."""
    name = with_article(type(chunk).__name__)
    if code == _core.NO_BUFFER:
        return ArgumentTypeError(
            f"a chunk is {name}; give a NumPy array of {dtype}, or bytes with samples of {dtype}"
        )
    if code == _core.WRONG_TYPE:
        given = getattr(chunk, "dtype", None) or memoryview(chunk).format
        return ArgumentTypeError(
            f'a chunk has the type {shown(str(given))}; this player was opened with dtype="{dtype}"'
            f': convert the chunk, such as with chunk.astype("{dtype}"), or open the player with '
            "another dtype"
        )
    if code == _core.NOT_FINITE:
        return ArgumentError("a chunk has NaN or infinity in it; nothing of it is played")
    view = memoryview(chunk)
    shapes = f"(frames, {channels})" + (" and (frames,)" if channels == 1 else "")
    if view.ndim == 1 and view.itemsize == 1:
        return ArgumentError(
            f"a chunk has {plural(view.nbytes, 'byte')}, and a frame of "
            f"{plural(channels, 'channel')} of {dtype} has another size; give whole frames"
        )
    return ArgumentError(
        f"a chunk has the shape {view.shape}; this player has {plural(channels, 'channel')}, so "
        f"possible are {shapes}. Open it with channels=... for another number"
    )


def as_floats(chunk: Any, dtype: SampleType, channels: int) -> NDArray[np.float32]:
    """Returns a chunk that was examined as frames of float32."""
    import numpy as np

    from voicecoil.files.arrays import as_float32

    samples = np.asarray(memoryview(chunk))
    if samples.dtype.name != dtype:
        samples = np.frombuffer(samples.tobytes(), dtype)
    return as_float32(samples.reshape(-1, channels))
