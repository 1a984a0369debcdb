"""Watching properties of CoreAudio's objects."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref

import pytest

from coreaudio import Worlds
from rig import until
from voicecoil import hal
from voicecoil.drivers.coreaudio.timeouts import Timeouts
from voicecoil.errors import (
    ArgumentTypeError,
    DeviceLostError,
    PropertyMissingError,
    StreamStateError,
    StreamTimeoutError,
)
from voicecoil.hal import watching


def test_changes_have_the_old_and_the_new_value(coreaudio: Worlds) -> None:
    world = coreaudio(1, 3)
    system = hal.connect(world.driver)
    device = system.device("USBDuplex:1")
    with hal.watch(device, "nominal_sample_rate", "buffer_frames") as changes:
        assert changes.object is device
        device.set("nsrt", 96_000)
        world.advance(0.1)
        change = changes.wait(10)
        assert change is not None
        assert (change.object, change.name, change.selector) == (
            device,
            "nominal_sample_rate",
            "nsrt",
        )
        assert (change.old, change.new, change.scope, change.element) == (
            48_000.0,
            96_000.0,
            "global",
            0,
        )
        assert 0 < change.host_ns <= world.now_ns()
        with pytest.raises(StreamTimeoutError, match="has seen no change within 0 s"):
            changes.wait(0)
    assert changes.ended
    assert list(changes) == []


def test_each_channel_and_scope_is_told(coreaudio: Worlds) -> None:
    world = coreaudio(1)
    speakers = hal.connect(world.driver).device("BuiltInSpeakerDevice")
    with hal.watch(speakers, "volume") as changes:
        speakers.output.channel(2).volume_scalar = 0.5
        world.advance(0.01)
        change = changes.wait(10)
        assert change is not None
        assert (change.scope, change.element, change.old) == ("output", 2, 1.0)
        assert change.new == pytest.approx(0.5, abs=0.02)


def test_changes_that_are_not_read_are_merged(coreaudio: Worlds) -> None:
    world = coreaudio(3, switches={"notify_burst": 5, "notify_duplicates": 1})
    device = hal.connect(world.driver).device("USBDuplex:1")
    with hal.watch(device, "fsiz") as changes:
        for frames in (64, 128, 256):
            device.buffer_frames = frames
            world.advance(0.05)
            until(lambda frames=frames: changes._values and frames in changes._values.values())
        change = changes.wait(10)
        assert change is not None
        assert (change.old, change.new) == (512, 256)
        device.buffer_frames = 512
        device.buffer_frames = 256
        world.advance(0.05)
        world.driver.changes.dispatch()
        until(lambda: not changes._dirty and list(changes._values.values()) == [256])
        with pytest.raises(StreamTimeoutError):
            changes.wait(0)


def test_lists_and_defaults_of_the_system(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    system = hal.connect(world.driver)
    with hal.watch(system, "devices", "default_output_device") as changes:
        world.add_device("uid=new; out=2")
        world.set_default("output", world.device("new"))
        world.advance(0.01)
        seen = {}
        while len(seen) < 2:
            change = changes.wait(10)
            assert change is not None
            seen[change.name] = change
    new = system.device("new")
    assert seen["devices"].new == [*seen["devices"].old, new]
    assert seen["default_output_device"].new == new


def test_a_watch_ends_with_its_object(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    device = hal.connect(world.driver).device("USBDuplex:1")
    found: list[hal.Change] = []
    changes = hal.watch(device, "nsrt")
    streams = hal.watch(device.streams[0], "physical_format")
    reader = threading.Thread(target=lambda: found.extend(changes))
    reader.start()
    world.device("USBDuplex:1").remove()
    world.advance(0.05)
    reader.join(10)
    assert not reader.is_alive()
    assert changes.ended
    until(lambda: streams.ended)
    assert found == []
    streams.close()
    changes.close()


@pytest.mark.parametrize("names", [(), ("device_is_alive",), ("livn", "stm#")])
def test_a_watch_of_what_changes_at_the_loss_ends_with_its_object(
    coreaudio: Worlds, names: tuple[str, ...]
) -> None:
    world = coreaudio(3)
    device = hal.connect(world.driver).device("USBDuplex:1")
    with hal.watch(device, *names) as changes:
        world.device("USBDuplex:1").remove()
        world.advance(1.0)
        until(lambda: changes.ended)


def test_changes_for_a_callback_cannot_be_read_in_a_loop(coreaudio: Worlds) -> None:
    device = hal.connect(coreaudio(3).driver).device("USBDuplex:1")
    with hal.watch(device, "nsrt", callback=print) as changes:
        for read in (iter, aiter, hal.Watch.wait):
            with pytest.raises(StreamStateError, match="gives its changes to its callback"):
                read(changes)  # type: ignore[operator]


def test_a_watch_goes_on_after_a_restart_of_the_service(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    device = hal.connect(world.driver).device("USBDuplex:1")
    with hal.watch(device, "nsrt") as changes:
        world.restart_service()
        world.advance(0.1)
        until(lambda: changes._id not in (0, 2) and world.driver.changes.are_heard)
        device.set("nsrt", 96_000)
        world.advance(0.1)
        change = changes.wait(10)
        assert change is not None
        assert (change.old, change.new) == (48_000.0, 96_000.0)


NOPE = int.from_bytes(b"nope", "big")  # error codes (OSStatus)
GONE = int.from_bytes(b"!obj", "big")


def test_a_watch_that_cannot_begin_leaves_no_listener(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    device = hal.connect(world.driver).device("USBDuplex:1")
    device.get("nsrt")
    before = world.counter("live_listeners")
    world.fail_call("AudioObjectGetPropertyData", GONE)
    with pytest.raises(DeviceLostError):
        hal.watch(device, "nsrt")
    world.fail_call("AudioObjectGetPropertyData", 0, times=0)
    assert world.counter("live_listeners") == before


def test_a_watch_that_cannot_listen_after_a_restart_leaves_no_listener(
    coreaudio: Worlds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "RETRY_S", 1000.0)  # the next look comes when this test rings
    world = coreaudio(3)
    driver = world.driver
    device = hal.connect(driver).device("USBDuplex:1")
    with hal.watch(device, "nsrt", "fsiz") as changes:
        again = len(driver.changes._wanted)  # the registrations that are made anew
        world.fail_call("AudioObjectAddPropertyListener", NOPE, skip=again + 1)
        world.restart_service()
        world.advance(0.1)
        until(lambda: changes._failures == 1)
        assert driver.call("looking", lambda: dict(driver.changes._wanted), 10.0) == {}
        world.fail_call("AudioObjectAddPropertyListener", 0, times=0)
        changes._due = 0.0
        driver.notifier.ring()
        until(lambda: changes._failures == 0)
        device.set("nsrt", 96_000)
        world.advance(0.1)
        change = changes.wait(10)
        assert change is not None
        assert (change.old, change.new) == (48_000.0, 96_000.0)


def test_a_value_that_cannot_be_read_once_is_read_again(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    device = hal.connect(world.driver).device("USBDuplex:1")
    with hal.watch(device, "nsrt") as changes:
        world.fail_call("AudioObjectGetPropertyData", NOPE, times=4)
        world.device("USBDuplex:1").change_rate(96_000)
        world.advance(0.1)
        change = changes.wait(10)
        assert change is not None
        assert (change.old, change.new) == (48_000.0, 96_000.0)
        until(lambda: not changes._dirty)


def test_a_coreaudio_that_does_not_answer_once_does_not_end_a_watch(coreaudio: Worlds) -> None:
    world = coreaudio(3, timeouts=Timeouts(call_s=0.2))
    device = hal.connect(world.driver).device("USBDuplex:1")
    with hal.watch(device, "nsrt") as changes:
        world.device("USBDuplex:1").hang(what="nsrt")
        world.device("USBDuplex:1").change_rate(96_000)
        world.advance(0.1)
        world.library.sim_wait_blocked(1, 10_000)
        until(lambda: changes.ended or bool(changes._dirty))  # the call was given up
        world.device("USBDuplex:1").hang(0, what="nsrt")
        world.release_hung()
        change = changes.wait(10)
        assert change is not None
        assert (change.old, change.new) == (48_000.0, 96_000.0)


def test_a_value_that_can_never_be_read_again_is_told_as_none(
    coreaudio: Worlds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "RETRY_S", 0.001)
    world = coreaudio(3)
    device = hal.connect(world.driver).device("USBDuplex:1")
    with hal.watch(device, "nsrt") as changes:
        world.fail_call("AudioObjectGetPropertyData", NOPE)
        world.device("USBDuplex:1").change_rate(96_000)
        world.advance(0.1)
        change = changes.wait(20)
        assert change is not None
        assert (change.old, change.new) == (48_000.0, None)
        world.fail_call("AudioObjectGetPropertyData", 0, times=0)


def test_an_asynchronous_loop(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    device = hal.connect(world.driver).device("USBDuplex:1")

    async def main() -> list[float]:
        found = []
        with hal.watch(device, "nsrt") as changes:
            setter = threading.Thread(target=lambda: device.set("nsrt", 96_000))
            setter.start()
            async for change in changes:
                found.append(change.new)
                changes.close()
        setter.join(60)  # it still removes its listener
        return found

    assert asyncio.run(main()) == [96_000.0]


def test_a_callback_runs_on_an_ordinary_thread(
    coreaudio: Worlds, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = coreaudio(3)
    device = hal.connect(world.driver).device("USBDuplex:1")
    told: list[tuple[str, float]] = []

    def callback(change: hal.Change) -> None:
        told.append((threading.current_thread().name, change.new))
        _ = device.nominal_sample_rate

    with hal.watch(device, "nsrt", callback=callback):
        device.set("nsrt", 96_000)
        until(lambda: told)
    assert told == [("voicecoil control", 96_000.0)]


def test_an_event_of_the_io_thread(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    device = hal.connect(world.driver).device("USBDuplex:1")
    with hal.watch(device, "processor_overload") as changes:
        world.device("USBDuplex:1").notify("over")
        world.advance(0.01)
        change = changes.wait(10)
        assert change is not None
        assert (change.name, change.new) == ("processor_overload", None)


def test_lost_notifications_lose_no_change(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    device = hal.connect(world.driver).device("USBDuplex:1")
    with hal.watch(device, "buffer_frames") as changes:
        changes._id = 0  # the notification is not recognised, as if it had been lost
        device.buffer_frames = 64
        changes._id = device.object_id
        changes.changes_lost()
        change = changes.wait(10)
        assert change is not None
        assert (change.old, change.new) == (512, 64)


def test_everything_and_nonsense(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    device = hal.connect(world.driver).device("USBDuplex:1")
    with hal.watch(device) as changes:
        device.buffer_frames = 64
        world.advance(0.01)
        seen = set()
        while "buffer_frame_size" not in seen:
            change = changes.wait(10)
            assert change is not None
            seen.add(change.name)
    with pytest.raises(PropertyMissingError):
        hal.watch(device, "loudness")
    with pytest.raises(ArgumentTypeError, match="an object of voicecoil"):
        hal.watch("USBDuplex:1")  # type: ignore[arg-type]


class Owner:
    """An object whose method is the callback of a watch that it has."""

    def __init__(self, device: hal.Device) -> None:
        self.told: list[hal.Change] = []
        self.watch = hal.watch(device, "buffer_frames", callback=self.changed)

    def changed(self, change: hal.Change) -> None:
        self.told.append(change)


def test_a_watch_that_the_program_drops_ends(coreaudio: Worlds) -> None:
    """Its sources kept it alive, so that it called its callback until the end of the program."""
    world = coreaudio(3)
    driver, device = world.driver, hal.connect(world.driver).device("USBDuplex:1")
    owner = Owner(device)
    looped = iter(hal.watch(device, "buffer_frames"))  # a loop has the only reference
    device.buffer_frames = 64
    world.advance(0.05)
    told = owner.told
    until(lambda: len(told) == 1)
    assert next(looped).new == 64
    gone = weakref.ref(owner), weakref.ref(owner.watch), weakref.ref(looped)
    del owner, looped
    gc.collect()
    assert [one() for one in gone] == [None] * 3
    until(lambda: driver.changes._keys == {} and driver.notifier._looks == {})
    device.buffer_frames = 128
    world.advance(0.05)
    assert len(told) == 1


def test_many_watchers_wake_no_thread_while_nothing_changes(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    device = hal.connect(world.driver).device("USBDuplex:1")
    watches = [hal.watch(device, "nsrt", "fsiz") for _ in range(200)]
    looks = [0]
    one = watches[0]._look
    world.driver.notifier.add(lambda: bool(looks.append(looks.pop() + 1) or True))
    until(lambda: looks[0] > 0)
    before = world.driver.library.rings
    threading.Event().wait(0.05)
    assert world.driver.library.rings == before
    assert one()
    # Also while a property is watched that CoreAudio reports on an IO thread, which wakes none.
    with hal.watch(device, "device_is_running"):
        until(lambda: not world.driver.notifier._due)
        before = looks[0], world.driver.library.rings
        threading.Event().wait(0.1)
        assert (looks[0], world.driver.library.rings) == before
    for watch in watches:
        watch.close()
    assert world.driver.changes._keys == {}
    world.driver.notifier._looks.clear()
    world.driver.notifier.ring()


def test_a_change_calls_only_the_looks_that_it_concerns(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    device = hal.connect(world.driver).device("USBDuplex:1")
    notifier = world.driver.notifier
    looks: list[int] = []
    going = [True]

    def look() -> bool:
        looks.append(1)
        return going[0]

    notifier.add(look)
    until(lambda: len(looks) == 1)
    with hal.watch(device, "buffer_frames") as changes:
        device.buffer_frames = 64
        world.advance(0.05)
        change = changes.wait(30)
        assert change is not None
        assert change.new == 64
        assert len(looks) == 1
        notifier.ring(look)
        until(lambda: len(looks) == 2)
        going[0] = False
        notifier.ring()
        until(lambda: len(looks) == 3)
