"""The settings that CoreAudio's driver requests from a device, and those that it reports."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import voicecoil as vc
from coded import assert_coded, coded
from coreaudio import Worlds
from voicecoil import hal
from voicecoil.drivers.coreaudio.timeouts import Timeouts
from voicecoil.drivers.protocol import Latency
from voicecoil.sounds.mixing import close_outputs
from voicecoil.testing import SimulatedCoreAudio


def silence(block: vc.Block) -> None:
    pass


def play_on(world: SimulatedCoreAudio, **wishes: Any) -> vc.OutputStream:
    return vc.OutputStream(silence, driver=world.driver, **wishes)


# ---- rate --------------------------------------------------------------------------------------


def test_the_rate_stays_as_it_is_unless_one_is_asked_for(coreaudio: Worlds) -> None:
    world = coreaudio(1)
    with play_on(world) as stream:
        assert stream.samplerate == 44_100
        stream.abort()
    assert world.counter("rate_changes") == 0


@pytest.mark.parametrize("samplerate", [48_000, 96_000])
def test_a_rate_is_set_and_waited_for(coreaudio: Worlds, samplerate: int) -> None:
    world = coreaudio(1, switches={"rate_delay_ns": 700_000_000})
    with play_on(world, samplerate=samplerate, device_rate="set") as stream:
        assert stream.samplerate == samplerate
        world.advance(0.1)
        stream.abort()
    assert world.device("BuiltInSpeakerDevice").runs()[-1].rate_hz == samplerate


def nominal(world: SimulatedCoreAudio, uid: str = "BuiltInSpeakerDevice") -> float:
    """Returns the rate that all programs see, Hz."""
    return world.driver.call("", lambda: world.driver.hal.f64(world.device(uid).id, "nsrt"), 10.0)


def test_the_last_stream_gives_back_the_rate_that_there_was(coreaudio: Worlds) -> None:
    """Before the fix, the whole system kept the rate of the stream."""
    world = coreaudio(1, switches={"rate_delay_ns": 300_000_000})
    first = play_on(world, samplerate=48_000, device_rate="set")
    second = play_on(world)
    assert second.samplerate == 48_000
    first.close()
    assert nominal(world) == 48_000, "the rate stays while another stream uses it"
    second.close()
    assert nominal(world) == 44_100
    with play_on(world) as third:
        assert third.samplerate == 44_100
        third.abort()
    assert world.counter("rate_changes") == 2


def test_a_rate_that_another_program_has_set_stays(coreaudio: Worlds) -> None:
    world = coreaudio(1)
    stream = play_on(world, samplerate=48_000, device_rate="set")
    world.advance(1.0)
    world.device("BuiltInSpeakerDevice").change_rate(96_000)
    world.advance(1.0)
    stream.close()
    world.advance(1.0)
    assert nominal(world) == 96_000


def test_a_failed_opening_gives_back_the_rate_that_there_was(coreaudio: Worlds) -> None:
    world = coreaudio(1)
    device = world.device("BuiltInSpeakerDevice")
    device.override("ltnc", struct.pack("<I", 2**31), scope="outp")
    with pytest.raises(vc.DriverError, match="latency is"):
        play_on(world, samplerate=48_000, device_rate="set")
    assert world.counter("rate_changes") == 2
    assert nominal(world) == 44_100
    assert world.driver.open_streams == 0


@pytest.mark.parametrize("on_device_lost", ["stop", "wait", "default"])
def test_play_never_changes_the_rate(coreaudio: Worlds, on_device_lost: Any) -> None:
    world = coreaudio(1)
    sound = np.zeros((4410, 2), np.float32)
    for rate in (8_000, 48_000, 96_000):
        playback = vc.play(sound, rate, driver=world.driver, on_device_lost=on_device_lost)
        assert playback.samplerate == 44_100
        playback.stop(0)
    close_outputs()
    assert world.counter("rate_changes") == 0


def test_any_rate_of_a_range(coreaudio: Worlds) -> None:
    with play_on(coreaudio(8), samplerate=12_345, device_rate="set") as stream:
        assert stream.samplerate == 12_345
        stream.abort()


def test_rates_that_a_device_repeats_are_listed_once(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    ranges = [(44_100.0, 44_100.0), (48_000.0, 48_000.0)] * 3
    told = b"".join(struct.pack("<dd", *one) for one in ranges)
    world.device("USBDuplex:1").override("nsr#", told)
    with pytest.raises(vc.ArgumentError, match="offers 44100, 48000 Hz"):
        play_on(world, samplerate=32_000, device_rate="set")


def test_a_rate_that_is_not_offered_is_refused_with_those_that_are(coreaudio: Worlds) -> None:
    world = coreaudio(1)
    with pytest.raises(vc.ArgumentError, match="offers 44100, 48000, 88200, 96000 Hz"):
        play_on(world, samplerate=32_000, device_rate="set")
    assert world.counter("rate_changes") == 0


def test_a_rate_that_never_comes(coreaudio: Worlds) -> None:
    world = coreaudio(1, switches={"rate_outcome": 1})
    with pytest.raises(vc.ArgumentError, match="runs at 44100 Hz and did not change within 5 s"):
        play_on(world, samplerate=48_000, device_rate="set")


def test_another_rate_comes(coreaudio: Worlds) -> None:
    world = coreaudio(1, switches={"rate_outcome": 2})
    with pytest.raises(vc.ArgumentError, match=r"runs at (88200|96000) Hz"):
        play_on(world, samplerate=48_000, device_rate="set")


def test_a_rate_that_another_process_takes_back_ends_the_stream(coreaudio: Worlds) -> None:
    world = coreaudio(1, switches={"rate_outcome": 3})
    stream = play_on(world, samplerate=48_000, device_rate="set")
    stream.start()
    world.advance(1.0)
    with pytest.raises(vc.DeviceLostError, match="from 48000 to 44100 Hz"):
        stream.wait(5)
    stream.close()


def test_a_device_that_goes_on_reporting_the_old_rate(coreaudio: Worlds) -> None:
    world = coreaudio(18)
    with play_on(world, samplerate=96_000, device_rate="set") as stream:
        assert stream.samplerate == 96_000
        world.advance(0.5)
        world.device("OldRate").notify("nsrt")
        world.advance(0.5)
        assert not stream.wait(0)
        stream.abort()
    assert world.device("OldRate").runs()[-1].rate_hz == 96_000


@pytest.mark.parametrize("lag_ms", [1, 50, 900])
def test_a_getter_that_lags(coreaudio: Worlds, lag_ms: int) -> None:
    world = coreaudio(1, switches={"getter_lag_ns": lag_ms * 1_000_000})
    with play_on(world, samplerate=96_000, device_rate="set") as stream:
        assert stream.samplerate == 96_000
        world.advance(2.0)
        assert not stream.wait(0)
        stream.abort()


def test_a_second_stream_leaves_the_rate_alone(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    with play_on(world, samplerate=96_000, device_rate="set") as stream:
        with pytest.raises(vc.ArgumentError, match="runs at 96000 Hz for another stream"):
            play_on(world, samplerate=44_100, device_rate="set")
        with play_on(world) as second:
            assert second.samplerate == 96_000
            second.abort()
        stream.abort()


# ---- buffer size -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "got"), [(None, 512), (64, 64), (1, 32), (5, 35), (441, 441), (4410, 2048)]
)
def test_the_buffer_is_whole_blocks_within_the_devices_limits(
    coreaudio: Worlds, asked: int | None, got: int
) -> None:
    world = coreaudio(4)
    with play_on(world, blocksize=asked) as stream:
        assert stream.latency.buffer_frames == got
        world.advance(0.1)
        stream.abort()
    assert world.device("MultiStream:2+2+8").buffer_frames == got


@pytest.mark.parametrize("change", [0, 1, 2])
def test_a_buffer_that_changes_late_is_waited_for(coreaudio: Worlds, change: int) -> None:
    switches = {"buffer_change": change, "buffer_delay_ns": 300_000_000}
    with play_on(coreaudio(3, switches=switches), blocksize=128) as stream:
        assert stream.latency.buffer_frames == 128
        stream.abort()


def test_a_device_that_waits_for_its_buffer_size_calls_back(coreaudio: Worlds) -> None:
    world = coreaudio(3, switches={"callbacks_never": 2})
    with play_on(world) as stream:
        world.advance(0.1)
        stream.abort()
    assert stream.statistics().cycles > 5
    assert world.counter("buffer_changes") == 0  # the driver has set the same size again


def test_a_second_stream_leaves_the_buffer_alone(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    with play_on(world, blocksize=256) as stream:
        with play_on(world, blocksize=64) as second:
            assert second.latency.buffer_frames == 256
            second.abort()
        stream.abort()


def test_devices_whose_cycles_vary_promise_no_number(coreaudio: Worlds) -> None:
    sizes: list[int] = []
    world = coreaudio(11)
    stream = vc.OutputStream(lambda block: sizes.append(block.frames), driver=world.driver)
    assert stream.blocksize == 0
    with stream:
        world.advance(0.5)
        stream.abort()
    assert len(set(sizes)) > 5
    assert max(sizes) <= stream._opened_format.max_period_frames


# ---- latencies ---------------------------------------------------------------------------------


def test_latency_is_split_by_where_it_comes_from(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    with vc.Stream(silence, driver=world.driver) as stream:
        assert stream.latency == (
            Latency(42, 7, 64, 512, 0, 48_000.0),
            Latency(37, 9, 72, 512, 0, 48_000.0),
        )
        stream.abort()


@pytest.mark.parametrize("samplerate", [44_100, 48_000, 96_000])
@pytest.mark.parametrize("blocksize", [None, 64, 480])
def test_the_round_trip_takes_exactly_the_declared_latency(
    coreaudio: Worlds, samplerate: int, blocksize: int | None
) -> None:
    recorded: list[NDArray[np.float32]] = []
    position = 0

    def callback(block: vc.Block) -> None:
        nonlocal position
        recorded.append(block.input.copy())
        block.output[:] = coded(position, *block.output.shape)
        position += block.frames

    world = coreaudio(8)
    stream = vc.Stream(
        callback, driver=world.driver, samplerate=samplerate, device_rate="set", blocksize=blocksize
    )
    with stream:
        world.advance(0.5)
        stream.abort()
    trip = sum(latency.frames for latency in stream.latency)
    sound = np.concatenate(recorded)
    assert not sound[:trip].any()
    assert_coded(sound[trip:])


def test_output_times_are_those_at_which_frames_leave_the_hardware(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    times: list[tuple[int, int]] = []

    def callback(block: vc.Block) -> None:
        times.append((block.time.output_frames, block.time.output_ns))  # type: ignore[arg-type]

    with vc.OutputStream(callback, driver=world.driver) as stream:
        world.advance(1.0)
        latency = stream.latency
        stream.abort()
    device = world.device("USBDuplex:1")
    beyond = latency.device_frames + latency.stream_frames
    for frames, ns in times[10:]:
        # The limit allows for an error, because the output time is predicted and the device's clock
        # is 37 ppm fast.
        assert abs(device.emission_ns(frames - beyond) - ns) < 20_000


# ---- devices that cannot be opened -------------------------------------------------------------


def test_formats_that_are_not_float(coreaudio: Worlds) -> None:
    world = coreaudio(1)
    device = world.device("BuiltInSpeakerDevice")
    driver = world.driver
    stream = driver.call("", lambda: driver.hal.ids(device.id, "stm#"), 10.0)[0]
    integer = driver.call("", lambda: driver.hal.scalar(stream, "sfmt", 40), 10.0)
    device.override("sfmt", integer[:8] + b"3-ca" + integer[12:], object_id=stream, scope="glob")
    with pytest.raises(vc.DriverError, match=r"'ac-3'.*only 32-bit float"):
        play_on(world)


def test_compressed_sound_is_refused_with_the_way_out(coreaudio: Worlds) -> None:
    """What the message advises is run, and the device plays afterwards."""
    world = coreaudio(12)
    device = hal.connect(world.driver).device("SPDIF:1")
    offered = [one.format for one in device.output.streams[0].available_physical_formats]
    wanted = next(one for one in offered if one.format_id == "cac3" and one.samplerate == 48_000)
    device.output.streams[0].physical_format = wanted
    pattern = r"'cac3' 16 bit integer, 2 channels.*does not mix; only 32-bit float and signed"
    with pytest.raises(vc.DriverError, match=pattern) as raised:
        play_on(world, device="SPDIF:1")
    advice = str(raised.value).partition("with voicecoil.hal: ")[2]
    assert advice.startswith("stream = hal.device('SPDIF:1').output.streams[0]; ")
    exec(advice, {"hal": hal.connect(world.driver)})
    with play_on(world, device="SPDIF:1") as stream:
        stream.abort()


def test_a_device_that_another_program_has_for_itself(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    world.device("USBDuplex:1").hog(4711)
    stream = play_on(world)
    with pytest.raises(
        vc.DriverError, match=r"AudioDeviceStart gave '!hog'.*'Simulated USB Duplex"
    ):
        stream.start()
    stream.close()


def test_timeouts_are_the_drivers(coreaudio: Worlds) -> None:
    world = coreaudio(1, switches={"rate_outcome": 1}, timeouts=Timeouts(rate_s=0.25))
    before = world.now_ns()
    with pytest.raises(vc.ArgumentError, match=r"within 0\.25 s"):
        play_on(world, samplerate=48_000, device_rate="set")
    assert 250_000_000 <= world.now_ns() - before < 400_000_000


# ---- choice of streams --------------------------------------------------------------------------


def loud(block: vc.Block) -> None:
    block.output[:] = 0.5


UNSUPPORTED = int.from_bytes(b"unop", "big")


def test_a_device_that_refuses_to_choose_streams_plays_where_all_are_wanted(
    coreaudio: Worlds,
) -> None:
    world = coreaudio(1)
    stream = play_on(world)
    world.fail_call("AudioObjectSetPropertyData", UNSUPPORTED)
    with stream:
        world.advance(0.1)
        assert stream.statistics().cycles > 0
        stream.abort()


def test_output_streams_that_cannot_be_switched_off_play_silence(coreaudio: Worlds) -> None:
    world = coreaudio(devices=["uid=two; out=2,2; rates=48000"])
    stream = vc.OutputStream(loud, driver=world.driver, channels=[2, 3])
    world.fail_call("AudioObjectSetPropertyData", UNSUPPORTED)
    with stream:
        world.advance(0.1)
        stream.abort()
    heard, _ = world.device("two").captured()
    assert heard.max(axis=0).tolist() == [0.0, 0.0, 0.5, 0.5]


def test_a_microphone_that_cannot_be_left_off_is_an_error(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    stream = play_on(world)
    world.fail_call("AudioObjectSetPropertyData", UNSUPPORTED)
    with pytest.raises(vc.DriverError, match="unop"):
        stream.start()
    stream.close()
    assert world.counter("input_opens") == 0
