"""The warning of an input that gives nothing but exact zeros."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import voicecoil as vc
from coreaudio import Worlds
from rig import until
from shells import shell
from voicecoil import hal
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver
from voicecoil.hal.connection import connection_with
from voicecoil.streams.silence import channels_written_as
from voicecoil.streams.silence_causes import possible_causes

TWO_SECONDS = 2 * 48_000


def device() -> tuple[VirtualDevice, VirtualDriver]:
    virtual = VirtualDevice("Interface", clock="stepped", frames=4_800, input_channels=4)
    return virtual, VirtualDriver([virtual])


def silent_events(stream: vc.InputStream | vc.Stream, found: list[vc.Event]) -> int:
    found += [event for event in stream.events() if event.kind == "silent"]
    return len(found)


def test_an_event_names_the_causes_once() -> None:
    virtual, driver = device()
    found: list[vc.Event] = []
    with vc.InputStream(lambda block: None, driver=driver, channels=[1, 2]) as stream:
        virtual.step(19)
        assert not silent_events(stream, found)
        virtual.step(1)
        until(lambda: silent_events(stream, found) > 0)
        virtual.step(100)
        assert stream._connection is not None
        assert stream._connection.device.silence is None, "it does not warn again"
        stream.abort()
    assert found[0].detail.startswith("'Interface' has given only zeros for 2 s (channels=[1, 2])")
    assert "no stream plays on the other end of the loopback" in found[0].detail


def test_of_two_devices_it_names_the_input() -> None:
    microphone = VirtualDevice("Microphone", clock="stepped", frames=4_800, output_channels=0)
    speakers = VirtualDevice("Speakers", clock="stepped", frames=4_800, input_channels=0)
    driver = VirtualDriver([microphone, speakers])
    found: list[vc.Event] = []
    with vc.Stream(lambda block: None, driver=driver, device=("Microphone", "Speakers")) as stream:
        for _ in range(40):
            microphone.step(1)
            speakers.step(1)
        until(lambda: silent_events(stream, found) > 0)
        stream.abort()
    says = "'Microphone' has given only zeros for 2 s (input_channels=[0, 1])"
    assert found[0].detail.startswith(says)


def test_it_names_the_device_that_the_stream_is_on_now() -> None:
    driver = VirtualDriver([])
    found: list[vc.Event] = []
    with vc.InputStream(
        lambda block: None, driver=driver, channels=[1], on_device_lost="wait"
    ) as stream:
        late = VirtualDevice("Late", clock="stepped", frames=4_800, input_channels=1)
        driver.virtual_devices.append(late)
        until(lambda: stream.state == "running")
        late.step(20)
        until(lambda: silent_events(stream, found) > 0)
        stream.abort()
    assert found[0].detail.startswith("'Late' has given only zeros for 2 s (channels=[0])")


def test_a_measurement_warns_of_no_silence() -> None:
    virtual, driver = device()
    sound = np.zeros((6 * 48_000, 1), np.float32)
    with vc.playrec(sound, 48_000, input_channels=2, driver=driver) as measurement:
        virtual.step(50)
        connection = measurement._stream._connection
        assert connection is not None
        assert connection.device.silence is None
        assert connection.engine.zero_frames >= TWO_SECONDS


def test_the_stream_keeps_how_its_channels_are_written() -> None:
    virtual, driver = device()
    found: list[vc.Event] = []
    with channels_written_as(lambda channels: f"option {list(channels)}"):
        stream = vc.InputStream(lambda block: None, driver=driver, channels=[0])
    with stream:
        virtual.step(50)
        until(lambda: silent_events(stream, found) > 0)
        stream.abort()
    assert "for 2 s (option [0])" in found[0].detail


def test_the_command_names_its_own_option_which_counts_from_1() -> None:
    # Twice the time that a warning needs, because a busy machine looks late.
    done = shell("record", "-", "--raw", "-q", "--duration", "5", "--channels", "1", text=False)
    assert done.returncode == 0, done.stderr
    assert b"has given only zeros for 2 s (--channels 1,)" in done.stderr  # type: ignore[operator]


def test_a_signal_in_any_channel_ends_the_watch() -> None:
    virtual, driver = device()

    def play(block: vc.Block) -> None:
        block.output[0] = 1.0  # one frame of each block

    with (
        vc.OutputStream(play, driver=driver, channels=[1]) as output,
        vc.InputStream(lambda block: None, driver=driver, channels=[0, 1]) as stream,
    ):
        virtual.step(50)
        assert stream._connection is not None
        assert stream._connection.engine.zero_frames == 0
        output.abort()
        virtual.step(50)
        assert stream._connection.engine.zero_frames == 0
        stream.abort()


# A device in real time, because the search for a signal on other channels needs a clock that runs.
WRONG_CHANNEL = """
import time
import voicecoil as vc
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver

