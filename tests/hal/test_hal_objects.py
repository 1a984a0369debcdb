"""Objects of the HAL and their properties, on the simulated CoreAudio."""

from __future__ import annotations

import _thread
import os
import threading

import numpy as np
import pytest

import voicecoil as vc
from coreaudio import Worlds
from voicecoil import hal
from voicecoil.drivers.coreaudio.timeouts import Timeouts
from voicecoil.errors import (
    ArgumentError,
    ArgumentTypeError,
    ChangeTimeoutError,
    DeviceLostError,
    DeviceNotFoundError,
    DriverError,
    PropertyMissingError,
    PropertyReadOnlyError,
    StreamTimeoutError,
)
from voicecoil.hal.object import _by_name
from voicecoil.hal.table import classes, rows_of


def test_properties_have_types(coreaudio: Worlds) -> None:
    system = hal.connect(coreaudio(1, 3).driver)
    device = system.device("USBDuplex:1")
    assert repr(device) == "<Device 'Simulated USB Duplex' uid 'USBDuplex:1'>"
    assert device.nominal_sample_rate == device["nsrt"] == device.get("samplerate") == 48_000.0
    assert device.transport_type is hal.TransportType.USB
    assert device.clock_domain == 7
    assert device.device_is_alive is True
    assert device.hog_mode == -1
    assert device.buffer_range == hal.Range(15.0, 4096.0)
    assert [one.low for one in device.samplerates] == [44_100, 48_000, 96_000, 192_000]
    assert device.preferred_channels_for_stereo == (1, 2)
    assert device.owner == system
    assert system.default_output_device == system.device("BuiltInSpeakerDevice")
    assert system.translate_uid_to_device("USBDuplex:1") == device
    assert system.translate_uid_to_device("nothing") is None
    assert device in system.devices


def test_a_name_wins_over_the_four_characters_of_another_property(coreaudio: Worlds) -> None:
    device = hal.connect(coreaudio(3).driver).device("USBDuplex:1")
    assert device._row("name").selector == "lnam"
    assert device._row("device_name_c_string").selector == "name"
    assert device["name"] == device.get("name") == device.name == device["lnam"]
    assert device.device_name_c_string == device["device_name_c_string"] == device.name
    listed = device.properties(deprecated=True)
    assert listed["name"].selector == "lnam"
    assert listed["device_name_c_string"].selector == "name"
    with hal.watch(device, "name") as changes:
        assert [row.selector for row in changes._rows.values()] == ["lnam"]
    for kind in classes():
        assert all(_by_name(kind)[row.name] is row for row in rows_of(kind))


def test_each_direction_and_channel_has_its_own_values(coreaudio: Worlds) -> None:
    system = hal.connect(coreaudio(1, 3).driver)
    device = system.device("USBDuplex:1")
    assert device.device_latency == device.output.device_latency == device.get("ltnc", "outp") == 37
    assert device.input.device_latency == device.get("ltnc", scope="input") == 42
    assert device.latency == vc.Latency(37, 9, 72, 512, samplerate=48_000.0)
    assert device.input.latency.device_frames == 42
    speakers = system.device("BuiltInSpeakerDevice")
    speakers.output.channel(2).volume_scalar = 0.25
    assert speakers["volm", "output", 1] == 1.0
    assert speakers["volm", "output", 2] == pytest.approx(0.25, abs=0.01)
    assert speakers.volume_scalar_to_decibels(1.0, element=1) == 0.0


def test_a_missing_property_is_an_attribute_error_that_says_where_it_is(coreaudio: Worlds) -> None:
    speakers = hal.connect(coreaudio(1).driver).device("BuiltInSpeakerDevice")
    with pytest.raises(PropertyMissingError, match="it has it in scope output, element 1, scope"):
        _ = speakers.volume_scalar
    assert not hasattr(speakers, "jack_is_connected")
    assert not speakers.has("volm")
    assert speakers.has("volm", "output", 1)
    with pytest.raises(
        PropertyMissingError, match="AudioDevice has no property 'loudness'; it h"
    ) as missing:
        speakers.get("loudness")
    assert len(str(missing.value)) < 250
    with pytest.raises(PropertyMissingError, match=r"'volum'; did you mean 'volume'\?"):
        hal.watch(speakers, "volum")
    with pytest.raises(ArgumentError, match="scope='left side'"):
        speakers.get("volm", "left side")
    for element in ("x", 1.5, None.__class__):
        with pytest.raises(ArgumentTypeError, match="possible are channels from 1, and 0"):
            speakers.get("volm", element=element)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="element=-1; possible are channels from 1"):
        speakers.channel(-1)
    with pytest.raises(ArgumentTypeError, match="give its name or four characters"):
        _ = speakers[3]  # type: ignore[index]


