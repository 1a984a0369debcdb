"""`read` and `write` of streams without a callback."""

from __future__ import annotations

import operator
from typing import Any

from voicecoil.arguments import shown
from voicecoil.sounddevice.errors import NO_READ, NO_WRITE, fault
from voicecoil.sounddevice.streams import StreamBase

__all__ = ["InputStreamBase", "OutputStreamBase"]


class InputStreamBase(StreamBase):
    """The parts of streams with input."""

    @property
    def read_available(self) -> int:
        """Number of frames that can be read without waiting."""
        if self._exchange is None:
            raise fault(NO_READ)
        return self._exchange.available("input")

    def _read(self, frames: Any, channels: int, size: int) -> tuple[bytearray, bool]:
        """Return `frames` frames as bytes, and whether input was lost before them."""
        frames = operator.index(frames)
        if frames < 0:
            raise ValueError(f"negative array length: frames={shown(frames)}; give 0 or more")
        if self._exchange is None:
            raise fault(NO_READ)
        data = bytearray(frames * channels * size)
        if self.stopped:
            raise self._not_running()
        lost = self._exchange.read(memoryview(data), self._engine)
        if lost is None:
            raise self._lost()
        return data, lost

    def _input_shape(self) -> tuple[int, str]:
        way = self._parameters.way("input")
        assert way is not None
        return way.channels, way.dtype


class OutputStreamBase(StreamBase):
    """The parts of streams with output."""

    @property
    def write_available(self) -> int:
        """Number of frames that can be written without waiting."""
        if self._closed:
            return 0
        if self._exchange is None:
            raise fault(NO_WRITE)
        return self._exchange.available("output")

    def _write(self, data: memoryview) -> bool:
        """Play bytes. Returns whether a gap was heard before them."""
        if self._exchange is None:
            raise fault(NO_WRITE)
        if self.stopped:
            raise self._not_running()
        missed = self._exchange.write(data, self._engine)
        if missed is None:
            raise self._lost()
        return missed

    def _output_shape(self) -> tuple[int, str]:
        way = self._parameters.way("output")
        assert way is not None
        return way.channels, way.dtype
