"""The code that a worker runs on a device: the program's own, or one that converts its rate."""

from __future__ import annotations

from typing import Any

from voicecoil import _block, _core
from voicecoil.drivers.protocol import OpenedFormat
from voicecoil.errors import CallbackResultError, EscapedBlockError, Stop
from voicecoil.sample_types import format_number
from voicecoil.streams.lead import WorkerCode
from voicecoil.streams.plan import Shape, StreamPlan, plan_conversion
from voicecoil.streams.rate_converter import RateConverter
from voicecoil.streams.request import Arrays

__all__ = ["RAISED", "CodeForRate", "views"]

RAISED = (Stop, EscapedBlockError, CallbackResultError)


class CodeForRate:
    """Makes the code that a worker runs, for the rate of the device.

    Parameters
    ----------
    code : PythonCode
        The program's code.
    plan : StreamPlan
        The plan for the device on which the stream was opened.
    """

    def __init__(self, code: _core.PythonCode, plan: StreamPlan) -> None:
        self._code = code
        self._plan = plan

    def make(self, opened_format: OpenedFormat, blocks: int = 0) -> WorkerCode:
        """Returns the code for a device. `blocks`: how often the callback was called before."""
        plan = self._plan
        if opened_format is plan.opened_format:
            conversion = plan.conversion
        else:
            conversion = plan_conversion(plan, opened_format)
        if conversion is None:
            return WorkerCode(self._code, plan.block_frames or 0, None)
        converter = RateConverter(self._code, conversion, plan.channels, blocks)
        inputs, outputs = (
            (conversion.device_frames, count) if count else None for count in plan.channels
        )
        code = _core.ConvertingCode(
            self._code,
            converter,
            *views(inputs, outputs, "numpy", format_number("float32")),
            opened_format.samplerate,
            False,
            RAISED,
            None,
            None,
        )
        return WorkerCode(code, conversion.device_frames, converter)


def views(
    input_shape: Shape, output_shape: Shape, arrays: Arrays, form: int
) -> tuple[list[Any], tuple[Any, Any]]:
    """Returns the views of a block, and the memories that they show."""
    memories = (
        _block.memory(*input_shape, True, form) if input_shape else None,
        _block.memory(*output_shape, False, form) if output_shape else None,
    )
    return [None if memory is None else _view(memory, arrays) for memory in memories], memories


def _view(memory: Any, arrays: str) -> Any:
    if arrays == "memoryview":
        return memoryview(memory)
    import numpy as np

    return np.asarray(memory)