driver = VirtualDriver([VirtualDevice("Interface", frames=480, input_channels=4,
                                      output_channels=4, loopback=True)])

def play(block):
    block.output[:] = 0.5

with vc.OutputStream(play, driver=driver, channels=[2]):
    with vc.InputStream(lambda block: None, driver=driver, channels=[0]) as stream:
        until, found = time.monotonic() + 30, []
        while not found and time.monotonic() < until:
            found = [event for event in stream.events() if event.kind == "silent"]
            time.sleep(0.05)
print(found[0].detail)
"""


def test_the_warning_names_the_channel_that_has_a_signal() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WRONG_CHANNEL], capture_output=True, text=True, timeout=60
    )
    says = "'Interface' has given only zeros for 2 s (channels=[0]); there is a signal on another"
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{says} channel: channels=[2]\n"
    assert f"SilentInputWarning: {says}" in done.stderr


# The signal begins on all channels when the search has opened its stream.
BEGINS_DURING_THE_SEARCH = """
import time
import voicecoil as vc
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver
from voicecoil.lifetime import exit_and_fork

opened = []

class Driver(VirtualDriver):
    def open_stream(self, request):
        stream = super().open_stream(request)
        opened.append(stream)
        return stream

driver = Driver([VirtualDevice("Interface", frames=480, input_channels=2, output_channels=2,
                               loopback=True)])

def play(block):
    block.output[:] = 0.5 if len(opened) > 2 else 0

with vc.OutputStream(play, driver=driver, latency="low"):
    with vc.InputStream(lambda block: None, driver=driver, channels=[0]) as stream:
        until = time.monotonic() + 30
        while len(opened) < 3 and time.monotonic() < until:
            time.sleep(0.02)
        exit_and_fork.wait_for_tasks(20)
        print(len(opened), stream.events())
"""


def test_no_other_channel_is_named_if_the_signal_begins_during_the_search() -> None:
    done = subprocess.run(
        [sys.executable, "-c", BEGINS_DURING_THE_SEARCH], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "SilentInputWarning" not in done.stderr
    assert done.stdout.startswith("3 ["), "the search has opened a stream"
    assert "silent" not in done.stdout


@pytest.mark.parametrize(
    ("driver", "cause"),
    [
        ("coreaudio", "Privacy & Security, Microphone"),
        ("coreaudio-simulated", "data source"),
        ("miniaudio:wasapi", "consent"),
        ("miniaudio:pulseaudio", "muted"),
        ("miniaudio:jack", "no source is connected"),
    ],
)
def test_the_causes_are_those_of_the_audio_system(driver: str, cause: str) -> None:
    assert any(cause in said for said in possible_causes(driver))


def test_on_macos_the_cause_names_the_app_that_needs_consent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("__CFBundleIdentifier", "com.apple.Terminal")
    assert "com.apple.Terminal" in possible_causes("coreaudio")[0]


@pytest.mark.parametrize(
    ("make", "says", "certain"),
    [
        (lambda device, system: device.set("mute", True), "; the input is muted (Audio MIDI", True),
        (lambda device, system: device.set("volm", 0.0), "; the volume of the input is 0", True),
        (lambda device, system: system.set("pmin", True), "; the input of this program is", True),
        (lambda device, system: device, "; the data source 'First' is selected, and there", False),
    ],
    ids=["mute", "volume", "process", "source"],
)
def test_on_coreaudio_the_cause_is_read(
    coreaudio: Worlds, make: Callable[[Any, Any], object], says: str, certain: bool
) -> None:
    """Before, each of these was only one of the possible causes."""
    world = coreaudio(
        devices=["uid=mic; name=mic; in=2; rate=48000; controls=mute:in:0,vlme:in:0,dsrc:in:0"],
    )
    world.device("mic").set_input("silence")
    system = hal.System(connection_with(world.driver))
    make(system.device("mic").input, system)
    found: list[vc.Event] = []
    with vc.InputStream(lambda block: None, driver=world.driver) as stream:
        world.advance(2.5)
        until(lambda: silent_events(stream, found) > 0)
        stream.abort()
    says = f"'mic' has given only zeros for 2 s (channels=[0, 1]){says}"
    assert found[0].detail.startswith(says)
    assert ("no consent" in found[0].detail) is not certain
    assert "data source of the device" not in found[0].detail, "the mute was read"
