"""The measured libraries, each as a class that plays on two channels.

A client is opened with the work of each block: nothing (the least that the library's contract
allows), or one fill of the block by NumPy. With `times`, the callback notes when it was called and
when it was done. Without `times` it reads no clock. `close` ends the sound.
"""

from __future__ import annotations

import ctypes
import importlib
import mmap
import os
import threading
import time
from typing import Any, ClassVar

RATE = 48_000
CHANNELS = 2


class Times:
    """Times at which the callback of each block began and ended, ns.

    C code and another interpreter of this process can write the times, too, because they are in
    shared memory. Its int64 values are the number of blocks, then all begin times, then all end
    times.
    """

    class Shared(ctypes.Structure):
        _fields_ = (
            ("capacity", ctypes.c_uint64),
            ("count", ctypes.c_uint64),
            ("began_ns", ctypes.POINTER(ctypes.c_int64)),
            ("ended_ns", ctypes.POINTER(ctypes.c_int64)),
        )

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.file = os.memfd_create("times")
        os.truncate(self.file, 8 * (1 + 2 * capacity))
        memory = mmap.mmap(self.file, 0)
        self.counted = ctypes.c_int64.from_buffer(memory)
        self.began_ns = (ctypes.c_int64 * capacity).from_buffer(memory, 8)
        self.ended_ns = (ctypes.c_int64 * capacity).from_buffer(memory, 8 * (1 + capacity))
        self.count = 0
        self.shared = self.Shared(
            capacity,
            0,
            ctypes.cast(self.began_ns, ctypes.POINTER(ctypes.c_int64)),
            ctypes.cast(self.ended_ns, ctypes.POINTER(ctypes.c_int64)),
        )

    @property
    def blocks(self) -> int:
        return self.count or self.shared.count or self.counted.value


class Client:
    """One measured library. `setting` states the sound server, the block length in frames, and the
    native code.
    """

    name = ""
    home = "Python callback"
    servers: tuple[str, ...] = ("jack", "pulse")
    modules: tuple[str, ...] = ("numpy",)  # imported before the clock starts

    def __init__(self, setting: Any) -> None:
        self.setting = setting
        self.first = threading.Event()
        self.first_ns = 0

    def noted(self, work: Any, *, answer: Any = None) -> Any:
        """Returns `work` as a callback that also notes its times if `setting.times` is set."""
        times = self.setting.times
        if times is None:
            return work
        now, began, ended = time.perf_counter_ns, times.began_ns, times.ended_ns
        capacity = times.capacity

        def callback(*arguments: Any) -> Any:
            start = now()
            result = work(*arguments)
            count = times.count
            if count < capacity:
                began[count] = start
                ended[count] = now()
            times.count = count + 1
            return result

        return callback

    def blocks(self) -> int | None:
        """Returns the number of blocks so far, or None if the library does not count them."""
        return None

    def counted(self) -> tuple[int, ...]:
        """Returns the number of xruns that the library has counted so far, or an empty tuple if it
        counts none.

        A library that runs ahead of the device also returns the number of frames that the device
        took, and how many of these were empty. They are needed because the times of such callbacks
        say little about the output of the device.
        """
        return ()

    def close(self) -> None:
        raise NotImplementedError


class Floor(Client):
    """A C program that uses JACK directly."""

    name, home, servers = "C client", "C", ("jack",)

    def __init__(self, setting: Any) -> None:
        super().__init__(setting)
        self.native = setting.native
        self.native.jack_floor_open.restype = ctypes.c_void_p
        times = setting.times and ctypes.byref(setting.times.shared)
        self.client = self.native.jack_floor_open(int(setting.fill), times)
        if not self.client:
            raise RuntimeError("no JACK server")

    def close(self) -> None:
        self.native.jack_floor_close(ctypes.c_void_p(self.client))


class SoundDevice(Client):
    name = "sounddevice"
    raw = False
    modules = ("numpy", "sounddevice")

    def __init__(self, setting: Any) -> None:
        super().__init__(setting)
        sounddevice = importlib.import_module(self.modules[1])

        def empty(outdata: Any, frames: int, time: Any, status: Any) -> None:
            pass

        def fill(outdata: Any, frames: int, time: Any, status: Any) -> None:
            outdata[:] = 0.1 if not self.raw else sound

        sound = b"\0" * (setting.frames * CHANNELS * 4)
        kind = sounddevice.RawOutputStream if self.raw else sounddevice.OutputStream
        self.stream = kind(
            callback=self.noted(fill if setting.fill else empty),
            samplerate=RATE,
            channels=CHANNELS,
            blocksize=setting.frames,
            dtype="float32",
            device=self._device(sounddevice),
            latency="low",
        )
        self.stream.start()

    def _device(self, sounddevice: Any) -> int:
        wanted = "JACK" if self.setting.server == "jack" else "ALSA"
        for api in sounddevice.query_hostapis():
            if wanted in api["name"]:
                if wanted == "ALSA":
                    devices = sounddevice.query_devices()
                    for index in api["devices"]:
                        if devices[index]["name"] == "pulse":
                            return int(index)
                return int(api["default_output_device"])
        raise RuntimeError(f"PortAudio has no {wanted} here")

    def close(self) -> None:
        self.stream.stop()
        self.stream.close()


