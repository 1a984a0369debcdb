"""voicecoil.pyaudio on a virtual device."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import voicecoil.pyaudio as pyaudio
import voicecoil.sounddevice as sd
from rig import until
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver


@pytest.fixture
def device() -> Iterator[VirtualDevice]:
    device = VirtualDevice("Free", clock="free", frames=64, loopback=True)
    device.capture()
    sd.options.driver = VirtualDriver([device])
    yield device
    sd.options.__init__()  # type: ignore[misc]


@pytest.fixture
def audio(device: VirtualDevice) -> Iterator[pyaudio.PyAudio]:
    audio = pyaudio.PyAudio()
    yield audio
    audio.terminate()


def test_devices_and_host_apis(audio: pyaudio.PyAudio) -> None:
    assert audio.get_device_count() == audio.get_host_api_count() == 1
    info = audio.get_device_info_by_index(0)
    assert info == audio.get_default_input_device_info() == audio.get_default_output_device_info()
    assert info == audio.get_device_info_by_host_api_device_index(0, 0)
    assert (info["name"], info["maxInputChannels"], info["defaultSampleRate"]) == ("Free", 2, 48e3)
    assert audio.get_default_host_api_info()["deviceCount"] == 1
    for call in (audio.get_device_info_by_index, audio.get_host_api_info_by_index):
        for index in (-1, 1):
            with pytest.raises(OSError, match="Invalid"):
                call(index)
    with pytest.raises(OSError, match="not found"):
        audio.get_host_api_info_by_type(pyaudio.paASIO)
    for channels, fits in ((2, True), (3, False)):
        asked = {"input_device": 0, "input_channels": channels, "input_format": pyaudio.paInt16}
        if fits:
            assert audio.is_format_supported(16_000, **asked)
        else:
            with pytest.raises(ValueError, match="channels") as caught:
                audio.is_format_supported(16_000, **asked)
            assert caught.value.args[1] == pyaudio.paInvalidChannelCount


def test_written_frames_are_heard_in_order(audio: pyaudio.PyAudio, device: VirtualDevice) -> None:
    sent = np.arange(1, 4001, dtype=np.int16)
    stream = audio.open(48_000, 1, pyaudio.paInt16, output=True, frames_per_buffer=64)
    for part in np.split(sent, 4):
        stream.write(part.tobytes())
    stream.stop_stream()
    assert stream.is_stopped()
    heard = device.heard()[:, 0]
    assert np.array_equal(heard[heard != 0] * 2**15, sent)
    with pytest.raises(OSError, match="stopped"):
        stream.write(b"\0\0")
    stream.start_stream()
    assert stream.is_active()
    stream.close()
    with pytest.raises(OSError, match="closed"):
        stream.is_active()


def test_read_returns_bytes(audio: pyaudio.PyAudio) -> None:
    stream = audio.open(
        format=pyaudio.paInt16, channels=1, rate=16_000, input=True, frames_per_buffer=512
    )
    assert len(stream.read(1024, exception_on_overflow=False)) == 2048
    assert stream.get_read_available() >= 0
    for call in (lambda: stream.write(b"\0\0"), lambda: stream.get_write_available()):
        with pytest.raises(OSError, match="Not output"):
            call()


def test_a_callback_plays_until_it_returns_complete_or_too_little(
    audio: pyaudio.PyAudio, device: VirtualDevice
) -> None:
    answers = [
        (np.full(64, 0.25, np.float32).tobytes(), pyaudio.paContinue),
        (np.full(16, 0.5, np.float32).tobytes(), pyaudio.paContinue),
    ]
    given: list[Any] = []

    def callback(*arguments: Any) -> Any:
        given.append(arguments)
        return answers[len(given) - 1]

    stream = audio.open(
        48_000, 1, pyaudio.paFloat32, output=True, frames_per_buffer=64, stream_callback=callback
    )
    until(lambda: not stream.is_active())
    assert not stream.is_stopped()
    stream.stop_stream()
    heard = device.heard()[:, 0]
    assert np.array_equal(heard[heard != 0], [0.25] * 64 + [0.5] * 16)
    data, frames, times, status = given[0]
    assert (data, frames, status) == (None, 64, 0)
    assert sorted(times) == ["current_time", "input_buffer_adc_time", "output_buffer_dac_time"]
    with pytest.raises(OSError, match="callback stream"):
        stream.write(b"")


def test_a_duplex_callback_gets_bytes_and_returns_them(audio: pyaudio.PyAudio) -> None:
    ended = threading.Event()
    seen = []

    def callback(data: bytes, frames: int, times: Any, status: int) -> Any:
        seen.append(data)
        if len(seen) == 80:
            ended.set()
            return data, pyaudio.paAbort
        return b"\1\0" * frames * 2, pyaudio.paContinue

    audio.open(
        48_000, 2, pyaudio.paInt16, True, True, frames_per_buffer=64, stream_callback=callback
    )
    assert ended.wait(20)
    assert seen[-1] == b"\1\0" * 128


def test_close_and_terminate_close_everything_and_then_raise(audio: pyaudio.PyAudio) -> None:
    def callback(*arguments: Any) -> Any:
        raise ZeroDivisionError("meant")

    def opened(callback: Any = callback) -> pyaudio.Stream:
        return audio.open(
            48_000, 2, pyaudio.paInt16, output=True, stream_callback=callback, frames_per_buffer=64
        )

    alone = opened()
    until(lambda: not alone.is_active())
    with pytest.raises(ZeroDivisionError, match="meant"):
        alone.close()
    assert audio._streams == set()
    streams = [opened(), opened(), opened(None), opened()]
    until(lambda: sum(one.is_active() for one in streams) == 1)
    with pytest.raises(ZeroDivisionError, match="meant"):
        audio.terminate()
    assert all(one._stream.closed for one in streams)
    assert audio._streams == set()


def test_a_negative_index_is_the_default_device() -> None:
    other, default = (VirtualDevice(name, clock="free", frames=64) for name in ("Other", "Default"))
    for device in (other, default):
        device.capture()
    driver = VirtualDriver([default])
    sd.options.driver = driver
    audio = pyaudio.PyAudio()
    try:
        driver.virtual_devices.insert(0, other)
        audio.get_device_count()
        for index in (-1, -7, None):
            stream = audio.open(
                48_000, 1, pyaudio.paInt16, output=True, output_device_index=index, start=False
            )
            assert stream._stream.device == audio.get_default_output_device_info()["index"]
            stream.close()
        asked = {"input_device": -1, "output_device": 0, "output_channels": 2}
        assert audio.is_format_supported(48_000, **asked, output_format=pyaudio.paInt16)
        with pytest.raises(ValueError, match="Must specify"):
            audio.is_format_supported(48_000, input_device=-1, input_channels=1, input_format=8)
    finally:
        audio.terminate()
        sd.options.__init__()  # type: ignore[misc]


def test_wrong_arguments_are_refused_as_in_pyaudio(audio: pyaudio.PyAudio) -> None:
    right = {"rate": 48_000, "channels": 1, "format": pyaudio.paInt16, "output": True}
    for wrong, error, number in (
        ({"output": False}, ValueError, None),
        ({"channels": 0}, ValueError, None),
        ({"channels": 9}, OSError, pyaudio.paInvalidChannelCount),
        ({"rate": 1}, OSError, pyaudio.paInvalidSampleRate),
        ({"format": 3}, OSError, pyaudio.paSampleFormatNotSupported),
        ({"output_device_index": 7}, OSError, pyaudio.paInvalidDevice),
    ):
        with pytest.raises(error) as caught:
            audio.open(**{**right, **wrong})
        if number is not None:
            assert caught.value.args[0] == number
    assert pyaudio.get_sample_size(pyaudio.paInt24) == 3
    assert pyaudio.get_format_from_width(1, False) == pyaudio.paInt8
    with pytest.raises(ValueError, match="width"):
        pyaudio.get_format_from_width(5)
