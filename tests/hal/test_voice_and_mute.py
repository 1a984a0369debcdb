"""Voice activity, mutes, hog mode and physical formats on the simulated CoreAudio."""

from __future__ import annotations

import asyncio
import gc
import math
import os
import subprocess
import sys
import textwrap
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest

import voicecoil as vc
from coreaudio import Worlds, simulator_path
from rig import until
from voicecoil import hal
from voicecoil.errors import (
    ArgumentError,
    ArgumentTypeError,
    DriverError,
    PropertyMissingError,
    StreamTimeoutError,
)
from voicecoil.lifetime.exit_and_fork import wait_for_tasks
from voicecoil.testing import SimulatedCoreAudio

USB = "USBDuplex:1"


def speak(world: SimulatedCoreAudio, device: hal.Device, on: bool) -> None:
    world.check(world.library.sim_speak(world.device(device.uid).id, on))
    world.advance(0.1)


def recording(world: SimulatedCoreAudio) -> vc.InputStream:
    return vc.InputStream(lambda block: None, device=USB, driver=world.driver)


# ---- voice activity ----


def test_voice_activity_tells_when_somebody_speaks(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    system = hal.connect(world.driver)
    device = system.device(USB)
    with recording(world) as stream, hal.voice_activity(device) as voice:
        assert device.input.voice_activity_detection_enable
        assert not voice.speaking
        told = []
        for on in (True, False, True):
            speak(world, device, on)
            told.append(voice.wait(20))
        assert told == [True, False, True]
        assert voice.speaking
        with system.input_muted():  # the detector hears while this process is muted
            speak(world, device, False)
            assert next(voice) is False
        with pytest.raises(StreamTimeoutError):
            voice.wait(0)
        stream.abort()
    assert voice.ended
    assert list(voice) == []
    assert not device.input.voice_activity_detection_enable
    assert "ended" in repr(voice)
    voice.close()


def test_voice_activity_is_an_asynchronous_iterator(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    device = hal.connect(world.driver).device(USB)
    stream = recording(world)
    stream.start()

    async def listen() -> list[bool]:
        told = []
        with hal.voice_activity(device) as voice:
            speak(world, device, True)
            async for speaking in voice:
                told.append(speaking)
                if not speaking:
                    voice.close()
                else:
                    speak(world, device, False)
        return told

    assert asyncio.run(asyncio.wait_for(listen(), 60)) == [True, False]
    stream.close()


def test_the_detection_stays_on_until_its_last_user_ends(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    device = hal.connect(world.driver).device(USB)
    first, second = hal.voice_activity(device), hal.voice_activity(device)
    first.close()
    assert device.input.voice_activity_detection_enable
    del second  # a program that forgets to close it
    gc.collect()
    until(lambda: not device.input.voice_activity_detection_enable)
    device.input.voice_activity_detection_enable = True  # by another part of the program
    hal.voice_activity(device).close()
    assert device.input.voice_activity_detection_enable
    device.input.voice_activity_detection_enable = False


def test_a_user_that_ends_does_not_switch_off_the_detection_of_a_new_one(
    coreaudio: Worlds,
) -> None:
    world = coreaudio(3)
    device = hal.connect(world.driver).device(USB)
    for _ in range(100):
        first = hal.voice_activity(device)
        del first  # another thread switches the detection off
        with hal.voice_activity(device):
            wait_for_tasks(20)
            assert device.input.voice_activity_detection_enable
    assert not device.input.voice_activity_detection_enable


FORKING = textwrap.dedent("""
    import gc, os
    from voicecoil import hal
    from voicecoil.lifetime.exit_and_fork import wait_for_tasks
    from voicecoil.testing import SimulatedCoreAudio

    world = SimulatedCoreAudio()
    world.load_fixture(3)
    device = hal.connect(world.driver).devices[0]
    voice, dropped = hal.voice_activity(device), hal.voice_activity(device)
    child = os.fork()
    if child == 0:
        del dropped
        gc.collect()
        voice.close()
        wait_for_tasks(20)
        os._exit(4)
    print("child", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    print("on", device.input.voice_activity_detection_enable)
    voice.close()
    dropped.close()
    print("on", device.input.voice_activity_detection_enable)
""")


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "VOICECOIL_COREAUDIO_SIMULATOR": simulator_path()},
    )


def test_in_a_forked_child_voice_activity_ends_without_an_error() -> None:
    done = run(FORKING)
    assert done.stdout.split() == ["child", "4", "on", "True", "on", "False"], done.stderr
    assert "Error" not in done.stderr


def test_voice_activity_goes_on_after_a_restart_and_ends_with_the_device(
    coreaudio: Worlds,
) -> None:
    world = coreaudio(3)
    device = hal.connect(world.driver).device(USB)
    voice = hal.voice_activity(device)
    world.restart_service()
    world.advance(0.1)
    until(lambda: bool(device.input.voice_activity_detection_enable))
    with recording(world) as stream:
        speak(world, device, True)
        assert voice.wait(20) is True
        stream.abort()
    world.device(USB).remove()
    world.advance(0.1)
    until(lambda: voice.ended)
    assert list(voice) in ([], [False])
    voice.close()


def test_without_detection_the_error_says_what_it_needs(coreaudio: Worlds) -> None:
    world = coreaudio(1, 3)
    system = hal.connect(world.driver)
    with pytest.raises(
        PropertyMissingError, match=r"needs a device with an input, and macOS 14\.0"
    ):
        hal.voice_activity(system.device("BuiltInSpeakerDevice"))
    world.check(world.library.sim_set_macos(1300))
    with pytest.raises(PropertyMissingError, match=r"macOS 14\.0"):
        hal.voice_activity(system.device(USB))
    with pytest.raises(PropertyMissingError, match=r"needs macOS 14\.0 or later"):
        _ = system.process_input_mute
    with pytest.raises(ArgumentTypeError, match="give a device"):
        hal.voice_activity(USB)  # type: ignore[arg-type]


def test_a_wait_on_a_device_that_does_not_run_says_that_a_stream_is_needed(
    coreaudio: Worlds,
) -> None:
    world = coreaudio(3)
    device = hal.connect(world.driver).device(USB)
    needed = "keep an input stream or a Recorder on it"
    with hal.voice_activity(device) as voice:
        with pytest.raises(StreamTimeoutError, match=needed):
            voice.wait(0.01)
        with recording(world):
            world.advance(0.1)
            with pytest.raises(StreamTimeoutError) as caught:
                voice.wait(0.01)
    assert needed not in str(caught.value)


def test_a_device_of_the_streams_is_refused_with_the_call_that_finds_it(coreaudio: Worlds) -> None:
    world = coreaudio(1, 3)
    system = hal.connect(world.driver)
    speakers = vc.default_device("output", driver=world.driver)
    message = r"such as hal\.device\('BuiltInSpeakerDevice'\)"
    with pytest.raises(ArgumentTypeError, match=message):
        hal.voice_activity(speakers)  # type: ignore[arg-type]
    with pytest.raises(ArgumentTypeError, match=message):
        system.device(speakers)  # type: ignore[arg-type]
    with pytest.raises(ArgumentTypeError, match=message):
        system.create_aggregate("Both", [speakers])  # type: ignore[list-item]
    assert system.device(speakers.uid).name == speakers.name


# ---- mutes ----


def test_mutes_are_restored(coreaudio: Worlds) -> None:
    world = coreaudio(3, 22)
    system = hal.connect(world.driver)
    desk, usb = system.device("Desk"), system.device(USB)
    desk.output.mute = False
    with desk.output.muted() as muted:
        assert muted.mute
    assert not desk.output.mute
    desk.output.mute = True
    with desk.output.muted():
        assert desk.output.mute
    assert desk.output.mute  # as before
    with pytest.raises(KeyError), usb.process_muted() as mute:
        assert mute is True
        assert usb.process_mute
        raise KeyError
    assert not usb.process_mute
    blocks: list[bool] = []
    world.device(USB).set_input("encoded")
    with vc.InputStream(
        lambda block: blocks.append(bool(np.any(block.input))),
        device=USB,
        driver=world.driver,
        latency="low",
    ) as stream:
        world.advance(0.1)
        with system.input_muted():
            assert system.process_input_mute
        assert not system.process_input_mute
        stream.abort()
    assert any(blocks)


# ---- hog mode and physical formats ----


def test_a_physical_format_in_hog_mode_is_restored(coreaudio: Worlds) -> None:
    world = coreaudio(3, 12)
    system = hal.connect(world.driver)
    for uid, format_id in ((USB, "lpcm"), ("SPDIF:1", "cac3")):
        device = system.device(uid)
        stream = device.output.streams[0]
        before = stream.physical_format
        wanted = next(
            one.format
            for one in stream.available_physical_formats
            if one.format.format_id == format_id
            and not one.format.is_mixable
            and one.format.samplerate == 48_000
        )
        exclusive = stream.exclusive(wanted)
        with pytest.raises(KeyError), exclusive as made:
            assert made == wanted == stream.physical_format
            assert device.hog_mode == os.getpid()
            with device.hogged():
                pass
            assert device.hog_mode == os.getpid()  # the outer block has it
            raise KeyError
        assert stream.physical_format == before
        assert device.hog_mode == -1
        assert "hog mode" in repr(exclusive)
        with pytest.raises(ArgumentError, match="7 bit integer, 48000 Hz, not mixed; it has 2"):
            stream.exclusive(replace(wanted, format_id="lpcm", bits=7)).__enter__()
        assert device.hog_mode == -1


def test_impossible_arguments_are_refused_before_anything_is_changed(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    system = hal.connect(world.driver)
    device = system.device(USB)
    stream = device.output.streams[0]
    ranged: Any = stream.available_physical_formats[0]
    made = system.create_aggregate("Both", [device])
    with hal.watch(device, "volume_scalar") as watch:
        for seconds in (math.nan, -1, "1"):
            text: Any = seconds
            for call in (
                partial(device.set, "nominal_sample_rate", 44_100.0, timeout_s=text),
                partial(made.destroy, text),
                partial(system.create_aggregate, "More", [device], timeout_s=text),
                partial(watch.wait, text),
            ):
                with pytest.raises((ArgumentError, ArgumentTypeError), match="timeout_s="):
                    call()
    assert device.samplerate == 48_000
    assert [one.name for one in system.devices if isinstance(one, hal.AggregateDevice)] == ["Both"]
    made.destroy()
    for scope in (-1, 2**32):
        with pytest.raises(ArgumentError, match="0 to 4294967295"):
            device.get("volume_scalar", scope)
    for wrong in (ranged, None, "lpcm"):
        with pytest.raises(ArgumentTypeError, match="give a StreamFormat"):
            stream.exclusive(wrong)


def test_a_format_that_is_refused_gives_the_device_back(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    device = hal.connect(world.driver).device(USB)
    stream = device.output.streams[0]
    wanted = next(
        one.format for one in stream.available_physical_formats if not one.format.is_mixable
    )
    nope = int.from_bytes(b"nope", "big")
    world.fail_call("AudioObjectSetPropertyData", nope, skip=1, times=1)
    with pytest.raises(DriverError, match="nope"), stream.exclusive(wanted):
        pass
    assert device.hog_mode == -1
    world.device(USB).hog(4_711)
    with pytest.raises(DriverError, match="4711"), stream.exclusive(wanted):
        pass
    with pytest.raises(DriverError, match="4711"), device.hogged():
        pass
    world.device(USB).hog(-1)
