"""A device with another rate, as an engine that keeps its own rate sees it.

The engine converts each IO cycle of the device (``core/rate.h``). So code on the IO thread, such as
the mixer of `play`, continues on a device with another rate.
"""

from __future__ import annotations

import math
from dataclasses import replace

from voicecoil import _core
from voicecoil.drivers.protocol import Direction, Latency, OpenedFormat, latency_at_rate

__all__ = ["at_engine_rate", "can_convert"]


def can_convert(device_hz: float, engine_hz: float, inputs: int, outputs: int) -> bool:
    """Whether an engine with that many channels can run on a device with another rate."""
    most = _core.MAX_RATE_RATIO
    return not (inputs and device_hz > most * engine_hz) and not (
        outputs and engine_hz > most * device_hz
    )


def at_engine_rate(opened: OpenedFormat, engine_hz: float) -> OpenedFormat:
    """Returns the format of a device in frames of the engine, with the latency of the conversion.

    Parameters
    ----------
    opened : OpenedFormat
        The format of the device.
    engine_hz : float
        The rate of the engine, Hz. If the device has this rate, the result is `opened`.
    """
    device_hz = opened.samplerate
    if device_hz == engine_hz:
        return opened
    scale = engine_hz / device_hz

    def to_engine(frames: int) -> int:
        return round(frames * scale)

    def latency(direction: Direction) -> Latency:
        found = latency_at_rate(opened.latency(direction), engine_hz, to_engine)
        if direction == "input":
            added = round(_core.conversion_frames(device_hz, engine_hz) * scale)
        else:
            added = _core.conversion_frames(engine_hz, device_hz)
        return replace(found, conversion_frames=found.conversion_frames + added)

    usual = opened.typical_period_frames
    return replace(
        opened,
        samplerate=engine_hz,
        period_frames=None,
        max_period_frames=math.ceil(opened.max_period_frames * scale) + 1,
        latency=latency,
        usual_period_frames=None if usual is None else max(1, to_engine(usual)),
        converted_hz=device_hz,
    )
