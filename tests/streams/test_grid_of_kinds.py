"""Rate, sample type, channels and home on each kind of device: it works, or an error gives advice.

The kinds are a virtual device, a simulated CoreAudio device, and pairs of both for `Stream`.
test_grid_of_streams.py and test_rate_of_device.py have more values for the virtual device.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import voicecoil as vc
from coreaudio import simulator_path
from natives import Gain, function
from voicecoil.drivers.protocol import Driver
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver
from voicecoil.testing import SimulatedCoreAudio

pytestmark = pytest.mark.usefixtures("on_a_worker")

STREAMS: dict[str, Any] = {"out": vc.OutputStream, "in": vc.InputStream, "duplex": vc.Stream}
HOMES: dict[str, dict[str, Any]] = {
    "safe": {"latency": "safe"},
    "seconds": {"latency": 0.01},
    "low": {"latency": "low"},
    "zero_copy": {"latency": "low", "zero_copy": True},
    "native": {},
    "isolated": {"isolated": True},
}
RATES = (None, 48_000, 44_100, 16_000)  # each device runs at 48 kHz and offers 44.1 kHz, too
CHANNELS = (None, 1, [1], 3)  # the devices have 2 in each direction
PAIR = ("Mic", "Speakers")


@contextlib.contextmanager
def virtual(pair: bool) -> Iterator[tuple[Driver, Callable[[float], None]]]:
    """Yields a driver and a function that lets a number of seconds pass."""

    def device(name: str, inputs: int, outputs: int) -> VirtualDevice:
        return VirtualDevice(
            name,
            clock="stepped",
            frames=480,
            input_channels=inputs,
            output_channels=outputs,
            rates=(44_100, 48_000),
            poison=True,
        )

    made = [device("Mic", 2, 0), device("Speakers", 0, 2)] if pair else [device("Both", 2, 2)]

    def step(seconds: float) -> None:
        for _ in range(round(100 * seconds)):
            for one in made:
                one.step()

    yield VirtualDriver(made), step


@contextlib.contextmanager
def simulated(pair: bool) -> Iterator[tuple[Driver, Callable[[float], None]]]:
    common = "buffer=480; rates=44100,48000; rate=48000"
    texts = [f"uid=both; name=Both; in=2; out=2; {common}"]
    if pair:
        texts = [f"uid=m; name=Mic; in=2; {common}", f"uid=s; name=Speakers; out=2; {common}"]
    with SimulatedCoreAudio(simulator_path(), devices=texts) as world:
        yield world.driver, world.advance


KINDS: dict[str, Any] = {"virtual": virtual, "coreaudio": simulated}


def refusal(wish: dict[str, Any], home: str) -> str | None:
    """Returns a part of the error message for a combination, or None if the combination works."""
    rate, dtype, channels = wish["samplerate"], wish["dtype"], wish["channels"]
    if channels == [1] and wish["kind"] == "duplex":
        return "input_channels or output_channels"
    if dtype != "float32" and home == "native":
        return "leave dtype out"
    if dtype != "float32" and home == "zero_copy":
        return "leave one of them out"
    if channels == 3:
        return "so use 1 to 2"
    if wish["device_rate"] == "set" and rate not in (None, 44_100, 48_000):
        return "44100, 48000 Hz"
    on_io_thread = home not in ("safe", "seconds")
    if wish["device_rate"] == "keep" and on_io_thread and rate not in (None, 48_000):
        return r'44100, 48000 Hz\), or a Python callback with latency="safe", which converts'
    return None


@pytest.mark.parametrize("home", HOMES)
@pytest.mark.parametrize("kind", [*STREAMS, "pair"])
@pytest.mark.parametrize("system", KINDS)
def test_it_works_or_says_what_does(
    system: str, kind: str, home: str, library: ctypes.CDLL
) -> None:
    if home == "isolated" and sys.version_info < (3, 12):
        pytest.skip("isolated=True needs Python 3.12")
    pair = kind == "pair"
    with KINDS[system](pair) as (driver, passes):
        for rate, dtype, channels, device_rate in itertools.product(
            RATES, ("float32", "int16"), CHANNELS, ("keep", "set")
        ):
            wish = {"samplerate": rate, "dtype": dtype, "channels": channels}
            wish |= {"device_rate": device_rate, **HOMES[home]}
            name = "duplex" if pair else kind
            why = refusal({**wish, "kind": name}, home)
            if home == "isolated" and why is None and (channels, dtype) != (1, "int16"):
                continue  # only a few, because CPython keeps memory of each interpreter
            seen: set[Any] = set()

            def look(block: vc.Block, seen: set[Any] = seen) -> None:
                for view in (block.input, block.output):
                    if view is not None:
                        seen.add((*np.asarray(view).shape, np.asarray(view).dtype.name))

            callback: Any = look
            if home == "native":
                callback = vc.NativeCallback(function(library), Gain(0.5))
            elif home == "isolated":
                callback = "isolated_callables:nothing"
            wish |= {"driver": driver, "device": PAIR if pair else None}
            if why is not None:
                with pytest.raises(vc.ArgumentError, match=why):
                    STREAMS[name](callback, **wish)
                assert {one.samplerate for one in driver.devices()} == {48_000}
                continue
            with STREAMS[name](callback, **wish) as stream:
                hardware = rate if device_rate == "set" and rate else 48_000
                assert (stream.samplerate, stream.device.samplerate) == (rate or 48_000, hardware)
                passes(0.15)
                assert stream.statistics().blocks > 0
                stream.abort()
            if callback is look:
                count = channels if isinstance(channels, int) else 1 if channels else 2
                assert seen == {(stream.blocksize, count, dtype)}
            assert {one.samplerate for one in driver.devices()} == {48_000}
