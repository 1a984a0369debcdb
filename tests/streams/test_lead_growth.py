"""The lead of ``latency="safe"``, which grows when the callback was late."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

import voicecoil as vc
from coded import coded
from losing import came_back, unplug
from rig import until
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver

WAIT_FRAMES = 5_120  # longer than 60 ms, and than the ring of a lead that does not grow
SAFE_FRAMES = 2_880


class Late:
    """A callback for any kind of stream. Its tenth block takes WAIT_FRAMES of the device's time."""

    def __init__(self) -> None:
        self.stream: Any = None
        self.go = threading.Event()
        self.position = 0
        self.blocks: list[tuple[int, int | None, int | None]] = []
        self.codes: list[int] = []

    def __call__(self, block: vc.Block) -> None:
        if self.stream.channels_out:
            block.output[:] = coded(self.position, *block.output.shape)
        self.blocks.append((self.position, block.time.input_frames, block.time.output_frames))
        self.position += block.frames
        if len(self.blocks) == 10:
            before = self.stream.cycles
            until(lambda: self.stream.cycles >= before + WAIT_FRAMES // 64)


class Opened:
    """A stream on a device in real time, with a callback that was late once."""

    def __init__(self, kind: Any, **request: Any) -> None:
        self.callback = Late()
        self.callback.stream = self
        self.device = VirtualDevice("One", frames=64)
        self.other = VirtualDevice("Two", frames=16_384)
        self.driver = VirtualDriver([self.device, self.other])
        self.device.capture()
        self.channels_out = 0 if kind is vc.InputStream else 2
        self.stream = kind(self.callback, driver=self.driver, **{"latency": "safe", **request})

    @property
    def cycles(self) -> int:
        return int(self.stream.statistics().cycles)

    def run(self) -> None:
        """Returns when the device has played what the callback made after it was late."""
        self.stream.start()
        until(lambda: len(self.callback.blocks) > 10)
        before = self.cycles
        until(lambda: self.cycles > before + 12_800 // 64)


KINDS = [vc.OutputStream, vc.InputStream, vc.Stream]


@pytest.mark.parametrize("kind", KINDS)
def test_the_lead_grows_and_everything_tells_the_new_one(kind: Any) -> None:
    opened = Opened(kind)
    stream, callback = opened.stream, opened.callback
    assert stream.lead_frames == SAFE_FRAMES
    opened.run()
    events = stream.events()
    stream.close()
    setting = stream.settings["latency"]
    assert (setting.requested, setting.outcome) == ("safe", "adjusted")
    assert setting.actual == stream.lead_frames / 48_000
    assert "was 2880 frames, and grew because the callback was late" in setting.reason
    assert stream.lead_frames >= 1.5 * WAIT_FRAMES
    assert stream.lead_frames <= 0.5 * 48_000
    assert stream.lead_frames % 64 == 0
    growths = [event for event in events if event.kind == "lead"]
    assert growths[-1].value == stream.lead_frames
    assert all(growth.host_ns > 0 for growth in growths)
    assert [growth.value for growth in growths] == sorted({growth.value for growth in growths})
    if kind is vc.InputStream:
        assert stream.statistics().xruns == 0, "the input waited in the ring"
        assert stream.latency.lead_frames == 0
        return
    latency = stream.latency[1] if kind is vc.Stream else stream.latency
    assert latency.lead_frames == stream.lead_frames
    heard = opened.device.heard()
    position, input_frames, output_frames = callback.blocks[-4 - stream.lead_frames // 64]
    assert output_frames is not None
    first = callback.blocks[0]
    assert first[2] is not None
    at = output_frames - first[2]  # the silence before the first frame is not captured
    assert np.array_equal(heard[at : at + 64], coded(position, 64, 2))
    if kind is vc.Stream:
        assert input_frames is not None
        assert output_frames - input_frames == sum(one.frames for one in stream.latency)


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (vc.OutputStream, {"latency": 0.06}),
        (vc.InputStream, {"max_lead_s": 0}),
        (vc.Stream, {"max_lead_s": 0.06}),
    ],
)
def test_a_lead_that_does_not_grow(kind: Any, given: dict[str, Any]) -> None:
    opened = Opened(kind, **given)
    opened.run()
    assert opened.stream.lead_frames == SAFE_FRAMES
    counted = opened.stream.statistics()
    causes = [xrun.cause for xrun in counted.latest_xruns if xrun.cause != "device"]
    assert counted.late_blocks >= len(causes) > 0
    assert not [event for event in opened.stream.events() if event.kind == "lead"]
    opened.stream.close()


def test_the_lead_does_not_become_shorter() -> None:
    """Neither when the stream is started again, nor when it moves to another device."""
    opened = Opened(vc.OutputStream, on_device_lost="default")
    stream = opened.stream
    opened.run()
    grown = stream.lead_frames
    assert grown >= 1.5 * WAIT_FRAMES
    stream.abort()
    stream.start()
    assert stream.lead_frames >= grown
    unplug(opened.device)
    came_back(stream)
    assert stream.lead_frames == max(2 * 16_384, grown)
    stream.close()


def test_arguments() -> None:
    driver = VirtualDriver()
    for latency in ("low", 0.1):
        with pytest.raises(vc.ArgumentError, match='only the lead of latency="safe" grows'):
            vc.OutputStream(print, driver=driver, latency=latency, max_lead_s=1.0)
    with pytest.raises(vc.ArgumentError, match="at most 10"):
        vc.OutputStream(print, driver=driver, latency="safe", max_lead_s=11)
    with pytest.raises(vc.ArgumentTypeError, match="max_lead_s"):
        vc.OutputStream(print, driver=driver, latency="safe", max_lead_s="1")  # type: ignore[arg-type]
