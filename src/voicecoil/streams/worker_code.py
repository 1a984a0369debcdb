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

__all__ = ["RAISED", "views", "worker_code"]

# The exceptions that the compiled code uses: the one with which a callback ends its stream, and
# those that it raises if a callback keeps an array or returns something else than None.
RAISED = (Stop, EscapedBlockError, CallbackResultError)


def worker_code(
    code: _core.PythonCode, plan: StreamPlan, opened_format: OpenedFormat, blocks: int = 0
) -> WorkerCode:
    """Returns the code that a worker runs on a device. It converts if the rates differ.

    Parameters
    ----------
    code : PythonCode
        The program's code.
    plan : StreamPlan
        The plan for the device on which the stream was opened.
    opened_format : OpenedFormat
        The format of the device that the worker is for.
    blocks : int
        How often the callback was called before.
    """
    if opened_format is plan.opened_format:
        conversion = plan.conversion
    else:
        conversion = plan_conversion(plan, opened_format)
    if conversion is None:
        return WorkerCode(code, plan.block_frames or 0, None)
    converter = RateConverter(code, conversion, plan.channels, blocks)
    inputs, outputs = (
        (conversion.device_frames, count) if count else None for count in plan.channels
    )
    converting = _core.ConvertingCode(
        code,
        converter,
        *views(inputs, outputs, "numpy", format_number("float32")),
        opened_format.samplerate,
        False,
        RAISED,
        None,
        None,
    )
    return WorkerCode(converting, conversion.device_frames, converter)


def views(
    input_shape: Shape,
    output_shape: Shape,
    arrays: Arrays,
    form: int,
    writable_input: bool = False,
) -> tuple[list[Any], tuple[Any, Any]]:
    """Returns the views of a block, and the memories that they show."""
    memories = (
        _block.memory(*input_shape, not writable_input, form) if input_shape else None,
        _block.memory(*output_shape, False, form) if output_shape else None,
    )
    return [None if memory is None else _view(memory, arrays) for memory in memories], memories


def _view(memory: Any, arrays: str) -> Any:
    if arrays == "memoryview":
        return memoryview(memory)
    import numpy as np

    return np.asarray(memory)
