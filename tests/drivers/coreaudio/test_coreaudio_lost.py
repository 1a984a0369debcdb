"""Streams on CoreAudio outlive their device, for every order of CoreAudio's notifications."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import voicecoil as vc
from coreaudio import Worlds
from driver_contract import CodedOutput
from losing import came_back, is_away, is_on, kinds, no_thread_stays
from rig import until
from voicecoil.testing import SimulatedCoreAudio

HOST_NS = 1e9 / 48_000
SET: dict[str, Any] = {"samplerate": 48_000, "device_rate": "set"}


def play_on(
    world: SimulatedCoreAudio, callback: CodedOutput, policy: str, **options: Any
) -> vc.OutputStream:
    stream = vc.OutputStream(
        callback,
        driver=world.driver,
        on_device_lost=policy,  # type: ignore[arg-type]
        **options,
    )
    stream.start()
    world.advance(0.1)
    return stream


@pytest.mark.parametrize("order", [0, 1, 2, 3])
@pytest.mark.parametrize("dead_device_error", [0, 1])
def test_unplugged_and_plugged_in_again(
    coreaudio: Worlds, order: int, dead_device_error: int
) -> None:
    world = coreaudio(3, switches={"notify_order": order, "dead_device_error": dead_device_error})
    callback = CodedOutput()
    stream = play_on(world, callback, "wait")
    simulated = world.device("USBDuplex:1")
    for _ in range(3):
        simulated.remove()
        world.advance(0.05)
        is_away(stream)
        simulated.replug()
        is_on(stream)
        world.advance(0.1)
    stream.abort()
    assert stream.state != "waiting"
    assert kinds(stream.events()) == ["lost", "back", "xrun"] * 3
    stream.close()
    # The number of lost frames fits the host time that has passed. The limit is not zero, because
    # the device's clock is not exact.
    lost = stream.statistics().lost_frames
    gaps = np.diff(callback.output_ns) / HOST_NS - callback.sizes[:-1]
    assert abs(gaps.sum() - lost) <= 3 + 1e-3 * lost
    assert lost >= 3 * 0.05 * 48_000
    no_thread_stays()


def test_the_default_changes_to_another_device(coreaudio: Worlds) -> None:
    world = coreaudio(
        devices=["uid=one; name=One; out=2", "uid=two; name=Two; out=6; latency_out=100"]
    )
    callback = CodedOutput()
    stream = play_on(world, callback, "default")
    assert stream.device.uid == "one"
    # A change of the default device does not affect a stream whose device works.
    world.set_default("output", world.device("two"))
    world.advance(0.1)
    world.set_default("output", world.device("one"))
    world.advance(0.1)
    assert kinds(stream.events()) == []
    world.device("one").remove()
    world.advance(0.05)
    came_back(stream)
    assert stream.device.uid == "two"
    assert stream.latency.device_frames == 100
    before = callback.blocks
    world.advance(0.1)
    assert callback.blocks > before
    assert stream.channels == 2
    stream.close()
    assert (np.diff(callback.output_frames) > 0).all()
    no_thread_stays()


def test_a_restart_of_coreaudiod(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    callback = CodedOutput()
    stream = play_on(world, callback, "wait")
    world.restart_service()
    world.advance(0.05)
    came_back(stream)
    before = callback.blocks
    world.advance(0.1)
    assert callback.blocks > before
    stream.close()
    no_thread_stays()


def test_a_device_that_does_not_start_at_once_when_it_is_back(coreaudio: Worlds) -> None:
    """If AudioDeviceStart fails, the stream tries to start again."""
    world = coreaudio(3)
    callback = CodedOutput()
    stream = play_on(world, callback, "wait")
    simulated = world.device("USBDuplex:1")
    simulated.remove()
    world.advance(0.05)
    is_away(stream)
    world.fail_call("AudioDeviceStart", int.from_bytes(b"stop", "big"), times=3)
    simulated.replug()
    before = callback.blocks
    is_on(stream)
    world.advance(0.1)
    assert callback.blocks > before
    stream.close()
    no_thread_stays()


def test_a_device_at_another_rate_is_set_to_the_streams(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    callback = CodedOutput()
    stream = play_on(world, callback, "wait", **SET)
    world.device("USBDuplex:1").change_rate(96_000)
    world.advance(0.2)
    came_back(stream)
    world.advance(0.2)
    assert world.driver.devices()[0].samplerate == 48_000
    assert stream.samplerate == 48_000
    until(lambda: not stream.wait(0))
    stream.close()
    no_thread_stays()


def test_several_streams_set_the_rate_back_together(coreaudio: Worlds) -> None:
    """The streams can set the rate only after all of them have closed the device."""
    world = coreaudio(3)
    callbacks = [CodedOutput() for _ in range(4)]
    streams = [play_on(world, callback, "wait", **SET) for callback in callbacks]
    for times in range(1, 3):
        world.device("USBDuplex:1").change_rate(44_100)
        world.advance(0.2)
        for stream in streams:
            came_back(stream, times)
        before = [callback.blocks for callback in callbacks]
        world.advance(0.2)
        assert all(c.blocks > b for c, b in zip(callbacks, before, strict=True))
    assert world.driver.devices()[0].samplerate == 48_000
    for stream in streams:
        stream.close()
    no_thread_stays()
