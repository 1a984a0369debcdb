"""Streams follow changes of their device, of the machine and of the audio service.

For each kind of change and each policy: the change is one event, the times of events are in order,
and sound flows again. Every frame that the device plays is one that the callback made, in its order
and once.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

import voicecoil as vc
from coded import CHANNELS, SCALE
from coreaudio import Worlds
from driver_contract import CodedOutput
from losing import kinds, listed, no_thread_stays
from rig import until
from voicecoil.drivers.coreaudio.hal import OUTPUT
from voicecoil.testing import SimulatedCoreAudio, SimulatedDevice

USB = "USBDuplex:1"
HEADSET = "04-5D-4B-00-00-01"
CALL = 4_711
SET: dict[str, Any] = {"samplerate": 48_000, "device_rate": "set"}


def other_rate(world: SimulatedCoreAudio) -> None:
    world.device("USBDuplex:1").change_rate(96_000)


def begin_call(world: SimulatedCoreAudio) -> None:
    """Another program uses the headset's microphone, which needs the profile for calls."""
    assert world.library.sim_add_process(CALL, b"com.example.call")
    microphone = world.device(f"{HEADSET}:input").id
    world.check(world.library.sim_process_io(CALL, microphone, 0))


def end_call(world: SimulatedCoreAudio) -> None:
    world.check(world.library.sim_process_io(CALL, 0, 0))


def sleep(world: SimulatedCoreAudio) -> None:
    world.check(world.library.sim_sleep(True))
    world.advance(1.0)
    world.check(world.library.sim_wake())


def restart(world: SimulatedCoreAudio) -> None:
    world.restart_service()


def longer_cycles(world: SimulatedCoreAudio) -> None:
    driver, device = world.driver, world.device("USBDuplex:1")
    driver.call("", lambda: driver.hal.set_u32(device.id, "fsiz", 300), 10.0)


def headphones(world: SimulatedCoreAudio) -> None:
    source = int.from_bytes(b"hdpn", "big")
    world.check(world.library.sim_set_data_source(world.device("BuiltInSpeakerDevice").id, source))


def integers(world: SimulatedCoreAudio) -> None:
    """Another program sets a format of 24-bit integers that CoreAudio does not mix."""
    hal, device = world.driver.hal, world.device("USBDuplex:1").id

    def work() -> None:
        stream = hal.ids(device, "stm#", OUTPUT)[0]
        fields = list(struct.unpack("<d4s7I", hal.scalar(stream, "pft ", 40)))
        fields[2:] = 4 | 8 | 64, 6, 1, 6, 2, 24, 0  # signed, packed, not mixed
        hal.set_bytes(stream, "pft ", struct.pack("<d4s7I", *fields))

    world.driver.call("", work, 10.0)


def hog(world: SimulatedCoreAudio) -> None:
    world.device("USBDuplex:1").hog(4_711)


@dataclass(frozen=True)
class Case:
    """A change, and what a stream reports."""

    make: Callable[[SimulatedCoreAudio], None]
    reason: str  # in the event
    fixture: int = 3
    uid: str = "USBDuplex:1"
    switches: dict[str, int] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    undo: Callable[[SimulatedCoreAudio], None] | None = None
    passes_s: float = 1.0  # until the loss is noticed


LOST = {
    "rate": Case(other_rate, "to 96000 Hz", options=SET),
    "restart of the service": Case(restart, "was restarted"),
    "integers that are not mixed": Case(integers, "to 'lpcm' 24 bit integer, 2 channels"),
    "profile of a headset": Case(
        begin_call, "to 24000 Hz", 6, f"{HEADSET}:output", undo=end_call, passes_s=2.0
    ),
    "sleep, after which callbacks stay away": Case(
        sleep, "no IO cycle came", switches={"wake_io": 1}, passes_s=7.0
    ),
    "sleep, after which a device has another ID": Case(
        sleep, "was unplugged", switches={"wake_ids": 1}
    ),
    "sleep, after which a start fails": Case(
        sleep, "was unplugged", switches={"wake_ids": 1, "wake_start": 1}
    ),
}
GOES_ON = {
    "hog mode of another program": Case(hog, "the process 4711 uses it exclusively (hog mode)"),
    "length of cycles": Case(longer_cycles, "300 frames instead of 512"),
    "data source": Case(
        headphones, "headphones instead of internal speakers", 1, "BuiltInSpeakerDevice"
    ),
}


def open_on(world: SimulatedCoreAudio, case: Case, policy: str, callback: CodedOutput) -> Any:
    return vc.OutputStream(
        callback,
        device=case.uid,
        driver=world.driver,
        latency="low",
        on_device_lost=policy,  # type: ignore[arg-type]
        **case.options,
    )


