"""``block.reference`` of a duplex stream: what was played while the block's input was recorded."""

from __future__ import annotations

import functools
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any

from voicecoil import _block
from voicecoil.arguments import shown
from voicecoil.drivers.protocol import Device, Driver
from voicecoil.drivers.two_devices import DevicePair
from voicecoil.errors import ArgumentError, ArgumentTypeError
from voicecoil.files.arrays import from_float32
from voicecoil.lifetime import exit_and_fork
from voicecoil.sample_types import SampleType
from voicecoil.streams.history import HOST_TIME, SAMPLE_TIME, Stamp
from voicecoil.streams.reference import Reference

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from voicecoil.streams.lifecycle import StreamConnection
    from voicecoil.streams.request import StreamRequest

__all__ = ["with_reference"]

KEPT_S = 2.0  # a worker may get its input later than the device has recorded it, by less than this
SPACING_S = 0.01  # the times of blocks that begin earlier after a kept one are not kept
TIMES = 300


class _BlockTimes:
    """The times of the newest blocks, for a `ClockFit`. Positions are sample times of the input."""

    def __init__(self) -> None:
        self._stamps: deque[Stamp] = deque(maxlen=TIMES)

    def add(self, stamp: Stamp) -> None:
        newest = self._stamps[-1] if self._stamps else None
        if newest is not None and (
            stamp.samplerate != newest.samplerate or stamp.position < newest.position
        ):
            self._stamps.clear()
            newest = None
        spacing = SPACING_S * stamp.samplerate
        if newest is None or stamp.position - newest.position >= spacing:
            self._stamps.append(stamp)

    def part_at(self, position: int) -> tuple[int, float, Stamp]:
        return self._stamps[0].position, float("inf"), self._stamps[0]

    def stamps_between(self, low: float, high: float) -> list[Stamp]:
        return [stamp for stamp in self._stamps if low <= stamp.position < high]


class WithReference:
    """A callback that is called with a reference in its blocks.

    Parameters
    ----------
    callback : callable
        The program's callback.
    dtype : SampleType
        The type of the samples of the reference.
    """

    def __init__(self, callback: Any, dtype: SampleType) -> None:
        functools.update_wrapper(self, callback, updated=())
        self._callback = callback
        self._dtype = dtype
        self._reference: Reference | None = None
        self._connection: weakref.ref[StreamConnection] | None = None
        self._times = _BlockTimes()
        self._end = 0  # of the last block, for devices without sample times

    def begin(self, driver: Driver, connection: StreamConnection) -> None:
        """Keeps what is played from now on. Called before the first block."""
        device = _output_of(connection.device.current.device)
        self._reference = reference = Reference(driver, device, KEPT_S)
        reference.follow(self._times)
        self._connection = weakref.ref(connection)
        drop = weakref.finalize(self, _drop, exit_and_fork.generation(), reference)
        drop.atexit = False  # the exit closes the streams

    def __call__(self, block: _block.Block) -> Any:
        played, _ = from_float32(self._read(block), self._dtype)
        _block.set_reference(block, played)
        return self._callback(block)

    def _read(self, block: _block.Block) -> NDArray[np.float32]:
        import numpy as np

        reference = self._reference
        connection = None if self._connection is None else self._connection()
        if reference is None or connection is None:
            return np.zeros((block.frames, 0), np.float32)
        device = connection.device.current.device
        output = _output_of(device)
        if output.uid != reference.device.uid:
            reference.move(output)
        stamp = self._stamp_of(block, reference.shift_of(connection.playing))
        self._times.add(stamp)
        input_uid = device.input.uid if isinstance(device, DevicePair) else device.uid
        return reference.read(stamp.position, block.frames, stamp, input_uid)

    def _stamp_of(self, block: _block.Block, shift: int) -> Stamp:
        ns, frames = block.time.input_ns, block.time.input_frames
        position = self._end + block.xrun if frames is None else frames
        self._end = position + block.frames
        valid = (HOST_TIME if ns is not None else 0) | (SAMPLE_TIME if frames is not None else 0)
        return Stamp(position, 0, ns or 0, position, position - shift, block.samplerate, valid)


def with_reference(reference: Any, request: StreamRequest, source: Any) -> WithReference | None:
    """Returns the callback that gives its blocks a reference. None: `reference` is false.

    Raises
    ------
    ArgumentTypeError
        `reference` is neither True nor False.
    ArgumentError
        The callback cannot get a reference.
    """
    if not isinstance(reference, bool):
        raise ArgumentTypeError(
            f"reference={shown(reference)}; give True or False. The reference of a stream is what "
            "is played on its own output device; Recorder(reference=device) takes another device"
        )
    if not reference:
        return None
    if request.kind == "native":
        what = "a native callback, which gets no Python objects"
    elif request.kind == "isolated":
        what = "isolated=True, where NumPy cannot be imported"
    elif request.arrays == "memoryview":
        what = 'arrays="memoryview"; the reference is an array'
    else:
        return WithReference(source, request.dtype)
    raise ArgumentError(
        f"reference=True with {what}; give a Python callback that gets arrays, or record with "
        "Recorder(reference=True)"
    )


def _output_of(device: Device) -> Device:
    return device.output if isinstance(device, DevicePair) else device


def _drop(generation: int, reference: Reference) -> None:
    """Releases the histories of a stream that was closed. In a child they are the parent's."""
    if not exit_and_fork.forked(generation):
        exit_and_fork.submit(reference.close)
