"""Programs in the shape of the documented examples of sounddevice. Run by test_both_libraries.py.

    python examples_shapes.py FOLDER

They import `sounddevice`, which is the real one or voicecoil's replacement. Each program plays
coded frames or records, and prints one line of JSON: its name and what it has seen.
"""

from __future__ import annotations

import asyncio
import json
import queue
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import sounddevice as sd
import soundfile as sf

FS = 48_000
FOLDER = Path(sys.argv[1]) if len(sys.argv) > 1 else Path()
FRAMES = 4800
PROGRAMS: list[Callable[[], Any]] = []
SENT: list[Any] = []  # the frames that each program has played


def program(function: Callable[[], Any]) -> Callable[[], Any]:
    PROGRAMS.append(function)
    return function


def next_sound(frames: int = FRAMES) -> Any:
    """Returns frames that no program has played before. No sample is silence."""
    first = sum(map(len, SENT)) + 1
    numbers = np.arange(first, first + frames)[:, None]
    sound = ((numbers * [2, 3]) * 2.0**-20).astype(np.float32)
    SENT.append(sound)
    return sound


def sound_file(name: str) -> Path:
    path = FOLDER / name
    sf.write(path, next_sound(), FS, subtype="FLOAT")
    return path


@program
def play_file() -> Any:
    data, fs = sf.read(sound_file("play_file.wav"), always_2d=True)
    sd.play(data, fs)
    status = sd.wait()
    return [data.dtype.name, status is None or bool(status)]


@program
def play_with_callback() -> Any:
    event = threading.Event()
    data, fs = sf.read(sound_file("callback.wav"), dtype="float32", always_2d=True)
    place = 0

    def callback(outdata: Any, frames: int, time: Any, status: Any) -> None:
        nonlocal place
        chunk = min(len(data) - place, frames)
        outdata[:chunk] = data[place : place + chunk]
        if chunk < frames:
            outdata[chunk:] = 0
            raise sd.CallbackStop()
        place += chunk

    stream = sd.OutputStream(
        samplerate=fs, channels=data.shape[1], callback=callback, finished_callback=event.set
    )
    with stream:
        event.wait()
    return [stream.active, stream.stopped, stream.closed]


@program
def play_long_file() -> Any:
    blocks: queue.Queue[Any] = queue.Queue(maxsize=8)
    event = threading.Event()
    blocksize = 1024
    with sf.SoundFile(sound_file("long.wav")) as file:

        def callback(outdata: Any, frames: int, time: Any, status: Any) -> None:
            assert frames == blocksize
            try:
                data = blocks.get_nowait()
            except queue.Empty as error:
                raise sd.CallbackAbort from error
            if len(data) < len(outdata):
                outdata[: len(data)] = data
                outdata[len(data) :].fill(0)
                raise sd.CallbackStop
            outdata[:] = data

        for _ in range(8):
            data = file.read(blocksize, dtype="float32", always_2d=True)
            if not len(data):
                break
            blocks.put_nowait(data)
        stream = sd.OutputStream(
            samplerate=file.samplerate,
            blocksize=blocksize,
            channels=file.channels,
            callback=callback,
            finished_callback=event.set,
        )
        with stream:
            event.wait()
    return [stream.blocksize, stream.dtype, stream.samplesize]


@program
def play_long_file_raw() -> Any:
    blocks: queue.Queue[bytes] = queue.Queue()
    event = threading.Event()
    blocksize = 512
    with sf.SoundFile(sound_file("raw.wav")) as file:
        while data := bytes(file.buffer_read(blocksize, dtype="float32")):
            blocks.put_nowait(data)

    def callback(outdata: Any, frames: int, time: Any, status: Any) -> None:
        try:
            data = blocks.get_nowait()
        except queue.Empty as error:
            raise sd.CallbackStop from error
        outdata[: len(data)] = data
        outdata[len(data) :] = b"\x00" * (len(outdata) - len(data))

    with sd.RawOutputStream(
        samplerate=FS,
        blocksize=blocksize,
        channels=2,
        dtype="float32",
        callback=callback,
        finished_callback=event.set,
    ) as stream:
        event.wait()
    return [stream.dtype, stream.samplesize, stream.channels]


