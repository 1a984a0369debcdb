"""The report of a stream's requests: what is in force, and why."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import pytest

import voicecoil as vc
from losing import came_back, is_away, no_thread_stays, two_devices, unplug
from rig import until
from voicecoil.callbacks.native import ctypes_type
from voicecoil.drivers.protocol import DriverStream, OpenRequest
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver


@pytest.fixture(autouse=True)
def _no_thread_stays() -> Iterator[None]:
    yield
    no_thread_stays()


def opened(kind: Any = vc.OutputStream, callback: Any = lambda block: None, **options: Any) -> Any:
    device = VirtualDevice(
        "Rig", clock="stepped", frames=64, input_channels=2, output_channels=4, samplerate=48_000
    )
    return kind(callback, driver=VirtualDriver([device]), **options)


def outcomes(settings: vc.Settings) -> dict[str, tuple[Any, Any, str]]:
    return {s.name: (s.requested, s.actual, s.outcome) for s in settings.values()}


@pytest.mark.parametrize("kind", [vc.InputStream, vc.OutputStream, vc.Stream])
def test_the_lead_of_an_input_is_the_time_that_the_worker_may_be_late(kind: Any) -> None:
    with opened(kind, latency=0.064) as stream:
        reason = stream.settings["latency"].reason
        assert ("may be 3072 frames late without a loss" in reason) is (kind is vc.InputStream)
        assert ("3072 frames ahead of the device" in reason) is (kind is not vc.InputStream)
        stream.abort()


def test_requests_that_are_in_force() -> None:
    with opened(
        samplerate=48_000,
        channels=[3, 1],
        blocksize=32,
        latency=0.064,
        device="Rig",
        on_device_lost="wait",
    ) as stream:
        found = outcomes(stream.settings)
        device = stream.device
        stream.abort()
    assert found == {
        "driver": ("virtual", "virtual", "applied"),
        "device": ("Rig", device, "applied"),
        "samplerate": (48_000.0, 48_000.0, "applied"),
        "device_rate": ("keep", "keep", "applied"),
        "conversion_quality": (None, None, "default"),
        "channels": ((3, 1), (3, 1), "applied"),
        "dtype": ("float32", "float32", "applied"),
        "blocksize": (32, 32, "applied"),
        "latency": (0.064, 0.064, "applied"),
        "max_lead_s": (None, None, "default"),
        "zero_copy": (False, False, "applied"),
        "arrays": ("numpy", "numpy", "applied"),
        "priority": (None, "ordinary", "default"),
        "on_device_lost": ("wait", "wait", "applied"),
        "name": (None, None, "default"),
        "connect": (True, True, "applied"),
    }


def test_what_the_program_leaves_open_is_reported_as_default() -> None:
    with opened(vc.Stream) as stream:
        settings = stream.settings
        stream.abort()
    found = {name: (s.actual, s.outcome) for name, s in settings.items() if s.requested is None}
    assert found["samplerate"] == (48_000.0, "default")
    assert found["input_channels"] == ((0, 1), "default")
    assert found["output_channels"] == ((0, 1), "default")
    assert found["blocksize"] == (64, "default")
    assert settings["device"].reason == "the system's default device"
    assert settings.summary() == ""


def test_what_differs_is_in_the_repr() -> None:
    with opened(dtype="int16", latency=0.01, name="Some") as stream:
        settings, text = stream.settings, repr(stream)
        stream.abort()
    assert settings["dtype"].outcome == "converted"
    assert settings["latency"].actual == 512 / 48_000
    assert "whole number of cycles" in settings["latency"].reason
    assert outcomes(settings)["name"] == ("Some", None, "ignored")
    assert settings.summary() == "converted: dtype; adjusted: latency; ignored: name"
    assert settings.summary() in text
    assert settings.summary() in repr(settings)


def test_a_converted_rate() -> None:
    with opened(samplerate=16_000, latency="safe", conversion_quality="LQ") as stream:
        settings = stream.settings
        stream.abort()
    assert outcomes(settings)["samplerate"] == (16_000.0, 16_000.0, "converted")
    assert settings["samplerate"].reason == "'Rig' runs at 48000 Hz"
    assert outcomes(settings)["conversion_quality"] == ("LQ", "LQ", "applied")
    assert settings["latency"].actual == 0.06
    assert outcomes(settings)["max_lead_s"] == (0.5, 0.5, "applied")
    assert settings.summary() == "converted: samplerate"


def test_one_output_channel_is_on_both_channels_of_the_pair() -> None:
    with opened(channels=1) as stream:
        assert outcomes(stream.settings)["channels"] == (1, (0, 1), "applied")
        stream.abort()


@pytest.mark.parametrize("native", [True, False])
def test_a_callback_on_the_io_thread_has_no_lead(native: bool) -> None:
    silence = ctypes_type()(lambda *arguments: 0)
    stream = opened(callback=silence) if native else opened(latency="low")
    found = stream.settings
    stream.close()
    assert (found["latency"].actual, found["latency"].outcome) == (0.0, "applied")
    assert ("a native callback" in found["latency"].reason) is native
    assert "runs on the IO thread" in found["latency"].reason
    assert found["priority"].actual is None
    assert outcomes(found)["arrays"] == (
        (None, None, "default") if native else ("numpy", "numpy", "applied")
    )


def test_copied_blocks_of_a_zero_copy_stream() -> None:
    device = VirtualDevice("Split", clock="stepped", frames=64, layout="split")
    driver = VirtualDriver([device])
    with vc.OutputStream(lambda b: None, driver=driver, latency="low", zero_copy=True) as stream:
        assert outcomes(stream.settings)["zero_copy"] == (True, True, "applied")
        device.step(3)
        copied = stream.statistics().copied_blocks
        setting = stream.settings["zero_copy"]
        stream.abort()
    assert copied == 3
    assert (setting.actual, setting.outcome) == (False, "adjusted")
    assert "3 blocks had to be copied" in setting.reason


def test_the_report_is_of_the_device_that_the_stream_moved_to() -> None:
    """The second device has one channel and other cycles than the first one."""
    one, _, driver = two_devices(output_channels=1, frames=128)
    with vc.OutputStream(
        lambda block: None, driver=driver, device="One", channels=[0, 1], on_device_lost="default"
    ) as stream:
        one.step(1)
        before = stream.settings
        unplug(one)
        came_back(stream)
        after = stream.settings
        stream.abort()
    assert before["device"].outcome == "applied"
    assert outcomes(before)["channels"] == ((0, 1), (0, 1), "applied")
    device = after["device"]
    assert (device.requested, device.actual.name, device.outcome) == ("One", "Two", "adjusted")
    assert outcomes(after)["channels"] == ((0, 1), (0, None), "adjusted")
    assert "1 channel that it does not have: dropped" in after["channels"].reason
    assert "128 frames" in after["blocksize"].reason


def test_the_rate_is_reported_for_the_device_that_the_stream_moved_to() -> None:
    one, two, driver = two_devices(samplerate=44_100)
    with vc.OutputStream(
        lambda block: None, driver=driver, device="One", on_device_lost="default", latency="safe"
    ) as stream:
        one.step(1)
        assert outcomes(stream.settings)["samplerate"] == (None, 48_000.0, "default")
        unplug(one)
        came_back(stream)
        two.step(1)
        setting, text = stream.settings["samplerate"], repr(stream)
        stream.abort()
    assert (setting.actual, setting.outcome) == (48_000.0, "converted")
    assert setting.reason == "'Two' runs at 44100 Hz"
    assert "converted: samplerate; adjusted: device" in text


@pytest.mark.parametrize("device", [None, ("Microphone", "Speakers")])
def test_an_input_on_another_device_is_converted_to_the_clock_of_the_output(device: Any) -> None:
    driver = VirtualDriver(
        [
            VirtualDevice("Microphone", input_channels=1, output_channels=0),
            VirtualDevice("Speakers", input_channels=0, output_channels=2),
        ]
    )
    stream = vc.Stream(lambda block: None, driver=driver, device=device)
    setting = stream.settings["device"]
    stream.close()
    assert (setting.requested, setting.actual.name) == (device, "Microphone + Speakers")
    assert setting.outcome == "converted"
    assert setting.reason == "the input of 'Microphone' is resampled to the clock of 'Speakers'"


def test_a_stream_that_waits_has_no_device() -> None:
    one, _, driver = two_devices()
    with vc.OutputStream(
        lambda block: None, driver=driver, device="One", on_device_lost="wait"
    ) as stream:
        one.step(1)
        unplug(one)
        is_away(stream)
        until(lambda: stream.settings["device"].actual is None)
        setting = stream.settings["device"]
        stream.abort()
    assert (setting.requested, setting.actual, setting.outcome) == ("One", None, "adjusted")
    assert setting.reason == "'One' is lost; the stream waits for one"


def test_an_error_of_the_audio_system_names_the_requests() -> None:
    """The message of the audio system says nothing about what was requested."""

    class Refusing(VirtualDriver):
        def open_stream(self, request: OpenRequest) -> DriverStream:
            raise vc.DriverError("no", call="open")

    driver = Refusing([VirtualDevice("Rig", clock="stepped", output_channels=4)])
    with pytest.raises(vc.DriverError, match="no") as caught:
        vc.OutputStream(
            lambda block: None,
            driver=driver,
            device="Ri",
            channels=[3],
            samplerate=44_100,
            latency="safe",
        )
    (note,) = caught.value.__notes__
    assert note == (
        "requested: device='Ri', driver='virtual', samplerate=44100, channels=[3]; 'Rig' has "
        "2 inputs and 4 outputs, and was listed at 48000 Hz"
    )


def test_settings_stay_readable_after_close_and_are_data() -> None:
    stream = opened(channels=[2])
    stream.close()
    settings = stream.settings
    assert asdict(settings["channels"]) == {
        "name": "channels",
        "requested": (2,),
        "actual": (2,),
        "outcome": "applied",
        "reason": "the device's channels 2",
    }
    assert len(str(settings).splitlines()) == len(settings) == len(list(settings))


def test_tables_of_notebooks_are_escaped() -> None:
    name = "<script>alert('x')</script>&\x1b[31m"
    device = VirtualDevice(name, clock="stepped")
    driver = VirtualDriver([device])
    with vc.OutputStream(lambda block: None, driver=driver) as stream:
        made: list[Callable[[], str]] = [
            vc.devices(driver)._repr_html_,  # type: ignore[attr-defined]
            stream.device._repr_html_,
            stream.settings._repr_html_,
            stream.statistics()._repr_html_,
        ]
        pages = [make() for make in made]
        stream.abort()
    for page in pages:
        assert page.startswith("<table>")
        assert page.endswith("</table>")
        assert "<script" not in page
        assert "\x1b" not in page
    for page in pages[:3]:
        assert "&lt;script&gt;alert(" in page
        assert "&amp;\\x1b[31m" in page
    assert '<th style="text-align: left">gil_wait</th>' in pages[3]
    assert vc.devices(driver) == driver.devices()


@pytest.mark.skipif(sys.version_info < (3, 12), reason="isolated=True needs Python 3.12")
def test_an_isolated_callback_gets_memoryviews_and_needs_no_lead() -> None:
    stream = opened(callback="isolated_callables:half", isolated=True, latency="safe")
    settings = stream.settings
    stream.close()
    assert outcomes(settings)["arrays"] == ("numpy", "memoryview", "adjusted")
    assert outcomes(settings)["latency"] == ("safe", 0.0, "applied")
    assert settings["latency"].reason.startswith("an isolated callback")
