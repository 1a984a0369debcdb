"""Each combination of sample type, channels, home and kind works, or an error gives advice."""

from __future__ import annotations

import ctypes
import itertools
import sys
from typing import Any

import numpy as np
import pytest

import voicecoil as vc
from natives import Gain, function
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver

KINDS: dict[str, Any] = {
    "output": vc.OutputStream,
    "input": vc.InputStream,
    "duplex": vc.Stream,
}
HOMES: dict[str, dict[str, Any]] = {
    "safe": {},
    "seconds": {"latency": 0.01},
    "low": {"latency": "low"},
    "zero_copy": {"latency": "low", "zero_copy": True},
    "memoryview": {"latency": "low", "arrays": "memoryview"},
    "native": {},
    "isolated": {"isolated": True},
}
CHANNELS = [None, 1, 2, 3, 5, [0], [3, 1], [4]]  # the device has 4 channels
TYPES = ["float32", "int16", "int32", "uint8", "float64"]


def refusal(kind: str, home: str, channels: Any, dtype: str) -> str | None:
    """Returns a part of the error message for a combination, or None if the combination works."""
    if kind == "duplex" and isinstance(channels, list):
        return "has two meanings" if len(channels) == 2 else "input_channels or output_channels"
    if dtype == "float64":
        return "possible are"
    if dtype != "float32" and home == "native":
        return "leave dtype out"
    if dtype != "float32" and home == "zero_copy":
        return "leave one of them out"
    if channels == 5:
        return "so use 1 to 4"
    return "channels 0 to 3" if channels == [4] else None


def wanted_channels(kind: str, channels: Any) -> Any:
    if channels is None:
        return {"output": 2, "input": 4, "duplex": (4, 2)}[kind]
    count = len(channels) if isinstance(channels, list) else channels
    return (count, count) if kind == "duplex" else count


@pytest.mark.parametrize("home", HOMES)
@pytest.mark.parametrize("kind", KINDS)
def test_it_works_or_says_what_does(kind: str, home: str, library: ctypes.CDLL) -> None:
    if home == "isolated" and sys.version_info < (3, 12):
        pytest.skip("isolated=True needs Python 3.12")
    for channels, dtype in itertools.product(CHANNELS, TYPES):
        if home == "isolated" and (channels, dtype) not in (
            (1, "int16"),
            (None, "uint8"),
            (5, "int16"),
        ):
            continue  # only a few, because CPython keeps memory of each interpreter
        virtual = VirtualDevice(
            clock="stepped", frames=64, input_channels=4, output_channels=4, poison=True
        )
        shapes: set[Any] = set()

        def look(block: vc.Block, shapes: set[Any] = shapes) -> None:
            for view in (block.input, block.output):
                if view is not None:
                    shapes.add((view.shape[1], np.asarray(view).dtype.name))

        callback: Any = look
        if home == "native":
            callback = vc.NativeCallback(function(library), Gain(0.5))
        elif home == "isolated":
            callback = "isolated_callables:nothing"
        wishes = {"channels": channels, "dtype": dtype, **HOMES[home]}
        why = refusal(kind, home, channels, dtype)
        if why is not None:
            with pytest.raises(vc.ArgumentError, match=why):
                KINDS[kind](callback, driver=VirtualDriver([virtual]), **wishes)
            continue
        with KINDS[kind](callback, driver=VirtualDriver([virtual]), **wishes) as stream:
            expected = wanted_channels(kind, channels)
            assert stream.channels == expected
            virtual.step(2 + stream.lead_frames // 64)
            assert stream.statistics().blocks > 0
            stream.abort()
        if callback is look:
            counts = expected if isinstance(expected, tuple) else (expected,)
            assert shapes == {(count, dtype) for count in counts}
