"""Virtual devices refuse impossible arguments, and say what is possible."""

from __future__ import annotations

from typing import Any

import pytest

from voicecoil.errors import ArgumentError, ArgumentTypeError
from voicecoil.testing import VirtualDevice, VirtualDriver


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"clock": "fast"}, ArgumentError, "clock='fast'; possible are 'real', 'free', 'stepped'"),
        ({"layout": 3}, ArgumentError, "layout=3; possible are 'interleaved'"),
        ({"frames": 0}, ArgumentError, "frames=0; give 1 to"),
        ({"frames": "a"}, ArgumentTypeError, "frames='a' is a str; give 1 to"),
        ({"input_channels": -1}, ArgumentError, "input_channels=-1; give 0 to"),
        ({"output_channels": 2.5}, ArgumentTypeError, "output_channels=2.5 is a float; give 0 to"),
        ({"samplerate": -1}, ArgumentError, "samplerate=-1; give a rate in Hz"),
        ({"samplerate": float("nan")}, ArgumentError, "samplerate=nan; give a rate in Hz"),
    ],
)
def test_a_device_refuses(options: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        VirtualDevice("Test", **options)


@pytest.mark.parametrize("devices", [3, [3], VirtualDevice("alone")])
def test_a_driver_refuses(devices: Any) -> None:
    with pytest.raises(ArgumentTypeError, match="give a list of virtual devices"):
        VirtualDriver(devices)
