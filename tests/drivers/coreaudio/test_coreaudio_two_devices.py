"""A duplex stream on two simulated CoreAudio devices with different clocks, as on a MacBook."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import voicecoil as vc
from coreaudio import simulator_path
from rig import until
from voicecoil.testing import SimulatedCoreAudio

DEVICES = (
    "uid=mic; name=MacBook Microphone; in=1; buffer=512; rate=48000; ppm=180; "
    "latency_in=30; safety_in=80",
    "uid=speakers; name=MacBook Speakers; out=2; buffer=512; rate=48000; ppm=-90; "
    "latency_out=20; safety_out=70",
)
NOPE = int.from_bytes(b"nope", "big")  # an error code (OSStatus)


@pytest.fixture
def world() -> Iterator[SimulatedCoreAudio]:
    with SimulatedCoreAudio(simulator_path(), devices=DEVICES) as world:
        world.device("mic").set_input("sine")
        yield world


@pytest.mark.parametrize("home", ["low", "safe"])
def test_an_effect_over_two_devices(world: SimulatedCoreAudio, home: str) -> None:
    """What the microphone hears is played, on the clock of the speakers and without a gap."""
    delays = []

    def effect(block: vc.Block) -> None:
        delays.append(block.time.output_frames - block.time.input_frames)
        block.output[:] = 0.5 * block.input[:, :1]

    with vc.Stream(effect, driver=world.driver, latency=home) as stream:
        assert (stream.device.input.uid, stream.device.output.uid) == ("mic", "speakers")
        world.advance(3.0)
        both = sum(latency.frames for latency in stream.latency)
        assert stream.statistics().xruns == 0
        stream.abort()
    assert set(delays) == {both}
    heard = world.device("speakers").heard()[-48_000:, 0]
    assert 0.05 < np.max(np.abs(heard)) <= 0.51
    # Without a click: a sine has no jump.
    assert np.max(np.abs(np.diff(heard))) < 2 * np.median(np.abs(np.diff(heard)))


@pytest.mark.parametrize("uid", ["mic", "speakers"])
def test_the_loss_of_either_device_is_reported_once(world: SimulatedCoreAudio, uid: str) -> None:
    with vc.Stream(lambda block: None, driver=world.driver, latency="low") as stream:
        world.advance(0.5)
        world.device(uid).remove()
        world.advance(0.1)
        with pytest.raises(vc.DeviceLostError):
            stream.wait(10)
        assert [event.kind for event in stream.events()].count("lost") == 1


@pytest.mark.parametrize("uid", ["mic", "speakers"])
def test_the_stream_waits_for_the_pair(world: SimulatedCoreAudio, uid: str) -> None:
    blocks = []
    stream = vc.Stream(
        lambda block: blocks.append(block.frames),
        driver=world.driver,
        latency="low",
        on_device_lost="wait",
    )
    with stream:
        world.advance(0.5)
        device = world.device(uid)
        device.remove()
        world.advance(0.1)
        until(lambda: stream.state == "waiting")
        device.replug()
        until(lambda: stream.state == "running")
        before = len(blocks)
        world.advance(0.5)
        assert len(blocks) > before + 20
        stream.abort()


@pytest.mark.parametrize("skip", [0, 1])
def test_a_start_that_failed_leaves_nothing_and_can_be_repeated(
    world: SimulatedCoreAudio, skip: int
) -> None:
    blocks = []
    stream = vc.Stream(
        lambda block: blocks.append(block.frames), driver=world.driver, latency="low"
    )
    world.fail_call("AudioDeviceStart", NOPE, skip=skip, times=1)
    with pytest.raises(vc.DriverError):
        stream.start()
    world.advance(0.2)
    assert not blocks
    stream.start()
    world.advance(0.3)
    assert len(blocks) > 10
    stream.close()
