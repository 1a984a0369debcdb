"""The devices that CoreAudio's driver lists, and their properties."""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from dataclasses import fields

import numpy as np
import pytest

import voicecoil as vc
from coded import assert_coded
from coreaudio import Worlds
from driver_contract import CodedOutput
from rig import until
from voicecoil import hal
from voicecoil.drivers.coreaudio.facts import TRANSPORTS
from voicecoil.drivers.coreaudio.status import four_characters
from voicecoil.drivers.protocol import standard_rates
from voicecoil.errors import DriverError
from voicecoil.sounds.mixing import close_outputs

UNSUPPORTED = int.from_bytes(b"unop", "big")


def test_fixtures_are_listed_with_channels_and_defaults(coreaudio: Worlds) -> None:
    world = coreaudio(1, 2, 3, 4)
    listed = {device.uid: device for device in world.driver.devices()}
    assert list(listed) == [
        "BuiltInSpeakerDevice",
        "BuiltInMicrophoneDevice",
        "USBDuplex:1",
        "MultiStream:2+2+8",
    ]
    speakers, interface = listed["BuiltInSpeakerDevice"], listed["MultiStream:2+2+8"]
    assert (speakers.input_channels, speakers.output_channels) == (0, 2)
    assert (interface.input_channels, interface.output_channels) == (12, 12)
    assert speakers.name == "Simulated Speakers"
    assert speakers.samplerate == 44_100
    assert speakers.is_default_output
    assert not speakers.is_default_input
    assert world.driver.default("output") == speakers
    assert world.driver.default("input") == listed["BuiltInMicrophoneDevice"]


@pytest.mark.parametrize(
    ("stereo", "pair"),
    [("stereo=5,2", (4, 1)), ("", (0, 1)), ("stereo=3,3", (0, 1)), ("stereo=7,1", (0, 1))],
)
def test_stereo_goes_to_the_preferred_channels(
    coreaudio: Worlds, stereo: str, pair: tuple[int, int]
) -> None:
    world = coreaudio(devices=[f"uid=pair; in=2; out=2,4; {stereo}"])
    device = world.driver.devices()[0]
    assert device.stereo_channels == pair
    callback = CodedOutput()
    with vc.OutputStream(callback, driver=world.driver, channels=1, latency="low") as stream:
        world.device("pair").run_cycles(4)
        stream.abort()
    heard = world.device("pair").heard()
    assert np.flatnonzero(heard.any(axis=0)).tolist() == sorted(pair)
    for channel in pair:
        assert_coded(heard[:, [channel]])


def test_names_that_are_missing_empty_or_beyond_the_basic_plane(coreaudio: Worlds) -> None:
    names = [device.name for device in coreaudio(14).driver.devices()]
    assert names == [
        "Unnamed device Names:missing",
        "Unnamed device Names:empty",
        "Kopfhörer 🎧 音",
    ]


def test_two_devices_of_one_name_are_distinguished_by_uid(coreaudio: Worlds) -> None:
    driver = coreaudio(15).driver
    with pytest.raises(vc.DeviceNotFoundError, match="2 devices are called 'Simulated Twin'"):
        vc.OutputStream(lambda block: None, driver=driver, device="Simulated Twin")
    vc.OutputStream(lambda block: None, driver=driver, device="Twin:B").close()


def test_no_devices(coreaudio: Worlds) -> None:
    driver = coreaudio(19).driver
    assert driver.devices() == []
    assert driver.default("output") is None
    with pytest.raises(vc.DeviceNotFoundError):
        vc.OutputStream(lambda block: None, driver=driver)


def test_hidden_devices_and_coreaudios_own_are_left_out(coreaudio: Worlds) -> None:
    world = coreaudio(
        devices=[
            "uid=seen; out=2",
            "uid=secret; out=2; hidden=1",
            "uid=CADefaultDeviceAggregate-1; out=2",
        ]
    )
    assert [device.uid for device in world.driver.devices()] == ["seen"]


def test_a_device_with_nonsense_answers_is_left_out_and_reported(
    coreaudio: Worlds, caplog: pytest.LogCaptureFixture
) -> None:
    world = coreaudio(devices=["uid=good; out=2", "uid=bad; out=2"])
    bad = world.device("bad")
    bad.override("nsrt", b"123")
    with caplog.at_level(logging.WARNING, "voicecoil.coreaudio"):
        assert [device.uid for device in world.driver.devices()] == ["good"]
    assert "3 bytes in place of 8" in caplog.text


