"""The rate of the hardware: kept or set, restored, and converted to the rate of each stream."""

from __future__ import annotations

import ctypes
import gc
import itertools
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import voicecoil as vc
from coreaudio import simulator_path
from natives import Gain, function
from rig import until
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver
from voicecoil.sounds.mixing import close_outputs
from voicecoil.testing.simulator_library import ENVIRONMENT

pytestmark = pytest.mark.usefixtures("on_a_worker")


def rate_of(driver: Any) -> float:
    """Returns the rate that all programs see, Hz."""
    rate: float = driver.devices()[0].samplerate
    return rate


def test_the_streams_of_a_voice_agent(stepped: Any, driver: Any) -> None:
    """It hears 16 kHz int16 and plays 24 kHz in mono, whatever the device's rate is."""
    heard: list[NDArray[np.int16]] = []
    lengths: list[int] = []

    def listen(block: vc.Block) -> None:
        heard.append(block.input[:, 0].copy())

    def speak(block: vc.Block) -> None:
        lengths.append(block.frames)
        block.output[:] = 8192

    with (
        vc.InputStream(
            listen, driver=driver, samplerate=16_000, channels=1, blocksize=160, dtype="int16"
        ) as ear,
        vc.OutputStream(
            speak, driver=driver, samplerate=24_000, channels=1, blocksize=480, dtype="int16"
        ) as voice,
    ):
        stepped.step(300)
        assert (ear.samplerate, voice.samplerate) == (16_000, 24_000)
        assert ear.device.samplerate == voice.device.samplerate == rate_of(driver) == 48_000
        ear.abort()
        voice.abort()
    assert {len(block) for block in heard} == {160}
    assert set(lengths) == {480}
    assert heard[-1].dtype == np.int16
    assert np.abs(heard[-1] - 8192.0).max() < 8


@pytest.mark.parametrize("end", ["close", "stop", "raise", "dropped"])
def test_a_rate_that_was_set_is_restored_with_the_last_stream(
    stepped: Any, driver: Any, end: str
) -> None:
    def callback(block: vc.Block) -> None:
        if end == "raise":
            raise LookupError

    wishes: dict[str, Any] = {"driver": driver, "device_rate": "set"}
    first = vc.OutputStream(callback, samplerate=96_000, **wishes)
    assert first.samplerate == first.device.samplerate == rate_of(driver) == 96_000
    with pytest.raises(vc.ArgumentError, match="runs at 96000 Hz for another stream"):
        vc.OutputStream(callback, samplerate=44_100, **wishes)
    second = vc.InputStream(lambda block: None, driver=driver, samplerate=48_000)
    assert (second.samplerate, second.device.samplerate) == (48_000, 96_000)
    second.close()
    assert rate_of(driver) == 96_000
    if end == "dropped":
        del first
        gc.collect()
        until(lambda: rate_of(driver) == 48_000)
        return
    if end == "stop":
        first.start()
        stepped.step(1)
        first.abort()
    elif end == "raise":
        first.start()
        stepped.step(40)
        with pytest.raises(LookupError):
            first.stop()
    first.close()
    assert rate_of(driver) == 48_000


def test_play_and_record_keep_the_rate(stepped: Any, driver: Any) -> None:
    take = vc.record(driver=driver, samplerate=16_000, frames=100)
    sound = vc.play(np.zeros((1000, 2), np.float32), 44_100, driver=driver)
    assert rate_of(driver) == 48_000
    stepped.step(20)
    assert take.wait(10).shape == (100, 2)  # type: ignore[union-attr]
    sound.stop(0)
    close_outputs(driver)


KINDS: dict[str, Any] = {"out": vc.OutputStream, "in": vc.InputStream, "duplex": vc.Stream}
HOMES: dict[str, dict[str, Any]] = {
    "safe": {"latency": "safe"},
    "seconds": {"latency": 0.01},
    "low": {"latency": "low"},
    "zero_copy": {"latency": "low", "zero_copy": True},
}


