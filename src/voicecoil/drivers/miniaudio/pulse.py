"""A workaround for a crash of miniaudio, and the functions for PulseAudio's timing information.

libpulse answers a lookup of a device that does not exist with a null pointer. This happens for a
default source that does not exist yet when a server starts, and for a sink that is removed after it
was listed. miniaudio looks devices up to get their formats, dereferences the null pointer and
crashes. So miniaudio's context gets two wrapped functions of libpulse that filter such answers.
They are called on the thread that calls PulseAudio, never on an IO thread. `pulse_facts.py` reads
in passing what else the answers tell about a device.
"""

from __future__ import annotations

import contextlib
import ctypes
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from voicecoil.drivers.miniaudio import pulse_facts as facts

__all__ = ["Pulse", "guard", "timing"]

_NAMES = ("pa_context_get_sink_info_by_name", "pa_context_get_source_info_by_name")
_Answer = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
_Ask = ctypes.CFUNCTYPE(
    ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p
)
_guards: dict[int, Any] = {}  # address of libpulse's function -> our wrapper, kept for ever
# Callbacks that libpulse may still call. A callback is removed when it gets the last answer. The
# callbacks of a connection that hung or ended stay here for ever.
_pending: dict[int, Any] = {}
_answered: deque[Any] = deque(maxlen=64)  # keeps a callback alive while it still runs


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
    """Returns the functions with which the IO thread reads a stream's timing, or None."""
    try:
        library = ctypes.CDLL("libpulse.so.0")
    except OSError:
        return None
    # The layout of pa_timing_info is only known for a struct timeval of 64-bit systems.
    if not stream or ctypes.sizeof(ctypes.c_void_p) != 8:
        return None
    info, update, unref = (
        ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0 for name in _TIMING
    )
    return Pulse(info, update, unref, stream, is_playback, frame_bytes)


def _guarded(address: int, note: Callable[[int], None] = lambda info: None) -> Any:
    """Wraps one of libpulse's functions. `note` gets the address of each answer that is used."""
    ask = _Ask(address)

    def guarded(context: int, name: int, answer: int, user: int) -> Any:
        tell: Callable[..., None] = _Answer(answer)

        def told(context: int, info: int | None, end: int, user: int) -> None:
            if info:
                with contextlib.suppress(Exception):  # miniaudio needs its answer all the same
                    note(info)
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
    """Replaces the functions in `context`, the memory of a ma_context. Returns their number."""
    try:
        library = ctypes.CDLL("libpulse.so.0")
    except OSError:
        return 0
    pointers: Any = memoryview(context).cast("P")
    found = 0
    for name in _NAMES:
        address = ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0
        if address not in _guards:
            _guards[address] = _guarded(address, facts.note)
        for index, pointer in enumerate(pointers):
            if pointer == address:
                pointers[index] = ctypes.cast(_guards[address], ctypes.c_void_p).value or 0
                found += 1
    return found
