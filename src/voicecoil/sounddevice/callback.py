"""Calls a callback of python-sounddevice for the blocks of voicecoil.

The functions below are made once for a stream, so that a block costs no decision that does not
depend on the block. They run on the stream's worker or on the device's IO thread.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from voicecoil.sounddevice.errors import CallbackAbort, CallbackStop
from voicecoil.sounddevice.flags import INPUT_OVERFLOW, OUTPUT_UNDERFLOW, CallbackFlags

if TYPE_CHECKING:
    from voicecoil._block import Block, BlockTime
    from voicecoil.sounddevice.formats import Layout

__all__ = ["Times", "adapted", "print_error", "release_locals"]

_S_PER_NS = 1e-9


class Times:
    """The times of a block, in seconds on the clock of ``stream.time``. 0.0: not known."""

    __slots__ = ("_time",)

    _time: BlockTime | None

    def __init__(self) -> None:
        self._time = None

    @property
    def inputBufferAdcTime(self) -> float:  # noqa: N802 - PortAudio's name
        """Time at which the block's first input frame was at the connector, s."""
        return ((self._time and self._time.input_ns) or 0) * _S_PER_NS

    @property
    def outputBufferDacTime(self) -> float:  # noqa: N802
        """Time at which the block's first output frame will be at the connector, s."""
        return ((self._time and self._time.output_ns) or 0) * _S_PER_NS

    @property
    def currentTime(self) -> float:  # noqa: N802
        """Time at which the block's IO cycle began, s."""
        return ((self._time and self._time.now_ns) or 0) * _S_PER_NS

    def __repr__(self) -> str:
        return (
            f"<times inputBufferAdcTime={self.inputBufferAdcTime:.6f}, "
            f"outputBufferDacTime={self.outputBufferDacTime:.6f}, "
            f"currentTime={self.currentTime:.6f}>"
        )


def print_error(function: object, error: BaseException) -> None:
    """Print the exception of a callback on stderr, as cffi prints it for python-sounddevice."""
    if sys.stderr is None:
        return
    import traceback  # takes as long to load as the rest of this package

    lines = "".join(traceback.format_exception(_without_ours(error)))
    sys.stderr.write(f"Exception ignored from cffi callback {function!r}:\n{lines}")
    sys.stderr.flush()


def _without_ours(error: BaseException) -> BaseException:
    """Return the error without the frame of this module in its traceback."""
    found = error.__traceback__
    if found is not None and found.tb_frame.f_code.co_filename == __file__:
        return error.with_traceback(found.tb_next)
    return error


def release_locals(error: BaseException) -> None:
    """Forget the local variables of the frames that an exception keeps alive.

    A raw callback's buffers refer to memoryviews. The exception and its frames are a cycle, and
    Python's garbage collector crashes when it clears a memoryview that has a buffer.
    """
    seen: BaseException | None = error
    while seen is not None:
        found = seen.__traceback__
        while found is not None:
            with contextlib.suppress(RuntimeError):  # it is still running
                found.tb_frame.clear()
            found = found.tb_next
        seen = seen.__cause__ or seen.__context__


Fail = Callable[[BaseException], None]


def adapted(
    callback: Callable[..., object], layouts: dict[str, Layout], raw: bool, fail: Fail
) -> Callable[[Block], None]:
    """Return the callback for a stream of voicecoil.

    Parameters
    ----------
    callback : callable
        ``callback(indata, outdata, frames, time, status)``, without `indata` or `outdata` for a
        stream of one direction.
    layouts : dict of Layout
        The sample formats of "input" and "output", or of one of them.
    raw : bool
        The callback gets buffers of bytes and not arrays.
    fail : callable
        Called with the exception of the callback, which ends the stream at once. It raises `Stop`.
    """
    if any(not layout.direct for layout in layouts.values()):
        return _converting(callback, layouts, raw, fail)
    if len(layouts) == 2:
        return (_raw_duplex if raw else _duplex)(callback, fail)
    if "input" in layouts:
        return (_raw_input if raw else _input)(callback, fail)
    return (_raw_output if raw else _output)(callback, fail)


def _input(callback: Callable[..., object], fail: Fail) -> Callable[[Block], None]:
    times = Times()

    def adapter(block: Block) -> None:
        try:
            times._time = block.time
            flags = CallbackFlags(INPUT_OVERFLOW if block.xrun else 0)
            callback(block.input, block.frames, times, flags)
        except CallbackStop:
            raise
        except BaseException as error:
            fail(error)

    return adapter