class SoundDeviceRaw(SoundDevice):
    name, raw = "sounddevice, raw", True


class DropIn(SoundDevice):
    """The same program with voicecoil in place of sounddevice."""

    name = "voicecoil.sounddevice"
    modules = ("numpy", "voicecoil.sounddevice", "voicecoil.drivers.miniaudio.driver")

    def _device(self, sounddevice: Any) -> int:
        sounddevice.options.driver = f"miniaudio:{self.setting.server}"
        return int(sounddevice.default.device["output"])


class DropInRaw(DropIn):
    name, raw = "voicecoil.sounddevice, raw", True


class PyAudio(Client):
    name = "PyAudio"
    modules = ("numpy", "pyaudio")

    def __init__(self, setting: Any) -> None:
        super().__init__(setting)
        import numpy
        import pyaudio

        silence = b"\0" * (setting.frames * CHANNELS * 4)
        go_on = pyaudio.paContinue
        sound = numpy.empty((setting.frames, CHANNELS), numpy.float32)

        def empty(data: Any, frames: int, time: Any, status: Any) -> Any:
            return silence, go_on

        def fill(data: Any, frames: int, time: Any, status: Any) -> Any:
            sound[:] = 0.1
            return sound.tobytes(), go_on

        self.library = pyaudio.PyAudio()
        self.stream = self.library.open(
            rate=RATE,
            channels=CHANNELS,
            format=pyaudio.paFloat32,
            output=True,
            frames_per_buffer=setting.frames,
            output_device_index=self._device(pyaudio),
            stream_callback=self.noted(fill if setting.fill else empty),
        )

    def _device(self, pyaudio: Any) -> int:
        wanted = pyaudio.paJACK if self.setting.server == "jack" else pyaudio.paALSA
        api = self.library.get_host_api_info_by_type(wanted)
        if wanted == pyaudio.paALSA:
            for index in range(self.library.get_device_count()):
                if self.library.get_device_info_by_index(index)["name"] == "pulse":
                    return index
        return int(api["defaultOutputDevice"])

    def close(self) -> None:
        self.stream.stop_stream()
        self.stream.close()
        self.library.terminate()


class JackClient(Client):
    name, servers = "JACK-Client", ("jack",)
    modules = ("numpy", "jack")

    def __init__(self, setting: Any) -> None:
        super().__init__(setting)
        import jack

        self.client = jack.Client("measured", no_start_server=True)
        ports = [self.client.outports.register(f"out_{i}") for i in (1, 2)]

        def empty(frames: int) -> None:
            pass

        def fill(frames: int) -> None:
            for port in ports:
                port.get_array()[:] = 0.1

        self.client.set_process_callback(self.noted(fill if setting.fill else empty))
        self.client.activate()
        for port, target in zip(ports, ("system:playback_1", "system:playback_2"), strict=True):
            self.client.connect(port, target)

    def close(self) -> None:
        self.client.deactivate()
        self.client.close()


class Miniaudio(Client):
    name = "miniaudio"
    modules = ("numpy", "miniaudio")

    def __init__(self, setting: Any) -> None:
        super().__init__(setting)
        import miniaudio
        import numpy

        sound = numpy.empty((setting.frames * 8, CHANNELS), numpy.float32)
        silence = b"\0" * (setting.frames * 8 * CHANNELS * 4)

        def empty(frames: int) -> Any:
            return silence if frames * CHANNELS * 4 == len(silence) else b"\0" * (frames * 8)

        def fill(frames: int) -> Any:
            block = sound[:frames]
            block[:] = 0.1
            return block.tobytes()

        work = self.noted(fill if setting.fill else empty)

        def generator() -> Any:
            frames = yield b""
            while True:
                frames = yield work(frames)

        backend = (
            miniaudio.Backend.JACK if setting.server == "jack" else miniaudio.Backend.PULSEAUDIO
        )
        self.device = miniaudio.PlaybackDevice(
            output_format=miniaudio.SampleFormat.FLOAT32,
            nchannels=CHANNELS,
            sample_rate=RATE,
            buffersize_msec=max(1, round(setting.frames / RATE * 1e3)),
            backends=[backend],
        )
        blocks = generator()
        next(blocks)
        self.device.start(blocks)

    def close(self) -> None:
        self.device.stop()
        self.device.close()


