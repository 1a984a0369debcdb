"""Arrays as sources of frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from voicecoil import _core
from voicecoil.errors import ArgumentError, ArgumentTypeError, StreamClosedError
from voicecoil.files.channels import MAX_CHANNELS
from voicecoil.files.protocol import check_max_frames, check_seek
from voicecoil.files.rates import check_file_rate
from voicecoil.sample_types import SampleType, format_number

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    import numpy as np
    from numpy.typing import NDArray

from voicecoil.sealed import Unique
from voicecoil.wording import plural

__all__ = ["ArraySource", "as_float32", "from_float32"]

# An array with more channels and no more frames than this is probably transposed.
MANY_CHANNELS, FEW_FRAMES = 32, 2
_INTEGER_SCALE = {"int16": 2.0**-15, "int32": 2.0**-31}


def as_float32(block: NDArray[Any]) -> NDArray[np.float32]:
    """Return a C-contiguous copy of the samples as float32, with the scales of `ArraySource`."""
    import numpy as np

    name = block.dtype.name
    scaled: NDArray[np.float32]
    if name == "int32":
        # float32 has 24 bits. Scaling in float64 rounds only once.
        scaled = (block * _INTEGER_SCALE[name]).astype(np.float32, order="C")
    elif name == "int16":
        scaled = block.astype(np.float32, order="C")
        scaled *= np.float32(_INTEGER_SCALE[name])
    elif name == "uint8":
        scaled = block.astype(np.float32, order="C")
        scaled -= np.float32(128.0)
        scaled *= np.float32(2.0**-7)
    else:
        with np.errstate(over="ignore"):
            scaled = block.astype(np.float32, order="C")
    return scaled


def from_float32(frames: NDArray[np.float32], dtype: SampleType) -> tuple[NDArray[Any], int]:
    """Return the frames as another sample type, and the number of samples that were clipped.

    Samples beyond full scale are clipped to the range of an integer type. Frames of float32 are
    returned as they are, without a copy.
    """
    if dtype == "float32":
        return frames, 0
    import numpy as np

    samples = np.empty(frames.shape, dtype)
    clipped = _core.samples_from_float(
        np.ascontiguousarray(frames), samples.view(np.uint8), format_number(dtype)
    )
    return samples, clipped


class ArraySource(Unique):
    """An array as a source of frames.

    The array is not copied, so later changes of the array are heard. Samples are converted to
    float32 as they are read. The scale is 2**-15 for int16 and 2**-31 for int32, and uint8 becomes
    ``(x - 128) / 128``. NaN and infinity are kept.

    Parameters
    ----------
    array : ndarray, shape (frames,) or (frames, channels)
        The samples: float32, float64, int16, int32 or uint8; at least one frame and one channel.
        The array may have any memory layout and byte order.
    samplerate : int
        Frames per second.

    Attributes
    ----------
    samplerate, channels, frames : int

    Raises
    ------
    ArgumentTypeError
        `array` is not an array or has another dtype, or `samplerate` is not a number.
    ArgumentError
        `array` has another shape, no frames, no channels or more than 1024 channels, or
        `samplerate` is out of range.
    """

    _attributes: ClassVar[tuple[str, ...]] = (
        "samplerate",
        "channels",
        "frames",
    )

    def __init__(self, array: NDArray[Any], samplerate: float) -> None:
        import numpy as np

        dtypes = "float32, float64, int16, int32"
        if not isinstance(array, np.ndarray):
            raise ArgumentTypeError(
                f"array is of type {type(array).__name__}; give a numpy array of "
                f"{dtypes} or uint8, shape (frames,) or (frames, channels)"
            )
        if array.dtype.kind == "c":
            raise ArgumentTypeError(
                f"array is of dtype {array.dtype}, and complex samples are not a sound; give "
                f"array.real or abs(array); possible are {dtypes} and uint8"
            )
        if array.dtype.name not in ("float32", "float64", "uint8", *_INTEGER_SCALE):
            raise ArgumentTypeError(
                f"array is of dtype {array.dtype}; possible are {dtypes} and uint8. "
                "Use array.astype('float32') with 1.0 as full scale"
            )
        if array.ndim not in (1, 2):
            raise ArgumentError(
                f"array has the shape {array.shape}; possible are (frames,) and "
                "(frames, channels). Use reshape"
            )
        frames = array[:, np.newaxis] if array.ndim == 1 else array
        if len(frames) == 0:
            raise ArgumentError(f"array has the shape {array.shape}: 0 frames; give 1 or more")
        if frames.shape[1] > MANY_CHANNELS and len(frames) <= FEW_FRAMES:
            raise ArgumentError(
                f"array has the shape {array.shape}, which is {frames.shape[1]} channels "
                "of hardly any frames. It looks transposed: use array.T"
            )
        if not 1 <= frames.shape[1] <= MAX_CHANNELS:
            turn = " It looks transposed: use array.T" if frames.shape[1] > MAX_CHANNELS else ""
            raise ArgumentError(
                f"array has the shape {array.shape}, which is "
                f"{plural(frames.shape[1], 'channel')}; use 1 to {MAX_CHANNELS}."
                f"{turn or ' Give (frames, channels)'}"
            )
        self.samplerate = check_file_rate(samplerate)
        self.channels = int(frames.shape[1])
        self.frames: int | None = len(frames)
        self._array: NDArray[Any] = frames
        self._position = 0
        self._closed = False

    def read(self, max_frames: int) -> NDArray[np.float32]:
        """Return the next frames as a new array.

        Parameters
        ----------
        max_frames : int
            1 or more.

        Returns
        -------
        ndarray of float32, shape (n, channels), C-contiguous
            ``n`` is `max_frames` until fewer are left, 0 at the end.
        """
        wanted = check_max_frames(max_frames)
        self._check_open()
        block = self._array[self._position : self._position + wanted]
        self._position += len(block)
        return as_float32(block)

    def seek(self, frame: int) -> None:
        """Go to a frame, 0 to `frames`.

        Parameters
        ----------
        frame : int
            The frame that the next `read` begins with.
        """
        self._check_open()
        self._position = check_seek(frame, self.frames)

    def _check_open(self) -> None:
        if self._closed:
            raise StreamClosedError("this ArraySource is closed; make a new one")

    def close(self) -> None:
        """Release the array. A second call has no effect."""
        self._closed = True
        self._array = self._array[:0]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