def devices_of(world: SimulatedCoreAudio, case: Case, before: SimulatedDevice) -> list[Any]:
    """The device with each ID that it had."""
    now = world.device(case.uid)
    return [before] if now.id == before.id else [before, now]


def check_times(events: list[vc.Event], world: SimulatedCoreAudio) -> None:
    times = [event.host_ns for event in events]
    assert times == sorted(times)
    assert times[0] > 3_600_000_000_000  # the simulated host time begins with an hour
    assert times[-1] <= world.now_ns()


def check_played(devices: list[Any], converted: bool) -> int:
    """Returns the last frame that was played. Frames are in their order, each once.

    While the device has another rate than the stream, its frames are no codes.
    """
    last = -1
    for device in devices:
        runs = range(len(device.runs()))
        for run in (0, runs[-1]) if converted else runs:
            sound, _ = device.captured(run)
            loud = sound[sound.any(axis=1), 0].astype(np.float64)
            if len(loud) == 0:
                continue
            frames = (loud / SCALE - 1) / CHANNELS
            assert (frames == np.round(frames)).all(), "a frame that no callback made"
            assert frames[0] > last, "a frame was repeated"
            assert (np.diff(frames) == 1).all(), "frames are missing or in another order"
            last = int(frames[-1])
    return last


def back_again(world: SimulatedCoreAudio, stream: Any, times: int = 1) -> None:
    """Lets time pass until the stream is on a device for the `times`-th time after a loss."""
    news = stream._connection.device.news

    def is_back() -> bool:
        world.advance(0.02)
        return kinds(listed(news)).count("back") == times and stream.state == "running"

    until(is_back)


def undo_while_away(
    world: SimulatedCoreAudio, stream: Any, undo: Callable[[SimulatedCoreAudio], None]
) -> None:
    """Undoes the change. The stream loses its device, and a second passes before it can return.

    A headset at its best rate has a latency that is 170 ms shorter than in a call. A stream that
    returned sooner would have lost no frame.
    """
    world.fail_call("AudioDeviceStart", int.from_bytes(b"nope", "big"))
    undo(world)

    def is_away() -> bool:
        world.advance(0.02)
        return bool(stream.state == "waiting")

    until(is_away)
    world.advance(1.0)
    world.fail_call("AudioDeviceStart", 0, times=0)


@pytest.mark.parametrize("policy", ["stop", "wait", "default"])
@pytest.mark.parametrize("name", LOST)
def test_a_change_that_ends_the_io(coreaudio: Worlds, name: str, policy: str) -> None:
    case = LOST[name]
    world = coreaudio(case.fixture, switches=case.switches)
    callback = CodedOutput()
    before = world.device(case.uid)
    before.output_streams()  # cannot be asked for when the device has gone
    stream = open_on(world, case, policy, callback)
    stream.start()
    world.advance(0.2)
    case.make(world)
    world.advance(case.passes_s)
    if policy == "stop":
        with pytest.raises(vc.DeviceLostError, match=case.reason):
            stream.wait(20)
        # The device is stopped although the stream is still open.
        until(lambda: world.counter("live_io_procs") == 0)
        told = ["lost"]
    else:
        back_again(world, stream)
        told = ["lost", "back", "xrun"]
        if case.undo:
            undo_while_away(world, stream, case.undo)
            back_again(world, stream, 2)
            told *= 2
        made = callback.position
        world.advance(0.5)
        assert callback.position > made
    events = stream.events()
    if policy == "stop":  # if the loss is noticed while cycles still come, the engine tells its end
        events = [event for event in events if event.kind != "finished"]
    assert [event.kind for event in events] == told
    assert case.reason in events[0].detail
    check_times(events, world)
    stream.close()
    last = check_played(devices_of(world, case, before), converted=case.undo is not None)
    if policy != "stop":
        assert last == callback.position - 1
    no_thread_stays()


@pytest.mark.parametrize("policy", ["stop", "wait", "default"])
@pytest.mark.parametrize("name", GOES_ON)
def test_a_change_with_which_the_stream_goes_on(coreaudio: Worlds, name: str, policy: str) -> None:
    case = GOES_ON[name]
    world = coreaudio(case.fixture, switches=case.switches)
    callback = CodedOutput()
    stream = open_on(world, case, policy, callback)
    stream.start()
    world.advance(0.2)
    case.make(world)
    world.advance(0.2)
    events: list[vc.Event] = []
    until(lambda: bool(events.extend(stream.events()) or events))
    world.advance(0.2)
    world.device(case.uid).notify("ssrc")  # a notification without a change
    world.advance(0.2)
    stream._connection.look()
    events += stream.events()
    assert [event.kind for event in events] == ["changed"]
    assert case.reason in events[0].detail
    check_times(events, world)
    assert stream.state == "running"
    if name == "length of cycles":
        assert stream.latency.buffer_frames == 300
        assert callback.sizes[-1] == 300
    stream.close()
    assert check_played([world.device(case.uid)], converted=False) == callback.position - 1
    no_thread_stays()