class RtMixer(Client):
    """RtMixer plays the content of a ring with its own C code and runs no user code."""

    name, home = "rtmixer", "C, no user code"
    modules = ("rtmixer", "sounddevice")

    def __init__(self, setting: Any) -> None:
        super().__init__(setting)
        import rtmixer
        import sounddevice

        self.mixer = rtmixer.Mixer(
            channels=CHANNELS,
            blocksize=setting.frames,
            samplerate=RATE,
            device=SoundDevice._device(self, sounddevice),  # type: ignore[arg-type]
            latency="low",
        )
        self.mixer.start()
        self.played = 0

    def blocks(self) -> int:
        action = self.mixer.fetch_and_reset_stats()
        self.mixer.wait(action)
        self.played += int(action.stats.blocks)
        return self.played

    def close(self) -> None:
        self.mixer.stop()
        self.mixer.close()


class SoundCard(Client):
    """SoundCard has no callback. A thread writes each block with a call that waits."""

    name, home, servers = "SoundCard", "Python, blocking", ("pulse",)
    modules = ("numpy", "soundcard")

    def __init__(self, setting: Any) -> None:
        super().__init__(setting)
        import numpy
        import soundcard

        sound = numpy.zeros((setting.frames, CHANNELS), numpy.float32)
        player = soundcard.default_speaker().player(
            samplerate=RATE, channels=CHANNELS, blocksize=setting.frames
        )
        self.ended = threading.Event()

        def make() -> None:
            if setting.fill:
                sound[:] = 0.1

        work = self.noted(make)

        def play() -> None:
            with player:
                while not self.ended.is_set():
                    work()
                    player.play(sound)

        self.thread = threading.Thread(target=play, name="audio")
        self.thread.start()

    def close(self) -> None:
        self.ended.set()
        self.thread.join(10)


class Voicecoil(Client):
    """Voicecoil with a callback in the main interpreter."""

    name, home = 'voicecoil, latency="low"', "Python callback"
    servers = ("jack", "pulse", "virtual")
    wanted: ClassVar[dict[str, Any]] = {"latency": "low"}
    modules = ("numpy", "voicecoil.streams.stream", "voicecoil.drivers.miniaudio.driver")

    def __init__(self, setting: Any) -> None:
        super().__init__(setting)
        import voicecoil

        self.stream = voicecoil.OutputStream(
            self.code(setting),
            driver=self._driver(setting),
            samplerate=RATE,
            channels=CHANNELS,
            blocksize=setting.frames,
            **self.wanted,
        )
        self.stream.start()

    def _driver(self, setting: Any) -> Any:
        if setting.server != "virtual":
            return f"miniaudio:{setting.server}"
        from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver

        device = VirtualDevice(
            "Benchmark",
            input_channels=0,
            frames=setting.frames,
            tolerance_s=setting.frames / RATE,  # a block later than one block length is lost
            loopback=False,
        )
        return VirtualDriver([device])

    def code(self, setting: Any) -> Any:
        def empty(block: Any) -> None:
            pass

        def fill(block: Any) -> None:
            block.output[:] = 0.1

        return self.noted(fill if setting.fill else empty)

    def counted(self) -> tuple[int, ...]:
        return (self.stream.statistics().xruns,)

    def close(self) -> None:
        self.stream.abort()
        self.stream.close()


class VoicecoilSafe(Voicecoil):
    name = 'voicecoil, latency="safe"'
    wanted: ClassVar[dict[str, Any]] = {"latency": "safe"}

    def counted(self) -> tuple[int, ...]:
        statistics = self.stream.statistics()
        own = sum(xrun.cause != "device" for xrun in statistics.latest_xruns)
        return statistics.xruns, statistics.frames, statistics.lost_frames, own


class VoicecoilAhead(VoicecoilSafe):
    name = "voicecoil, latency=0.2"
    wanted: ClassVar[dict[str, Any]] = {"latency": 0.2}


class VoicecoilIsolated(Voicecoil):
    """Voicecoil with a callback in an interpreter that has its own GIL."""

    name = "voicecoil, isolated"
    wanted: ClassVar[dict[str, Any]] = {"isolated": True}

    def code(self, setting: Any) -> Any:
        name = "fill" if setting.fill else "empty"
        if setting.times is not None:
            os.environ["PEERS_TIMES"] = str(setting.times.file)
            name = f"noted_{name}"
        return f"isolated_callback:{name}"


class VoicecoilNative(Voicecoil):
    name, home = "voicecoil, native", "C"

    def code(self, setting: Any) -> Any:
        import voicecoil
        from voicecoil.native import ctypes_type

        name = "peer_fill" if setting.fill else "peer_empty"
        function = ctypes_type()((name, setting.native))
        return voicecoil.NativeCallback(function, setting.times and setting.times.shared)


ALL = {
    kind.__name__: kind
    for kind in (
        Floor,
        VoicecoilNative,
        Voicecoil,
        VoicecoilSafe,
        VoicecoilAhead,
        VoicecoilIsolated,
        RtMixer,
        JackClient,
        Miniaudio,
        DropInRaw,
        DropIn,
        SoundDeviceRaw,
        SoundDevice,
        PyAudio,
        SoundCard,
    )
}
