"""The first block of a stream that fills the device's buffer before the device starts.

The first call of the callback makes an additional block, with the flag `priming_output` and silent
input. It is played first, so that all later output is one block later.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from voicecoil.sounddevice.errors import CallbackStop
from voicecoil.sounddevice.flags import INPUT_UNDERFLOW, PRIMING_OUTPUT, CallbackFlags

__all__ = ["primed"]


def primed(callback: Callable[..., object], has_input: bool, raw: bool) -> Callable[..., None]:
    """Return a callback for a stream of this package that calls `callback` once more.

    Parameters
    ----------
    callback : callable
        The program's callback.
    has_input : bool
        Whether its first argument is the input.
    raw : bool
        Whether its buffers are buffers of bytes.
    """
    waiting = bytearray()  # output that was made and not played yet
    state = {"begun": False, "ends": False}
    silence = _buffer_like if raw else _array_like

    def call(arguments: list[Any], flags: CallbackFlags, frames: int, time: Any) -> None:
        made = silence(arguments[-1])
        try:
            callback(*arguments[:-1], made, frames, time, flags)
        except CallbackStop:
            state["ends"] = True
        waiting.extend(memoryview(made).cast("B"))

    def wrapper(*arguments: Any) -> None:
        *blocks, frames, time, status = arguments
        if not state["begun"]:
            state["begun"] = True
            flags = CallbackFlags(PRIMING_OUTPUT | (INPUT_UNDERFLOW if has_input else 0))
            call([*map(silence, blocks)], flags, frames, time)
        if not state["ends"]:
            call(blocks, status, frames, time)
        view = memoryview(blocks[-1]).cast("B")
        ready = min(len(view), len(waiting))
        view[:ready] = waiting[:ready]
        del waiting[:ready]
        if state["ends"] and not waiting:
            state["begun"] = state["ends"] = False  # the stream may be started again
            raise CallbackStop

    return wrapper


def _array_like(block: Any) -> Any:
    import numpy as np

    return np.zeros(block.shape, block.dtype)


def _buffer_like(block: Any) -> Any:
    from _cffi_backend import FFI

    ffi = FFI()
    return ffi.buffer(ffi.from_buffer(bytearray(len(block))))
