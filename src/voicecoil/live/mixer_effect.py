"""Effects of groups that run in Python: callables on blocks, and boards such as pedalboard's."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from voicecoil import _block, _core
from voicecoil.arguments import shown
from voicecoil.callbacks.unsuitable import why_unsuitable
from voicecoil.errors import ArgumentTypeError, CallbackResultError
from voicecoil.lifetime.exit_and_fork import report
from voicecoil.wording import with_article

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["PythonEffect", "PythonMixing"]

FAILED = -1


class PythonMixing:
    """The callback of a mixer that runs on a worker, where effects can be Python.

    Attributes
    ----------
    code : VoicesCode or None
        Set before the stream starts. It needs the number of channels, which is known only when the
        stream is open.
    """

    code: _core.VoicesCode | None = None

    def __call__(self, block: _block.Block) -> None:
        if self.code is not None:
            self.code.mix(block.output, block.time, block.samplerate)


class PythonEffect:
    """An effect that runs in Python, and the exception that ended it.

    Parameters
    ----------
    effect : object
        A callable that gets an array, or an object with the method `process` of a pedalboard.
    channels : int
        Channels of the mixer.
    samplerate : float
        Rate of the mixer, Hz.

    Attributes
    ----------
    audio : ndarray
        The memory of a block, in which the effect is applied.
    error : BaseException or None
        What the effect has raised.

    Raises
    ------
    ArgumentTypeError
        The effect cannot be called.
    """

    def __init__(self, effect: Any, channels: int, samplerate: float) -> None:
        import numpy as np

        self.error: BaseException | None = None
        self._effect = effect
        self._samplerate = samplerate
        self._call = self._calling(effect)
        self.audio: NDArray[np.float32] = np.zeros((_core.GROUP_FRAMES, channels), np.float32)

    def _calling(self, effect: Any) -> Callable[[NDArray[Any]], Any]:
        if isinstance(effect, type):
            raise ArgumentTypeError(
                f"effect is the class {effect.__name__}; give an object of it: {effect.__name__}()"
            )
        if callable(getattr(effect, "process", None)):
            return self._process
        if not callable(effect):
            raise ArgumentTypeError(
                f"effect is {with_article(type(effect).__name__)}; give a native function, a "
                "callable that gets an array (frames, channels), or a pedalboard"
            )
        if (why := why_unsuitable(effect)) is not None:
            raise ArgumentTypeError(f"effect={shown(effect)} is {why}")
        return effect  # type: ignore[no-any-return]

    def _process(self, audio: NDArray[Any]) -> Any:
        """Calls a board, which takes the shorter side of an array for the channels."""
        frames, channels = len(audio), audio.shape[-1]
        if frames <= channels:
            raise ValueError(
                f"a board cannot tell frames from channels in a block of {frames} frames with "
                f"{channels} channels; give the mixer a larger blocksize"
            )
        made = self._effect.process(audio, self._samplerate, reset=False)
        shape: tuple[int, ...] = getattr(made, "shape", ())
        if len(shape) != 2 or shape[1] != channels or shape[0] >= frames:
            return made
        # A board with a latency returns fewer frames at first. Silence in front of them delays the
        # group by this latency.
        missing = frames - shape[0]
        audio[missing:] = made  # before the zeros, because `made` may be a part of `audio`
        audio[:missing] = 0
        return None

    def run(self, frames: int) -> int:
        """Applies the effect to the first frames of the memory.

        Returns
        -------
        int
            0, or a negative number if the effect has raised an exception, which `error` keeps.
        """
        audio = self.audio[:frames]
        try:
            made = self._call(audio)
            if made is not None and made is not audio:
                if getattr(made, "shape", None) != audio.shape:
                    raise CallbackResultError(
                        f"the effect returned {_described(made)}; return an array of the shape "
                        f"{audio.shape}, or change the array in place and return None"
                    )
                audio[:] = made
        except BaseException as error:
            self.error = error
            report(error, self._effect)
            return FAILED
        return 0


def _described(made: Any) -> str:
    shape = getattr(made, "shape", None)
    if shape is None:
        return with_article(type(made).__name__)
    return f"an array of the shape {shape}"
