"""libpulse's answer "there is no such device", which miniaudio's question for formats dies of.

A lookup by name that fails is answered with a null pointer: a default source that is not there yet
when a server starts, a sink that goes away between the list and the question. miniaudio 1.11 reads
through it. So its context is given these two functions of libpulse with a look in between; they
are called on the thread that calls PulseAudio, never on an IO thread.
"""

from __future__ import annotations

import ctypes
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Pulse", "guard", "timing"]

_NAMES = ("pa_context_get_sink_info_by_name", "pa_context_get_source_info_by_name")
_Answer = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
_Ask = ctypes.CFUNCTYPE(
    ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p
)
_guards: dict[int, Any] = {}  # address of libpulse's function -> ours, for ever
# libpulse may call each until it has said that this was the last answer; those of a connection that
# hung or ended stay for ever.
_pending: dict[int, Any] = {}
_answered: deque[Any] = deque(maxlen=64)  # a function is not freed while it runs


@dataclass(frozen=True)
class Pulse:
    """The fields of vc_ma_pulse; functions and the pa_stream are addresses."""

    info: int
    update: int
    unref: int
    stream: int
    is_playback: bool
    frame_bytes: int


_TIMING = ("pa_stream_get_timing_info", "pa_stream_update_timing_info", "pa_operation_unref")


def timing(stream: int, is_playback: bool, frame_bytes: int) -> Pulse | None:
    """What the IO thread asks libpulse about a stream; None: it cannot be asked."""
    try:
        library = ctypes.CDLL("libpulse.so.0")
    except OSError:
        return None
    if not stream or ctypes.sizeof(ctypes.c_void_p) != 8:  # pa_timing_info has a struct timeval
        return None
    info, update, unref = (
        ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0 for name in _TIMING
    )
    return Pulse(info, update, unref, stream, is_playback, frame_bytes)


def _guarded(address: int) -> Any:
    ask = _Ask(address)

    def guarded(context: int, name: int, answer: int, user: int) -> Any:
        tell: Callable[..., None] = _Answer(answer)

        def told(context: int, info: int | None, end: int, user: int) -> None:
            if info or end > 0:
                tell(context, info, end, user)
            if end != 0:
                _answered.append(answering)
                _pending.pop(id(answering), None)

        answering = _Answer(told)
        _pending[id(answering)] = answering
        return ask(context, name, answering, user)

    return _Ask(guarded)


def guard(context: Any) -> int:
    """Changes the functions in the memory of a ma_context, a buffer; gives how many it found."""
    try:
        library = ctypes.CDLL("libpulse.so.0")
    except OSError:
        return 0
    pointers: Any = memoryview(context).cast("P")
    found = 0
    for name in _NAMES:
        address = ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0
        if address not in _guards:
            _guards[address] = _guarded(address)
        for index, pointer in enumerate(pointers):
            if pointer == address:
                pointers[index] = ctypes.cast(_guards[address], ctypes.c_void_p).value or 0
                found += 1
    return found