def test_a_read_only_property_and_impossible_values(coreaudio: Worlds) -> None:
    device = hal.connect(coreaudio(3).driver).device("USBDuplex:1")
    assert device.settable("nsrt")
    assert not device.settable("uid ")
    with pytest.raises(PropertyReadOnlyError, match="does not let safety_offset"):
        device.set("safety_offset", 3)
    with pytest.raises(ArgumentError, match="nominal_sample_rate='fast'"):
        device.set("nsrt", "fast")
    with pytest.raises(ArgumentError, match="nominal_sample_rate=nan"):
        device.set("nsrt", float("nan"))
    with pytest.raises(ArgumentError, match="volume='loud'; possible is a finite number, 0 to 1"):
        device.volume = "loud"  # type: ignore[assignment]
    with pytest.raises(ArgumentError, match="mute='loud'; possible are True and False"):
        device.mute = "loud"  # type: ignore[assignment]
    with pytest.raises(ArgumentTypeError, match=r"=1\.5; possible is a whole number .*, frames"):
        device.buffer_frames = 1.5  # type: ignore[assignment]
    with pytest.raises(ArgumentError, match=r"hog_mode='x'; possible are True and False"):
        device.hog_mode = "x"


def test_a_set_returns_what_the_device_made_of_it(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    device = hal.connect(world.driver).device("USBDuplex:1")
    before = world.now_ns()
    assert device.set("nsrt", 96_000) == 96_000.0
    assert world.now_ns() - before >= 20_000_000  # the simulated device needs 20 ms
    assert device.samplerate == 96_000.0
    assert device.set("buffer_frames", 100_000) == 4096
    with device.samplerate_set(44_100) as rate:
        assert rate == device.samplerate == 44_100.0
    assert device.samplerate == 96_000.0


@pytest.mark.parametrize("outcome", [1, 2])
def test_a_rate_that_never_comes_and_one_that_is_another(coreaudio: Worlds, outcome: int) -> None:
    world = coreaudio(3, switches={"rate_outcome": outcome})
    device = hal.connect(world.driver).device("USBDuplex:1")
    if outcome == 1:
        with pytest.raises(ChangeTimeoutError, match=r"after 5 s it still has 48000\.0"):
            device.set("nsrt", 96_000)
    else:
        assert device.set("nsrt", 96_000) not in (48_000.0, 96_000.0)


def test_a_device_that_reports_its_old_rate(coreaudio: Worlds) -> None:
    device = hal.connect(coreaudio(18).driver).device("OldRate")
    assert device.set("nsrt", 96_000) == 96_000.0


def test_a_change_of_another_program_is_kept(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    device = hal.connect(world.driver).device("USBDuplex:1")
    with device.samplerate_set(96_000):
        world.advance(0.2)
        world.device("USBDuplex:1").change_rate(192_000)
        world.advance(0.2)
    assert device.samplerate == 192_000.0


def test_convenience(coreaudio: Worlds) -> None:
    system = hal.connect(coreaudio(1, 3, 22).driver)
    speakers = system.device("BuiltInSpeakerDevice")
    speakers.volume = 0.5
    assert speakers.volume == pytest.approx(0.5, abs=0.02)
    assert str(speakers.data_source) == "Internal Speakers"
    speakers.data_source = "Headphones"
    assert speakers.data_source.id == "hdpn"
    with pytest.raises(ArgumentError, match=r"it has 'Internal Speakers' \('ispk'\)"):
        speakers.data_source = "hdmi"
    desk = system.device("Desk")
    desk.mute = True
    assert desk.mute is True
    with desk.hogged():
        assert desk.hog_mode == os.getpid()
        with desk.hogged():
            pass
        assert desk.hog_mode == os.getpid()
    assert desk.hog_mode == -1
    with system.default_output_set(desk) as device:
        assert device == desk == system.default_output_device
    assert system.default_output_device == speakers
    assert speakers.streams[0].physical_format.bits in (16, 24, 32)


def test_wildcards_are_for_listeners_and_a_qualifier_chooses_classes(coreaudio: Worlds) -> None:
    device = hal.connect(coreaudio(1, 3).driver).device("BuiltInSpeakerDevice")
    for wild in ({"scope": "****"}, {"element": 0xFFFFFFFF}):
        with pytest.raises(ArgumentError, match="a wildcard is for CoreAudio's listeners only"):
            device.get("nsrt", **wild)  # type: ignore[arg-type]
    with pytest.raises(PropertyMissingError):
        device.get("****")
    owned = device.owned_objects
    for code, kind in ((b"astr", hal.Stream), (b"actl", hal.Control)):
        chosen = device.get("ownd", qualifier=int.from_bytes(code, "big").to_bytes(4, "little"))
        assert chosen == [one for one in owned if isinstance(one, kind)] != []
    decibels = device.ask("volume_scalar_to_decibels", 0.5, scope="output", element=1)
    scalar = device.ask("volume_decibels_to_scalar", decibels, scope="output", element=1)
    assert scalar == pytest.approx(0.5)


def test_a_replugged_device_is_the_same_object(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    device = hal.connect(world.driver).device("USBDuplex:1")
    stream, before = device.streams[0], device.object_id
    world.device("USBDuplex:1").remove()
    with pytest.raises(DeviceLostError, match="it is found again when it is back"):
        _ = device.nominal_sample_rate
    world.library.sim_replug_device(before)
    assert device.nominal_sample_rate == 48_000.0
    assert device.object_id != before
    assert stream.virtual_format.channels == 2
    assert stream == device.streams[0]
    assert hash(stream) == hash(device.streams[0])


def test_a_replugged_device_is_found_through_any_object(coreaudio: Worlds) -> None:
    """Also right after the replug, while the IDs that the objects know are not checked yet."""
    world = coreaudio(1, 3)
    system = hal.connect(world.driver)
    device, before = system.device("USBDuplex:1"), system.device("USBDuplex:1").object_id
    stream, control = device.streams[0], device.control_list[0]
    world.device("USBDuplex:1").remove()
    for owned in (stream, control):
        with pytest.raises(DeviceLostError, match="USBDuplex:1'> is not there any more"):
            owned.properties()
    assert "is not there any more" in device._repr_html_()
    world.library.sim_replug_device(before)
    assert stream.virtual_format.channels == 2
    assert control.class_id
    replugged = device.object_id
    assert replugged != before
    world.device("USBDuplex:1").remove()
    world.library.sim_replug_device(replugged)
    assert device.object_id not in (before, replugged)
    for look in (
        lambda: device.has("nsrt"),
        lambda: device.settable("nsrt"),
        lambda: device.input_channels,
        lambda: device.properties(),
        lambda: device.latency.device_frames,
        lambda: hal.watch(device.streams[0], "pft ").close() is None,
    ):
        before = device.object_id
        world.device("USBDuplex:1").remove()
        world.library.sim_replug_device(before)
        assert look()
    known = system.device("USBDuplex:1")
    before = known.object_id
    world.device("USBDuplex:1").remove()
    world.library.sim_replug_device(before)
    with system.default_output_set(known):
        assert system.default_output_device == device


def test_the_list_of_properties_is_readable(coreaudio: Worlds) -> None:
    listed = hal.connect(coreaudio(22).driver).device("Desk").properties()
    lines = repr(listed).splitlines()
    assert len(lines) == len(listed)
    assert "'nsrt' nominal_sample_rate: 48000.0 Hz (settable)" in lines
    assert "'v2db' volume_scalar_to_decibels output" in lines  # a question has no value


def test_all_properties_of_all_objects(coreaudio: Worlds) -> None:
    system = hal.connect(coreaudio(1, 3, 9, 12, 13, 22, 23).driver)
    seen: list[hal.HalObject] = [system]
    for thing in seen:
        listed = thing.properties(deprecated=True)
        assert [one for one in listed if one.error is not None] == []
        assert str(listed)
        assert thing._repr_html_().startswith("<table>")
        for one in listed:
            found = one.value if isinstance(one.value, list) else [one.value]
            seen += [new for new in found if isinstance(new, hal.HalObject) and new not in seen]
    kinds = {type(one).__name__ for one in seen}
    assert kinds >= {
        *("System", "Device", "AggregateDevice", "SubDevice", "Stream", "PlugIn", "Box"),
        *("ClockDevice", "Process", "LevelControl", "BooleanControl", "SelectorControl"),
        *("SliderControl", "StereoPanControl"),
    }
    desk = system.device("Desk")
    assert desk.properties()["nominal_sample_rate"].settable
    assert desk.properties()["volm"].scope in ("input", "output")


@pytest.mark.parametrize("deprecated", [False, True])
def test_the_list_has_the_values_that_single_gets_have(coreaudio: Worlds, deprecated: bool) -> None:
    """The list is read in one pass in C, and objects in several lists are made once."""
    system = hal.connect(coreaudio(22).driver)
    read = 0
    for thing in (*system.devices, system.devices[0].output, *system.devices[0].streams):
        for one in thing.properties(deprecated):
            if one.error is not None or one.value is None:
                continue
            single = thing.get(one.selector, one.scope, one.element)
            assert repr(single) == repr(one.value), (thing, one)
            assert thing.settable(one.selector, one.scope, one.element) == one.settable
            read += 1
    assert read > 100


def test_replies_that_are_nonsense(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    device = hal.connect(world.driver).device("USBDuplex:1")
    bad = world.device("USBDuplex:1")
    bad.override("nsrt", b"123")
    with pytest.raises(DriverError, match="3 bytes in place of 8"):
        _ = device.nominal_sample_rate
    bad.override("nsr#", bytes(17))
    with pytest.raises(DriverError, match="17 bytes, no multiple of 16"):
        _ = device.samplerates
    assert isinstance(device.properties()["nsrt"].error, DriverError)


def test_a_getter_that_hangs(coreaudio: Worlds) -> None:
    world = coreaudio(3, timeouts=Timeouts(call_s=0.2))
    device = hal.connect(world.driver).device("USBDuplex:1")
    world.device("USBDuplex:1").hang(what="nsrt")
    with pytest.raises(StreamTimeoutError, match="reading nominal_sample_rate of <Device"):
        _ = device.nominal_sample_rate
    world.release_hung()
    assert world.driver.settle(5.0)
    assert device.buffer_frames == 512


def test_a_name_that_nothing_or_two_devices_have(coreaudio: Worlds) -> None:
    system = hal.connect(coreaudio(13, 15).driver)
    with pytest.raises(DeviceNotFoundError, match="name or UID 'Mixer'; there are: 'Simulated"):
        system.device("Mixer")
    with pytest.raises(DeviceNotFoundError, match="2 devices are called 'Simulated Twin'"):
        system.device("Simulated Twin")
    assert system.device("Hidden").is_hidden


def test_a_driver_without_a_hal() -> None:
    with pytest.raises(DriverError, match="the driver 'virtual' has no HAL"):
        hal.connect("virtual")


def test_ctrl_c_interrupts_a_getter_that_hangs(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    device = hal.connect(world.driver).device("USBDuplex:1")
    for _ in range(3):
        assert device.nominal_sample_rate == 48_000.0
        world.device("USBDuplex:1").hang(what="nsrt")

        def interrupt() -> None:
            world.library.sim_wait_blocked(1, 10_000)
            _thread.interrupt_main()

        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            _ = device.nominal_sample_rate
        thread.join()
        world.device("USBDuplex:1").hang(0, what="nsrt")
        world.release_hung()
        assert device.buffer_frames == 512


def test_threads_read_at_the_same_time(coreaudio: Worlds) -> None:
    """A get is handed over in C while the call thread has no other work, otherwise as a job."""
    device = hal.connect(coreaudio(3).driver).device("USBDuplex:1")
    wrong: list[object] = []

    def read() -> None:
        for _ in range(200):
            if device.nominal_sample_rate != 48_000.0 or device.buffer_frames != 512:
                wrong.append(1)
            if device.name != "Simulated USB Duplex":
                wrong.append(2)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_the_devices_that_a_process_records_and_plays(coreaudio: Worlds) -> None:
    world = coreaudio(1, 2)
    microphone = world.device("BuiltInMicrophoneDevice").id
    assert world.library.sim_add_process(4711, b"com.example.call")
    world.check(world.library.sim_process_io(4711, microphone, 0))
    system = hal.connect(world.driver)
    process = next(one for one in system.process_object_list if one.pid == 4711)
    assert process.is_running_input
    assert process.input.devices == [system.device("BuiltInMicrophoneDevice")]
    assert process.output.devices == []


def test_a_name_in_place_of_an_object_is_refused(coreaudio: Worlds) -> None:
    system = hal.connect(coreaudio(1).driver)
    with pytest.raises(ArgumentTypeError, match=r"give an object, such as hal.device\('Desk'\)"):
        system.default_output_device = "Desk"


def test_an_object_is_no_list_and_a_question_is_checked(coreaudio: Worlds) -> None:
    world = coreaudio()
    system = hal.connect(world.driver)
    with pytest.raises(TypeError, match="not iterable"):
        list(system)  # type: ignore[call-overload]
    for number in (-5, 2**32):
        with pytest.raises(ArgumentError, match="possible are numbers from 0 to 4294967295"):
            system.ask("id2p", number)
    with pytest.raises(DeviceNotFoundError, match="there are: none"):
        system.device("x")


def test_a_number_of_numpy_is_a_number(coreaudio: Worlds) -> None:
    device = hal.connect(coreaudio(3).driver).device("USBDuplex:1")
    assert device.set("fsiz", np.int64(256)) == device.buffer_frames == 256
    assert device.set("fsiz", np.int64(5)) == device.buffer_frames == device.buffer_range.low
    assert device.set("nsrt", np.float32(96_000)) == 96_000
    with pytest.raises(ArgumentTypeError, match="possible is a whole number"):
        device.set("fsiz", np.float64(256))