def _output(callback: Callable[..., object], fail: Fail) -> Callable[[Block], None]:
    times = Times()

    def adapter(block: Block) -> None:
        try:
            times._time = block.time
            flags = CallbackFlags(OUTPUT_UNDERFLOW if block.xrun else 0)
            callback(block.output, block.frames, times, flags)
        except CallbackStop:
            raise
        except BaseException as error:
            fail(error)

    return adapter


def _duplex(callback: Callable[..., object], fail: Fail) -> Callable[[Block], None]:
    times = Times()
    lost = INPUT_OVERFLOW | OUTPUT_UNDERFLOW

    def adapter(block: Block) -> None:
        try:
            times._time = block.time
            flags = CallbackFlags(lost if block.xrun else 0)
            callback(block.input, block.output, block.frames, times, flags)
        except CallbackStop:
            raise
        except BaseException as error:
            fail(error)

    return adapter


def _buffers() -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """Return the functions that make cffi's buffer of an object, which raw callbacks get."""
    from _cffi_backend import FFI

    ffi = FFI()
    return ffi.buffer, ffi.from_buffer


def _raw_input(callback: Callable[..., object], fail: Fail) -> Callable[[Block], None]:
    times = Times()
    buffer, memory = _buffers()

    def adapter(block: Block) -> None:
        try:
            times._time = block.time
            flags = CallbackFlags(INPUT_OVERFLOW if block.xrun else 0)
            callback(buffer(memory(block.input)), block.frames, times, flags)
        except CallbackStop:
            raise
        except BaseException as error:
            fail(error)

    return adapter


def _raw_output(callback: Callable[..., object], fail: Fail) -> Callable[[Block], None]:
    times = Times()
    buffer, memory = _buffers()

    def adapter(block: Block) -> None:
        try:
            times._time = block.time
            flags = CallbackFlags(OUTPUT_UNDERFLOW if block.xrun else 0)
            callback(buffer(memory(block.output)), block.frames, times, flags)
        except CallbackStop:
            raise
        except BaseException as error:
            fail(error)

    return adapter


def _raw_duplex(callback: Callable[..., object], fail: Fail) -> Callable[[Block], None]:
    times = Times()
    lost = INPUT_OVERFLOW | OUTPUT_UNDERFLOW
    buffer, memory = _buffers()

    def adapter(block: Block) -> None:
        try:
            times._time = block.time
            flags = CallbackFlags(lost if block.xrun else 0)
            callback(
                buffer(memory(block.input)),
                buffer(memory(block.output)),
                block.frames,
                times,
                flags,
            )
        except CallbackStop:
            raise
        except BaseException as error:
            fail(error)

    return adapter


def _converting(
    callback: Callable[..., object], layouts: dict[str, Layout], raw: bool, fail: Fail
) -> Callable[[Block], None]:
    """Return the callback for formats that the engine's blocks do not have."""
    times = Times()
    buffer, memory = _buffers()
    into, out_of = layouts.get("input"), layouts.get("output")
    lost = INPUT_OVERFLOW * (into is not None) | OUTPUT_UNDERFLOW * (out_of is not None)
    bytes_only = not raw and any(one.dtype == "int24" for one in layouts.values())

    def adapter(block: Block) -> None:
        given = []
        made = None
        try:
            times._time = block.time
            if bytes_only:
                raise TypeError("data type 'int24' not understood by NumPy; use a RawStream")
            if into is not None:
                given.append(into.memory(block.frames, block.input.shape[1]))
                into.to_program(block.input, given[-1])
            if out_of is not None:
                made = out_of.memory(block.frames, block.output.shape[1])
                made[:] = 128 * (out_of.dtype == "uint8")
                given.append(made)
            flags = CallbackFlags(lost if block.xrun else 0)
            views = [buffer(memory(one)) if raw else one for one in given]
            callback(*views, block.frames, times, flags)
        except CallbackStop:
            raise
        except BaseException as error:
            fail(error)
        finally:
            if made is not None and out_of is not None:
                out_of.to_engine(made, block.output)

    return adapter


def ends_at_once(error: BaseException) -> bool:
    """Whether an exception is an instruction and not an error."""
    return isinstance(error, CallbackAbort)