def test_a_replugged_device_has_a_new_id_and_is_found_by_its_uid(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    device = world.driver.devices()[0]
    simulated = world.device(device.uid)
    before = simulated.id
    simulated.remove()
    with pytest.raises(vc.DeviceNotFoundError):
        vc.OutputStream(lambda block: None, driver=world.driver, device=device)
    simulated.replug()
    assert simulated.id != before
    with vc.OutputStream(lambda block: None, driver=world.driver, device=device) as stream:
        simulated.run_cycles(2)
        stream.abort()


def test_watching_tells_of_devices_and_defaults(coreaudio: Worlds) -> None:
    world = coreaudio(3, 15)
    told: list[str] = []
    end = world.driver.watch(told.append)
    world.add_device("uid=new; out=2")
    world.set_default("output", world.device("new"))
    world.advance(0.01)
    until(lambda: {"devices", "default output"} <= set(told))
    end()
    end()
    count = len(told)
    world.device("new").remove()
    world.advance(0.01)
    world.driver.changes.dispatch()
    assert len(told) == count


def test_a_listener_that_plays_is_called_while_others_play(coreaudio: Worlds) -> None:
    """A change is noticed by a thread that holds locks of a stream. Another thread calls the
    listener, so that the listener can play.
    """
    world = coreaudio(8)
    sound = np.full((64, 2), 0.5, np.float32)
    played: list[str] = []

    def listener(what: str) -> None:
        if not played:
            vc.play(sound, 48_000, driver=world.driver)
            played.append(threading.current_thread().name)

    end = world.driver.watch(listener)
    vc.play(sound, 48_000, driver=world.driver)
    world.add_device("uid=new; out=2")
    world.advance(0.01)
    # play checks the device while it holds the lock of the output.
    vc.play(sound, 48_000, driver=world.driver)
    until(lambda: len(played) > 0)
    end()
    close_outputs()
    assert played == ["voicecoil control"]


def test_a_listener_that_raises_affects_no_other_and_is_called_again(
    coreaudio: Worlds, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = coreaudio(8)
    shown: list[object] = []
    monkeypatch.setattr("sys.unraisablehook", lambda it: shown.append(str(it.exc_value)))

    def listener(what: str) -> None:
        raise OSError(f"meant: {what}")

    end = world.driver.watch(listener)
    with vc.OutputStream(lambda block: None, driver=world.driver) as stream:
        for uid in ("one", "two"):
            told = shown.count("meant: devices")
            world.add_device(f"uid={uid}; out=2")
            world.advance(0.01)
            assert not stream.wait(0)
            until(lambda told=told: shown.count("meant: devices") > told)
        stream.abort()
    end()


def test_scopes_in_which_a_device_answers_do_not_matter(coreaudio: Worlds) -> None:
    world = coreaudio(3, 14)  # one device answers its model in the global scope alone
    assert len(world.driver.devices()) == 4
    with vc.Stream(lambda block: None, driver=world.driver, device="USBDuplex:1") as stream:
        assert [latency.frames for latency in stream.latency] == [
            42 + 7 + 64 + 512,
            37 + 9 + 72 + 512,
        ]
        world.advance(0.1)
        stream.abort()


@pytest.mark.parametrize(("scope", "channels"), [("inpt", (0, 2)), ("outp", (2, 0))])
def test_a_device_that_answers_in_one_scope_alone_has_channels_there(
    coreaudio: Worlds, scope: str, channels: tuple[int, int]
) -> None:
    world = coreaudio(3)
    status = int.from_bytes(b"who?", "big")
    world.device("USBDuplex:1").override("slay", status=status, scope=scope)
    found = world.driver.devices()[0]
    assert (found.input_channels, found.output_channels) == channels


@pytest.mark.parametrize("macos", [1100, 1200, 1400, 2600])
def test_older_systems(coreaudio: Worlds, macos: int) -> None:
    world = coreaudio(3)
    world.check(world.library.sim_set_macos(macos))
    with vc.Stream(lambda block: None, driver=world.driver) as stream:
        world.advance(0.1)
        stream.abort()
        assert stream.statistics().cycles > 5


def test_devices_tell_what_they_know_about_themselves(coreaudio: Worlds) -> None:
    world = coreaudio(1, 3, devices=["uid=mine; maker=Makers; model=M1; in=2; rates=44100,48000"])
    listed = {device.uid: device for device in world.driver.devices()}
    speakers, duplex, mine = (
        listed[uid] for uid in ("BuiltInSpeakerDevice", "USBDuplex:1", "mine")
    )
    assert (speakers.transport, duplex.transport) == ("built in", "usb")
    assert (mine.manufacturer, mine.samplerates) == ("Makers", (44_100.0, 48_000.0))
    assert (mine.output_latency_frames, speakers.input_latency_frames) == (None, None)
    for way in ("input", "output"):
        latency = getattr(hal.connect(world.driver).device("USBDuplex:1"), way).latency
        declared = latency.device_frames + latency.stream_frames + latency.safety_frames
        assert getattr(duplex, f"{way}_latency_frames") == declared > 0
    assert world.driver.default("output") == speakers
    world.device("USBDuplex:1").override("ltnc", (2**31).to_bytes(4, "little"), scope="outp")
    (faulty,) = (one for one in world.driver.devices() if one.uid == "USBDuplex:1")
    assert faulty.output_latency_frames is None
    assert faulty.input_latency_frames == duplex.input_latency_frames


def test_a_fact_that_cannot_be_read_is_none_and_hides_no_device(coreaudio: Worlds) -> None:
    world = coreaudio(devices=["uid=mine; maker=Makers; model=M1; in=2; out=2"])
    (device,) = world.driver.devices()
    facts = {field.name for field in fields(device) if not field.compare} - {"model"}
    unknown: set[str] = set()
    for skip in range(60):
        world.fail_call("AudioObjectGetPropertyData", UNSUPPORTED, skip, 1)
        with suppress(DriverError):  # of the lists of the system, which come first
            for one in world.driver.devices():
                assert one.uid == device.uid
                unknown |= {name for name in facts if getattr(one, name) is None}
        world.fail_call("AudioObjectGetPropertyData", UNSUPPORTED, 0, 0)
    assert unknown == facts
    assert world.driver.devices() == [device]


def test_transports_are_those_of_the_hal() -> None:
    assert {TRANSPORTS[four_characters(kind)[1:-1]] for kind in hal.TransportType if kind} == {
        str(kind) for kind in hal.TransportType if kind
    }


def test_rates_of_a_range_are_its_ends_and_the_usual_ones() -> None:
    assert standard_rates([]) is None
    assert standard_rates([(48_000.0, 48_000.0), (44_100.0, 44_100.0)]) == (44_100.0, 48_000.0)
    assert standard_rates([(40_000.0, 50_000.0)]) == (40_000.0, 44_100.0, 48_000.0, 50_000.0)
