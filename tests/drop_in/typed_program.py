"""A program with types for sounddevice and PyAudio.

Type checkers read it (tests/project/test_types.py); nothing runs it.
"""
# pyright: standard

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

import voicecoil.pyaudio as pyaudio
import voicecoil.sounddevice as sd

Samples = npt.NDArray[np.float32]


def play_and_record(sound: Samples, rate: float) -> Samples:
    sd.default.samplerate = rate
    sd.default.channels = 1, 2
    sd.default.device = None, "speakers"
    sd.default.dtype["output"] = "int16"
    sd.play(sound, rate, mapping=[1, 2], blocking=True, loop=False, latency="low")
    recording: Samples = sd.rec(4800, samplerate=rate, channels=1, dtype="float32")
    status: sd.CallbackFlags | None = sd.wait()
    if status:
        print(status.input_overflow, str(status))
    sd.playrec(sound, rate, 1, input_mapping=[1], output_mapping=(1, 2))
    sd.stop(ignore_errors=False)
    sd.sleep(100)
    version: tuple[int, str] = sd.get_portaudio_version()
    print(version, sd.query_hostapis(0)["name"], sd.query_devices(None, "input")["name"])
    devices: sd.DeviceList = sd.query_devices()
    print([device["name"] for device in devices])
    return recording


class Recorder:
    def __init__(self) -> None:
        self.stream: sd.InputStream | None = None
        self.flags = sd.CallbackFlags()

    def callback(self, indata: Samples, frames: int, time: Any, status: sd.CallbackFlags) -> None:
        self.flags |= status
        if time.inputBufferAdcTime < 0:
            raise sd.CallbackStop

    def run(self) -> None:
        with sd.InputStream(
            samplerate=48_000,
            blocksize=512,
            device=(1, "x"),
            channels=1,
            dtype=np.float32,
            latency=("low", 0.1),
            extra_settings=sd.CoreAudioSettings(channel_map=[0, 1]),
            callback=self.callback,
            finished_callback=self.done,
            clip_off=True,
        ) as stream:
            self.stream = stream
            print(stream.active, stream.latency, stream.cpu_load, stream.time, stream.closed)
        with sd.RawOutputStream(dtype="int24") as raw:
            missed: bool = raw.write(b"\0" * 12)
            print(missed, raw.write_available)
        with sd.Stream() as duplex:
            data, lost = duplex.read(10)
            duplex.write(data)
            print(lost, duplex.read_available)

    def done(self) -> None:
        if self.stream is not None:
            self.stream.close(ignore_errors=True)


def speech() -> bytes:
    audio = pyaudio.PyAudio()
    try:
        stream = audio.open(16_000, 1, pyaudio.paInt16, input=True, frames_per_buffer=512)
        data: bytes = stream.read(512, exception_on_overflow=False)
        print(audio.get_device_info_by_index(0)["name"], pyaudio.get_sample_size(pyaudio.paInt16))
        stream.close()
    except sd.PortAudioError as error:
        raise OSError(*error.args) from error
    audio.terminate()
    return data