def test_the_latency_follows_the_device(coreaudio: Worlds) -> None:
    """Another data source can have another latency. The times of blocks have the new one."""
    world = coreaudio(3)
    device = world.device("USBDuplex:1")
    callback = CodedOutput()
    with vc.OutputStream(callback, driver=world.driver, latency="low") as stream:
        world.advance(0.2)
        assert stream.latency.device_frames == 37
        device.override("ltnc", (1_037).to_bytes(4, "little"), scope="outp")
        device.notify("ltnc", "outp")
        world.advance(0.1)
        stream._connection.look()
        blocks = callback.blocks
        world.advance(0.1)
        assert stream.latency.device_frames == 1_037
        stream.abort()
    frames = [frame for frame in callback.output_frames if frame is not None]
    jumps = [
        after - before - size
        for before, after, size in zip(frames, frames[1:], callback.sizes, strict=False)
    ]
    # A slow machine may notice the change before `look`, but none notices it after that.
    assert [jump for jump in jumps if jump] == [1_000]
    assert jumps.index(1_000) < blocks + 2


def test_callbacks_that_stop_after_days_are_noticed(coreaudio: Worlds) -> None:
    """Times of days fit, and the watchdog restarts a stream whose IO stops without an error."""
    world = coreaudio(3, switches={"wake_io": 1})
    callback = CodedOutput()
    with vc.OutputStream(
        callback, driver=world.driver, latency="low", on_device_lost="wait"
    ) as stream:
        world.advance(0.2)
        world.check(world.library.sim_sleep(True))
        world.advance(48 * 3_600.0)
        world.check(world.library.sim_wake())
        back_again(world, stream)
        made = callback.position
        world.advance(0.5)
        assert callback.position > made
        events = stream.events()
        assert [event.kind for event in events] == ["lost", "back", "xrun"]
        assert events[2].sample_frames > 48 * 3_600 * 48_000
        stream.abort()
    no_thread_stays()


@pytest.mark.parametrize("policy", ["stop", "wait", "default"])
def test_streams_on_one_device_do_not_keep_each_other_silent(
    coreaudio: Worlds, policy: Any
) -> None:
    """After sleep, the device makes cycles again when all IOProcs were stopped at one time.

    The second stream is started on the device that is silent already, so that it is overdue later.
    When each stream was stopped and started alone, at different times, none of them played again.
    """
    world = coreaudio(3, switches={"wake_io": 1})
    first, late = (
        vc.OutputStream(
            CodedOutput(), device=USB, driver=world.driver, latency="low", on_device_lost=policy
        )
        for _ in range(2)
    )
    first.start()
    world.advance(0.2)
    before = first.statistics().cycles
    sleep(world)
    world.advance(2.0)
    late.start()
    world.advance(1.0)
    assert first.statistics().cycles == before
    assert late.statistics().cycles == 0
    world.advance(2.0)
    if policy == "stop":
        with pytest.raises(vc.DeviceLostError, match="no IO cycle came"):
            first.wait(20)
    else:
        news = first._connection.device.news
        until(lambda: "lost" in kinds(listed(news)))  # no time passes: `late` is not overdue
        back_again(world, first)
    world.advance(0.5)
    assert kinds(late.events()) == []
    assert late.statistics().cycles > 40
    assert policy == "stop" or first.statistics().cycles > before + 40
    for stream in (first, late):
        stream.close()
    no_thread_stays()


def test_a_stream_that_cannot_be_started_again_with_the_others_is_lost(coreaudio: Worlds) -> None:
    world = coreaudio(3, switches={"wake_io": 1})
    first, late = (
        vc.OutputStream(CodedOutput(), device=USB, driver=world.driver, latency="low")
        for _ in range(2)
    )
    first.start()
    world.advance(0.2)
    sleep(world)
    world.advance(2.0)
    late.start()
    world.fail_call("AudioDeviceStart", int.from_bytes(b"nope", "big"), times=1)
    world.advance(3.0)
    for stream, reason in ((first, "no IO cycle came"), (late, "AudioDeviceStart gave 'nope'")):
        with pytest.raises(vc.DeviceLostError, match=reason):
            stream.wait(20)
    until(lambda: world.counter("live_io_procs") == 0)
    first.close()
    late.close()
    no_thread_stays()