@program
def play_stream() -> Any:
    sound = next_sound()
    (FOLDER / "sent.raw").write_bytes(sound.tobytes())
    copy = "import sys, shutil; shutil.copyfileobj(open(sys.argv[1], 'rb'), sys.stdout.buffer)"
    process = subprocess.Popen(
        [sys.executable, "-c", copy, str(FOLDER / "sent.raw")], stdout=subprocess.PIPE
    )
    stream = sd.RawOutputStream(samplerate=FS, blocksize=1024, channels=2, dtype="float32")
    assert process.stdout is not None
    read_size = 1024 * stream.channels * stream.samplesize
    with stream:
        while data := process.stdout.read(read_size):
            stream.write(data)
    return process.wait()


@program
def play_sine() -> Any:
    start = 0
    sound = next_sound()

    def callback(outdata: Any, frames: int, time: Any, status: Any) -> None:
        nonlocal start
        part = sound[start : start + frames]
        outdata.fill(0)
        outdata[: len(part)] = part
        start += frames

    with sd.OutputStream(channels=2, callback=callback, samplerate=FS) as stream:
        while start < len(sound):
            sd.sleep(20)
    return [stream.samplerate, stream.channels]


@program
def blocking_write() -> Any:
    sound = next_sound()
    stream = sd.OutputStream(FS, channels=2)
    stream.start()
    answers = [type(stream.write(part)).__name__ for part in np.array_split(sound, 7)]
    stream.stop()
    stream.start()  # a stopped stream can be started again
    stream.stop()
    stream.close()
    return answers


@program
def wire() -> Any:
    seen = []

    def callback(indata: Any, outdata: Any, frames: int, time: Any, status: Any) -> None:
        seen.append((indata.shape, outdata.shape, time.currentTime >= 0))
        outdata[:] = indata * 0

    with sd.Stream(
        device=(None, None),
        samplerate=FS,
        dtype="float32",
        latency=0.1,
        channels=2,
        callback=callback,
    ) as stream:
        while len(seen) < 3:
            sd.sleep(20)
    same = all(first == second for first, second, _ in seen)
    return [same, isinstance(stream.latency, tuple), stream.channels, stream.dtype]


@program
def rec_unlimited() -> Any:
    blocks: queue.Queue[Any] = queue.Queue()

    def callback(indata: Any, frames: int, time: Any, status: Any) -> None:
        blocks.put(indata.copy())

    path = FOLDER / "rec_unlimited.wav"
    with (
        sf.SoundFile(path, mode="x", samplerate=FS, channels=1) as file,
        sd.InputStream(samplerate=FS, channels=1, callback=callback),
    ):
        while file.frames < 2 * FRAMES:
            file.write(blocks.get())
    return sf.info(path).frames >= 2 * FRAMES


@program
def rec_gui() -> Any:
    blocks: queue.Queue[Any] = queue.Queue()
    stream = sd.InputStream(samplerate=FS, channels=2, callback=lambda *a: blocks.put(a[0].copy()))
    states = []
    for _ in range(2):
        stream.start()
        states.append((stream.active, stream.stopped))
        blocks.get()
        stream.stop()
        states.append((stream.active, stream.stopped))
    stream.close()
    return states


@program
def asyncio_coroutines() -> Any:
    async def record_buffer(buffer: Any, **kwargs: Any) -> None:
        loop = asyncio.get_running_loop()
        event = asyncio.Event()
        place = 0

        def callback(indata: Any, frames: int, time: Any, status: Any) -> None:
            nonlocal place
            remainder = len(buffer) - place
            if remainder == 0:
                loop.call_soon_threadsafe(event.set)
                raise sd.CallbackStop
            indata = indata[:remainder]
            buffer[place : place + len(indata)] = indata
            place += len(indata)

        stream = sd.InputStream(
            callback=callback, dtype=buffer.dtype, channels=buffer.shape[1], **kwargs
        )
        with stream:
            await event.wait()

    async def play_buffer(buffer: Any, **kwargs: Any) -> None:
        loop = asyncio.get_running_loop()
        event = asyncio.Event()
        place = 0

        def callback(outdata: Any, frames: int, time: Any, status: Any) -> None:
            nonlocal place
            remainder = len(buffer) - place
            if remainder == 0:
                loop.call_soon_threadsafe(event.set)
                raise sd.CallbackStop
            valid = min(remainder, frames)
            outdata[:valid] = buffer[place : place + valid]
            outdata[valid:] = 0
            place += valid

        stream = sd.OutputStream(
            callback=callback, dtype=buffer.dtype, channels=buffer.shape[1], **kwargs
        )
        with stream:
            await event.wait()

    async def main() -> Any:
        buffer = np.full((FRAMES, 2), 9, "float32")
        await record_buffer(buffer, samplerate=FS)
        await play_buffer(next_sound(), samplerate=FS)
        return bool((buffer != 9).all())

    return asyncio.run(main())