@pytest.mark.parametrize("home", [*HOMES, "native"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_combination_of_rates_works_or_says_what_does(
    kind: str, home: str, library: ctypes.CDLL
) -> None:
    for rate, dtype, channels, device_rate, arrays in itertools.product(
        (None, 48_000, 44_100, 16_000, 12_345.5),
        ("float32", "uint8"),
        (None, 1),
        ("keep", "set"),
        ("numpy", "memoryview"),
    ):
        wishes: dict[str, Any] = {"samplerate": rate, "dtype": dtype, "channels": channels}
        wishes |= {"device_rate": device_rate, "arrays": arrays, **HOMES.get(home, {})}
        virtual = VirtualDevice(clock="stepped", frames=64, rates=(44_100, 48_000), poison=True)
        on_io_thread = home not in ("safe", "seconds")
        why = None
        if dtype != "float32" and home in ("native", "zero_copy"):
            why = "leave"
        elif device_rate == "set" and rate not in (None, 44_100, 48_000):
            why = "44100, 48000 Hz"
        elif device_rate == "keep" and on_io_thread and rate not in (None, 48_000):
            why = r'device_rate="set" .*which converts'
        driver = VirtualDriver([virtual])
        seen: list[tuple[int, float]] = []
        callback: Any = lambda block, seen=seen: seen.append((block.frames, block.samplerate))  # noqa: E731
        if home == "native":
            callback = vc.NativeCallback(function(library), Gain(0.5))
        if why is not None:
            with pytest.raises(vc.ArgumentError, match=why):
                KINDS[kind](callback, driver=driver, **wishes)
            assert virtual.describe(False, False).samplerate == 48_000
            continue
        with KINDS[kind](callback, driver=driver, **wishes) as stream:
            hardware = rate if device_rate == "set" and rate else 48_000
            assert (stream.samplerate, stream.device.samplerate) == (rate or 48_000, hardware)
            virtual.step(160)
            assert stream.statistics().blocks > 0
            stream.abort()
        assert set(seen) == ({(stream.blocksize, stream.samplerate)} if home != "native" else set())


# Opens a stream that sets the rate, and ends without closing it. The first handler is called last.
AT_EXIT = """
import atexit, sys

@atexit.register
def look():
    print(rate())

import voicecoil as vc

if sys.argv[1] == "virtual":
    from voicecoil.testing import VirtualDevice, VirtualDriver
    device = VirtualDevice(rates=(48_000, 96_000))
    driver = VirtualDriver([device])
    rate = lambda: device.describe(False, False).samplerate
else:
    import struct
    from voicecoil.testing import SimulatedCoreAudio
    text = "uid=both; in=2; out=2; rates=48000,96000; rate=48000"
    world = SimulatedCoreAudio(devices=[text], clock="running")
    driver, both = world.driver, world.device("both").id
    nominal, everywhere = (int.from_bytes(code, "big") for code in (b"nsrt", b"glob"))
    rate = lambda: struct.unpack("<d", driver.library.get(both, nominal, everywhere, 0, 8)[1])[0]

stream = vc.OutputStream(
    lambda block: None, driver=driver, samplerate=96_000, device_rate="set", latency="low"
)
stream.start()
print(rate())
if sys.argv[2] == "raise":
    raise LookupError
"""


@pytest.mark.parametrize("end", ["return", "raise"])
@pytest.mark.parametrize("system", ["virtual", "coreaudio"])
def test_a_rate_that_was_set_is_restored_when_the_program_ends(system: str, end: str) -> None:
    environment = {**os.environ}
    if system == "coreaudio":
        environment[ENVIRONMENT] = simulator_path()
    done = subprocess.run(
        [sys.executable, "-c", AT_EXIT, system, end],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == (end == "raise"), done.stderr
    assert ("LookupError" in done.stderr) is (end == "raise")
    assert [float(line) for line in done.stdout.split()] == [96_000, 48_000]
