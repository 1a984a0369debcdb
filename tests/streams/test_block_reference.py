"""``block.reference`` of duplex streams: what was played while the block's input was recorded."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import voicecoil as vc
from coded import coded
from losing import came_back, two_devices, unplug
from rig import Rig, until
from voicecoil.callbacks.native import ctypes_type
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver
from voicecoil.streams.reference import Reference

RATE = 48_000
HZ = 997.0
HOMES = ["low", "safe"]


class Echo:
    """A callback that plays coded frames, and keeps what it records and the references."""

    def __init__(self, value: float = 0.0) -> None:
        self.value = value
        self.recorded: list[NDArray[Any]] = []
        self.references: list[NDArray[Any]] = []
        self.played = 0

    def __call__(self, block: vc.Block) -> None:
        self.recorded.append(block.input.copy())
        self.references.append(block.reference)  # it is the program's own
        block.output[:] = self.value or coded(self.played, block.frames, block.output.shape[1])
        self.played += block.frames

    def both(self) -> tuple[NDArray[Any], NDArray[Any]]:
        return np.concatenate(self.recorded), np.concatenate(self.references)


@pytest.mark.parametrize("latency", HOMES)
@pytest.mark.parametrize("options", [{}, {"blocksize": 100}, {"dtype": "int16"}], ids=str)
def test_on_a_cable_the_reference_is_what_is_recorded(latency: Any, options: Any) -> None:
    rig = Rig()
    echo = Echo(900 if "dtype" in options else 0.0)
    early = rig.play(coded(0, 900, 2), RATE)
    with vc.Stream(echo, driver=rig.driver, latency=latency, reference=True, **options) as stream:
        rig.step(40)
        with vc.Player(driver=rig.driver, channels=1) as player:
            player.write(0.2 * coded(0, 2000, 1))
            if latency == "safe" or "blocksize" not in options:  # a loss is between two blocks
                rig.device.inject("xrun", 333)
            rig.step(80)
        stream.abort()
    recorded, played = echo.both()
    assert len(recorded) > 60 * 64
    assert np.abs(recorded).max() > 0.02
    assert recorded.dtype == played.dtype
    assert np.array_equal(recorded, played)
    early.stop(0)
    rig.close()


def test_at_another_rate_the_reference_differs_by_the_error_of_the_interpolation() -> None:
    rig = Rig()
    times: list[int] = []

    def play(block: vc.Block) -> None:
        times.append(block.frames)
        at = sum(times[:-1]) + np.arange(block.frames)
        block.output[:] = 0.3 * np.sin(2 * np.pi * HZ / 16_000 * at)[:, None]
        recorded.append(block.input.copy())
        references.append(block.reference)

    recorded: list[NDArray[Any]] = []
    references: list[NDArray[Any]] = []
    with vc.Stream(
        play, driver=rig.driver, samplerate=16_000, reference=True, latency="safe"
    ) as stream:
        rig.step(300)
        stream.abort()
    data, played = np.concatenate(recorded), np.concatenate(references)
    assert np.abs(data).max() > 0.29
    # A delay of a thousandth of a frame would be a difference of 1.2e-4. The filters of the two
    # conversions differ at the sudden beginning of the sine.
    assert np.abs(data - played)[3000:].max() < 1e-4


@pytest.mark.parametrize("latency", HOMES)
def test_on_two_devices_the_error_is_a_part_of_a_frame(latency: Any) -> None:
    options: dict[str, Any] = {"clock": "stepped", "samplerate": 48_000.0, "latency_frames": (7, 5)}
    mic = VirtualDevice("mic", output_channels=0, frames=512, clock_ppm=60, **options)
    speakers = VirtualDevice("speakers", input_channels=0, frames=480, clock_ppm=-80, **options)
    omega = 2 * np.pi * HZ / 48_000
    line: list[tuple[float, float]] = []  # host time and sample time of the output
    found: list[tuple[float, NDArray[Any]]] = []  # host time of the input, and the reference

    def callback(block: vc.Block) -> None:
        out_ns, at, in_ns = block.time.output_ns, block.time.output_frames, block.time.input_ns
        assert out_ns is not None
        assert at is not None
        assert in_ns is not None
        block.output[:] = 0.5 * np.sin(omega * (at + np.arange(block.frames)))[:, None]
        line.append((out_ns - 1e9, at))
        found.append((in_ns - 1e9, block.reference[:, 0]))

    with vc.Stream(
        callback,
        driver=VirtualDriver([mic, speakers]),
        device=("mic", "speakers"),
        latency=latency,
        reference=True,
    ) as stream:
        end_ns = mic.now_ns() + 4_000_000_000
        while (first := min((mic, speakers), key=VirtualDevice.now_ns)).now_ns() < end_ns:
            first.step()
        stream.abort()
    output = np.polyfit(*np.array(line).T, 1)
    errors = []
    for begin_ns, reference in found[len(found) // 2 :]:
        frames = np.arange(len(reference))
        phase = omega * np.polyval(output, begin_ns + frames / output[0])
        waves = np.stack([np.sin(phase), np.cos(phase)], axis=1)
        (a, b), *_ = np.linalg.lstsq(waves, reference, rcond=None)
        assert np.hypot(a, b) == pytest.approx(0.5, abs=5e-3)
        errors.append(np.arctan2(b, a) / omega)
    assert len(errors) > 100
    assert np.abs(errors).max() < 0.5


def test_the_reference_follows_a_stream_to_another_device() -> None:
    one, two, driver = two_devices()
    echo = Echo()
    with vc.Stream(
        echo, driver=driver, latency="low", on_device_lost="default", reference=True
    ) as stream:
        one.step(20)
        unplug(one)
        came_back(stream)
        lost = len(echo.recorded)
        two.step(20)
        with vc.OutputStream(lambda block: block.output.fill(0.1), driver=driver, device="Two"):
            two.step(40)
        stream.abort()
    recorded, played = np.concatenate(echo.recorded[:lost]), np.concatenate(echo.references[:lost])
    assert np.array_equal(recorded, played)
    recorded, played = np.concatenate(echo.recorded[lost:]), np.concatenate(echo.references[lost:])
    assert np.abs(recorded).max() > 0.02
    assert np.abs(recorded - played).max() < 1e-6, "what the lost device got is not in it"


def test_without_it_a_block_has_no_reference() -> None:
    rig = Rig()
    found: list[Any] = []
    with vc.Stream(lambda block: found.append(block.reference), driver=rig.driver, latency="low"):
        rig.step(3)
    assert found == [None, None, None]


def test_a_closed_stream_keeps_no_history() -> None:
    rig = Rig()
    echo = Echo()
    with vc.OutputStream(lambda block: None, driver=rig.driver) as other:
        stream = vc.Stream(echo, driver=rig.driver, latency="low", reference=True)
        stream.start()
        rig.step(3)
        references = [weakref.ref(one) for one in gc.get_objects() if isinstance(one, Reference)]
        assert references
        stream.close()
        del stream
        gc.collect()
        until(lambda: all(one() is None for one in references))
        assert other.active


def test_streams_that_were_closed_are_forgotten() -> None:
    one, two = (VirtualDevice(name, clock="stepped", frames=2048) for name in ("One", "Two"))
    options: dict[str, Any] = {"driver": VirtualDriver([one, two]), "latency": "low"}
    echo = Echo()
    with vc.Stream(echo, device="One", reference=True, **options) as stream:
        one.step(1)
        (reference,) = [
            found
            for found in gc.get_objects()
            if isinstance(found, Reference) and found.device.uid == one.uid
        ]
        with vc.OutputStream(print, device="One", **options):
            pass  # it is closed before its first cycle
        with vc.OutputStream(lambda block: None, device="One", **options):
            one.step(1)
        with vc.OutputStream(
            lambda block: None, device="Two", on_device_lost="default", **options
        ) as other:
            two.step(1)
            other.abort()
        assert len(reference._sources) == 4
        one.step(200)  # 8.5 s
        assert len(reference._sources) == 1
        stream.abort()
    recorded, played = echo.both()
    assert np.array_equal(recorded, played)


@pytest.mark.parametrize(
    ("callback", "options", "error", "words"),
    [
        (ctypes_type()(4096), {}, vc.ArgumentError, "native callback.*Recorder"),
        (print, {"arrays": "memoryview"}, vc.ArgumentError, "memoryview.*Recorder"),
        (print, {"reference": "Rig"}, vc.ArgumentTypeError, "True or False.*Recorder"),
    ],
    ids=["native", "memoryview", "name"],
)
def test_what_cannot_have_a_reference_is_refused(
    callback: Any, options: Any, error: type[Exception], words: str
) -> None:
    rig = Rig()
    with pytest.raises(error, match=words):
        vc.Stream(callback, driver=rig.driver, **{"reference": True, **options})