@program
def asyncio_generators() -> Any:
    async def inputs(channels: int = 1, **kwargs: Any) -> AsyncIterator[Any]:
        blocks: asyncio.Queue[Any] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def callback(indata: Any, frames: int, time: Any, status: Any) -> None:
            loop.call_soon_threadsafe(blocks.put_nowait, (indata.copy(), status))

        with sd.InputStream(callback=callback, channels=channels, **kwargs):
            while True:
                yield await blocks.get()

    async def main() -> Any:
        seen = []
        async for indata, status in inputs(samplerate=FS, blocksize=480):
            seen.append([indata.shape, type(status).__name__])
            if len(seen) == 3:
                return seen

    return asyncio.run(main())


@program
def plot_input() -> Any:
    blocks: queue.Queue[Any] = queue.Queue()
    rate = sd.query_devices(None, "input")["default_samplerate"]
    mapping = [channel - 1 for channel in (1, 2)]

    def callback(indata: Any, frames: int, time: Any, status: Any) -> None:
        blocks.put(indata[::10, mapping])

    plotted = np.zeros((100, 2))
    with sd.InputStream(device=None, channels=2, samplerate=rate, callback=callback):
        for _ in range(3):
            data = blocks.get()
            plotted = np.roll(plotted, -len(data), axis=0)
    return [plotted.shape, rate >= 44_100]


@program
def spectrogram() -> Any:
    seen = []
    rate = sd.query_devices(None, "input")["default_samplerate"]

    def callback(indata: Any, frames: int, time: Any, status: Any) -> None:
        magnitude = np.abs(np.fft.rfft(indata[:, 0], n=512))
        seen.append(len(magnitude))

    with sd.InputStream(
        channels=1, callback=callback, blocksize=int(rate * 50 / 1000), samplerate=rate
    ):
        while len(seen) < 2:
            sd.sleep(20)
    return seen[:2]


@program
def playrec() -> Any:
    sound = next_sound()
    longer = np.concatenate([sound, np.zeros((FS // 2, 2), np.float32)])
    recording = sd.playrec(longer, FS, channels=2)
    sd.wait()
    heard = recording[recording.any(axis=1)]
    return [recording.shape, recording.dtype.name, len(heard) > 0]


@program
def errors() -> Any:
    seen = []
    for call in (
        lambda: sd.OutputStream(dtype="float64"),
        lambda: sd.OutputStream(device="no such device"),
        lambda: sd.OutputStream(channels=1000),
        lambda: sd.OutputStream(samplerate=1),
        lambda: sd.InputStream().read(1),
        lambda: sd.play(np.zeros((2, 2, 2))),
        lambda: sd.play(np.zeros(2, complex)),
        lambda: sd.rec(10),
        lambda: sd.rec(10, channels=1, mapping=[1, 2]),
        lambda: sd.query_devices(kind="both"),
        lambda: sd.query_devices(99),
        lambda: setattr(sd.default, "nothing", 1),
    ):
        try:
            call()
        except Exception as error:
            seen.append([type(error).__name__, list(error.args[1:2])])
        else:
            seen.append(None)
    return seen


def main() -> None:
    for one in PROGRAMS:
        try:
            answer = one()
        except BaseException as error:
            answer = f"raised {error!r}"
        print(json.dumps([one.__name__, answer]), flush=True)
    np.save(FOLDER / "sent.npy", np.concatenate(SENT))


if __name__ == "__main__":
    main()
