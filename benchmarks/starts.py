"""Measures the time before the first block, and the speed of rendering."""

from __future__ import annotations

import asyncio
import signal
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from measure import in_a_process, median_of

import voicecoil as vc
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver

IMPORT = """
import time
began = time.process_time()
import voicecoil
print(time.process_time() - began)
"""


def import_ms(runs: int) -> float:
    """Returns the duration of `import voicecoil` in a new interpreter, without its start, ms."""
    return statistics.median(float(in_a_process(IMPORT, bare=True)) for _ in range(runs)) * 1e3


def first_block_ms(runs: int) -> float:
    """Returns the time from the call that opens a stream to the first call of its callback, ms.

    The device runs in real time with cycles of 64 frames.
    """
    return median_of(_first_block_ms, runs)


def _first_block_ms() -> float:
    driver = VirtualDriver([VirtualDevice("Benchmark", frames=64)])
    called = threading.Event()
    when: list[float] = []

    def callback(block: vc.Block) -> None:
        if not when:
            when.append(time.perf_counter())
            called.set()

    began = time.perf_counter()
    with vc.OutputStream(callback, driver=driver, latency="low") as stream:
        called.wait(10)
        stream.abort()
    return (when[0] - began) * 1e3


def long_file(kind: str, folder: Path) -> Path:
    """Makes a file of two hours with one channel at 16 kHz. Making a larger file would take too
    long.
    """
    path = folder / f"long.{kind}"
    block = np.zeros(16_000 * 60, np.float32)
    block[::100] = 0.1
    with soundfile.SoundFile(path, "w", 16_000, 1) as file:
        for _ in range(120):
            file.write(block)
    return path


def file_start_ms(path: Path, runs: int) -> float:
    """Returns the time from `play` to the first frame that a device in real time takes, ms."""
    return median_of(lambda: _file_start_ms(path), runs)


def _file_start_ms(path: Path) -> float:
    driver = VirtualDriver([VirtualDevice("Benchmark", frames=64)])
    began = time.perf_counter()
    playback = vc.play(path, driver=driver)
    while not playback.position:
        time.sleep(0.0002)
    taken = time.perf_counter() - began
    playback.stop()
    playback.wait(5)
    return taken * 1e3


def interrupt_ms(call: str, runs: int) -> float:
    """Returns the longest time from Ctrl-C until `call` raises KeyboardInterrupt, ms. The callback
    of the stream does not return during this time.
    """
    return max(_interrupt_ms(call) for _ in range(runs))


def _interrupt_ms(call: str) -> float:
    inside, free = threading.Event(), threading.Event()

    def callback(block: vc.Block) -> None:
        inside.set()
        free.wait(10)

    main = threading.get_ident()
    pressed: list[float] = []

    def press() -> None:
        while not any(t.name == f"voicecoil {call}" for t in threading.enumerate()):
            time.sleep(0.001)
        time.sleep(0.02)  # by then the main thread waits in `call`
        pressed.append(time.perf_counter())
        signal.pthread_kill(main, signal.SIGINT)

    stream = vc.OutputStream(callback, driver=VirtualDriver([VirtualDevice("Benchmark")]))
    stream.start()
    inside.wait(10)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    presser = threading.Thread(target=press)
    presser.start()
    try:
        getattr(stream, call)()
    except KeyboardInterrupt:
        return (time.perf_counter() - pressed[0]) * 1e3
    finally:
        signal.signal(signal.SIGINT, before)
        free.set()
        presser.join()
        stream.close()
    raise AssertionError("the call was not interrupted")


def wake_ms(way: str, runs: int) -> tuple[float, float]:
    """Returns how long a task waits: the median and the longest time, ms.

    With "ended" it is the time from the call of `abort` in another thread until ``await
    stream.ended()`` returns. With "stop_async" it is the duration of ``await stream.stop_async()``,
    in which the last block is played to its end.
    """

    async def measure() -> float:
        device = VirtualDevice(frames=64)
        with vc.OutputStream(
            lambda block: None, driver=VirtualDriver([device]), latency="low"
        ) as stream:
            while stream.statistics().blocks < 10:
                await asyncio.sleep(0.001)
            if way == "stop_async":
                began = time.perf_counter()
                await stream.stop_async()
                return (time.perf_counter() - began) * 1e3
            called: list[float] = []

            def abort() -> None:
                called.append(time.perf_counter())
                stream.abort()

            thread = threading.Timer(0.02, abort)
            thread.start()
            await stream.ended()
            woken = time.perf_counter()
            thread.join()
            return (woken - called[0]) * 1e3

    times = [asyncio.run(measure()) for _ in range(runs)]
    return statistics.median(times), max(times)


def render_factor(seconds: float, dtype: str) -> tuple[float, float]:
    """Returns how much faster than real time a sine made with NumPy is rendered, in blocks of 512
    frames.

    Also returns the time per block that the same callback takes without the library, which is
    NumPy's share, us. The two measurements alternate, because the speed of the machine varies.
    """
    pairs = [(_render_factor(seconds, sine(dtype)), _sine_alone_us(sine(dtype))) for _ in range(9)]
    factors, alone = zip(*pairs, strict=True)
    return statistics.median(factors), statistics.median(alone)


class _Block:
    frames = 512
    output = np.zeros((512, 2), np.float32)


def sine(dtype: str) -> Callable[[Any], None]:
    """Returns a callback as a user would write it, which plays a sine."""
    step = 2 * np.pi * 440 / 48_000
    phases = (step * np.arange(512)).astype(dtype)
    position = 0

    def callback(block: Any) -> None:
        nonlocal position
        start = phases.dtype.type(position * step % (2 * np.pi))
        left_and_right = block.output
        left_and_right[:, 0] = left_and_right[:, 1] = np.sin(phases + start)
        position += block.frames

    return callback


def _sine_alone_us(callback: Callable[[Any], None]) -> float:
    began = time.process_time()
    for _ in range(2000):
        callback(_Block)
    return (time.process_time() - began) / 2000 * 1e6


def _render_factor(seconds: float, callback: Callable[[Any], None]) -> float:
    began = time.process_time()
    vc.render(callback, frames=int(seconds * 48_000))
    return seconds / (time.process_time() - began)
