"""Sleep, a headset's call and missing consent, on the simulated CoreAudio."""

from __future__ import annotations

import numpy as np
import pytest

import voicecoil as vc
from coreaudio import Worlds


def test_a_stream_continues_after_sleep(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    with vc.OutputStream(lambda block: None, driver=world.driver) as stream:
        world.advance(0.5)
        before = stream.statistics().cycles
        world.check(world.library.sim_sleep(True))
        world.check(world.library.sim_wake())
        world.advance(2.0)
        assert stream.statistics().cycles > before + 50
        assert stream.state == "running"
        stream.abort()


@pytest.mark.parametrize("kind", [vc.OutputStream, vc.InputStream])
def test_times_go_on_after_sleep(coreaudio: Worlds, kind: type[vc.OutputStream]) -> None:
    """IO resumes on a thread whose sample times begin at zero again."""
    world = coreaudio(3)
    times: list[tuple[int, int]] = []
    way = "output" if kind is vc.OutputStream else "input"

    def callback(block: vc.Block) -> None:
        frames, ns = (getattr(block.time, f"{way}_{unit}") for unit in ("frames", "ns"))
        times.append((frames, ns))

    with kind(callback, driver=world.driver, latency="low", blocksize=512) as stream:
        world.advance(0.5)
        world.check(world.library.sim_sleep(True))
        world.advance(1.0)
        world.check(world.library.sim_wake())
        world.advance(1.0)
        stream.abort()
    steps = np.diff(np.array(times, np.int64)[:, 0])
    (away,) = steps[steps != 512]
    assert away > 48_000
    seconds = (times[-1][1] - times[0][1]) / 1e9
    assert times[-1][0] - times[0][0] == pytest.approx(48_000 * seconds, abs=100)  # 37 ppm


def test_a_stream_whose_callbacks_stay_away_after_sleep_is_lost(coreaudio: Worlds) -> None:
    world = coreaudio(3, switches={"wake_io": 1})
    stream = vc.OutputStream(lambda block: None, driver=world.driver)
    stream.start()
    world.advance(0.5)
    world.check(world.library.sim_sleep(True))
    world.check(world.library.sim_wake())
    world.advance(10.0)
    with pytest.raises(vc.DeviceLostError, match="no IO cycle came"):
        stream.wait(5)
    stream.close()


def test_a_headset_with_a_call_ends_a_stream_at_the_other_rate(coreaudio: Worlds) -> None:
    world = coreaudio(6)
    headset = world.device("04-5D-4B-00-00-01:output")
    microphone = world.device("04-5D-4B-00-00-01:input")
    assert world.library.sim_add_process(4711, b"com.example.call")
    stream = vc.OutputStream(lambda block: None, driver=world.driver, device=headset.uid)
    stream.start()
    world.advance(0.5)
    world.check(world.library.sim_process_io(4711, microphone.id, 0))
    world.advance(2.0)
    with pytest.raises(vc.DeviceLostError, match="24000"):
        stream.wait(5)
    stream.close()


def test_without_consent_a_recording_is_silent(coreaudio: Worlds) -> None:
    world = coreaudio(2)
    world.check(world.library.sim_set_consent(1))
    blocks: list[np.ndarray] = []
    with vc.InputStream(
        lambda block: blocks.append(block.input.copy()), driver=world.driver
    ) as stream:
        world.advance(0.5)
        stream.abort()
    assert len(blocks) > 10
    assert not any(block.any() for block in blocks)
