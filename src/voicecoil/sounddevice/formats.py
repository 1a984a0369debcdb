"""Sample formats of PortAudio, and the conversions that the engine does not make itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from voicecoil.arguments import shown

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["BYTES", "Layout", "check_format", "layout_of"]

BYTES = {"float32": 4, "int32": 4, "int24": 3, "int16": 2, "int8": 1, "uint8": 1}
_NATIVE = ("float32", "int32", "int16", "uint8")  # formats of voicecoil's blocks
# A format that the engine does not have is made of a longer one.
_MADE_OF = {"int24": "int32", "int8": "int16"}
_SCALE = {"int32": 2.0**31, "int16": 2.0**15}


def check_format(dtype: Any, kind: str) -> str:
    """Return the name of a sample format that is given by name, as a NumPy type or as a dtype."""
    name = dtype.decode("ascii", "replace") if isinstance(dtype, bytes) else dtype
    if not isinstance(name, str) or name not in BYTES:
        import numpy as np

        try:
            name = np.dtype(dtype).name
        except (TypeError, ValueError):
            name = None
    if name not in BYTES:
        raise ValueError(
            f"Invalid {kind} sample format: {shown(dtype)}; possible are {', '.join(BYTES)}"
        )
    return str(name)


class Layout:
    """How one direction of a stream's samples is made of the engine's.

    Parameters
    ----------
    dtype : str
        The format that the program sees.
    engine : str
        The format of the engine's block.
    """

    def __init__(self, dtype: str, engine: str) -> None:
        self.dtype = dtype
        self.engine = engine

    @property
    def direct(self) -> bool:
        """Whether both formats are the same."""
        return self.dtype == self.engine

    def memory(self, frames: int, channels: int) -> NDArray[Any]:
        """Return an array for `frames` frames in the program's format, in bytes for int24."""
        import numpy as np

        if self.dtype == "int24":
            return np.zeros((frames, channels * 3), np.uint8)
        return np.zeros((frames, channels), self.dtype)

    def to_program(self, block: NDArray[Any], into: NDArray[Any]) -> None:
        """Convert the engine's samples to the program's."""
        import numpy as np

        if self.direct:
            into[:] = block
            return
        longer = _MADE_OF.get(self.dtype, self.dtype)
        if longer != self.engine:  # the engine has float32
            if longer == "uint8":
                np.clip(np.rint(block * 128.0) + 128.0, 0, 255, out=into, casting="unsafe")
                return
            full = _SCALE[longer]
            scaled = np.clip(np.rint(block.astype(np.float64) * full), -full, full - 1)
            block = scaled.astype(longer)
        if self.dtype == "int24":
            parts = np.ascontiguousarray(block, "<i4").view(np.uint8)
            into[:] = parts.reshape(*block.shape, 4)[:, :, 1:].reshape(into.shape)
        elif self.dtype == "int8":
            into[:] = block >> 8
        else:
            into[:] = block

    def to_engine(self, given: NDArray[Any], block: NDArray[Any]) -> None:
        """Convert the program's samples to the engine's."""
        import numpy as np

        if self.dtype == "int24":
            parts = np.zeros((*block.shape, 4), np.uint8)
            parts[:, :, 1:] = given.reshape(*block.shape, 3)
            given = parts.view("<i4")[:, :, 0]
        elif self.dtype == "int8":
            given = given.astype(np.int16) << 8
        longer = _MADE_OF.get(self.dtype, self.dtype)
        if longer == self.engine:
            block[:] = given
        elif longer == "uint8":
            block[:] = (given.astype(np.float32) - 128.0) / 128.0
        elif longer == "float32":
            block[:] = given
        else:
            block[:] = given * (1.0 / _SCALE[longer])


def layout_of(dtypes: dict[str, str]) -> dict[str, Layout]:
    """Return the layout of each direction. The engine has one format for both.

    Parameters
    ----------
    dtypes : dict of str
        The program's format for "input" and "output", or one of them.
    """
    needed = {_MADE_OF.get(dtype, dtype) for dtype in dtypes.values()}
    engine = needed.pop() if len(needed) == 1 else "float32"
    return {kind: Layout(dtype, engine) for kind, dtype in dtypes.items()}
